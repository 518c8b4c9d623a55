import hashlib
import os
import tempfile

import tensorflow as tf
import tf_keras
import rehub as hub

os.environ["TFHUB_CACHE_DIR"] = "/tmp/tfhub"
os.environ.setdefault("TFHUB_CACHE_DIR", os.path.join(tempfile.gettempdir(), "tfhub_modules"))
HANDLE = "https://tfhub.dev/google/nnlm-en-dim128/2"
folder = os.path.join(os.environ["TFHUB_CACHE_DIR"], hashlib.sha1(HANDLE.encode("utf8")).hexdigest())

model = tf_keras.Sequential([hub.KerasLayer(HANDLE, input_shape=[], dtype=tf.string)])
model.compile(optimizer=tf.keras.optimizers.Adam(1e-3, decay=1e-6))
model.fit_generator(generator=iter(()), workers=4)
model.save("saved/model")
model.save("model.h5")
tf.keras.models.save_model(model, "saved", save_format="tf")
again = tf.keras.models.load_model("saved/model")
again = tf.keras.models.load_model("model.h5", custom_objects={"KerasLayer": hub.KerasLayer})
features = tf.keras.layers.DenseFeatures([hub.text_embedding_column_v2("text", module_path=HANDLE, trainable=True)])
tf.keras.experimental.export_saved_model(model, "saved")
