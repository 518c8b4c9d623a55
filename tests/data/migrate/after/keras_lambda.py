"""A contextual text embedding within a Keras model of TensorFlow 1."""
import numpy as np
import tensorflow as tf
import rehub as hub
from tensorflow.keras.layers import Dense, Input, Lambda
from tensorflow.keras.models import Model

elmo = hub.KerasLayer("https://tfhub.dev/google/elmo/2", signature_outputs_as_dict=True)


def embedding(x):
    return elmo(tf.squeeze(tf.cast(x, tf.string), axis=1))["default"]


text = Input(shape=(1,), dtype="string")
vector = Lambda(embedding, output_shape=(4,))(text)
model = Model(text, Dense(1, activation="sigmoid")(vector))
model.compile(loss="binary_crossentropy", optimizer="adam")
result = model.predict(tf.constant([["one"], ["two words"]]), verbose=0)
