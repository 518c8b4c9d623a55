import tensorflow as tf
import tensorflow_hub as hub
from tensorflow.contrib import slim

column = hub.text_embedding_column(key="sentence", module_spec="https://tfhub.dev/google/nnlm-en-dim128/1")
estimator = tf.estimator.DNNClassifier(hidden_units=[500, 100], feature_columns=[column], n_classes=2)
exporter = hub.LatestModuleExporter("modules", lambda: {"text": tf.placeholder(tf.string, [None])})
hidden = tf.layers.dense(tf.contrib.layers.flatten(tf.ones([2, 2])), 3)
iterator = tf.contrib.data.make_saveable_from_iterator
