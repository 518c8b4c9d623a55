import importlib
from unittest import mock

import tensorflow as tf
import tensorflow_hub.keras_layer as hub_layers
from tensorflow_hub import load as load_model, resolve
from tensorflow_hub.keras_layer import KerasLayer
import tensorflow_hub.module_v2

try:
    import tensorflow_hub as hub
except ImportError:
    hub = None

HANDLE = "https://tfhub.dev/google/nnlm-en-dim128/2"

lazily = importlib.import_module("tensorflow_hub")
layers = [KerasLayer(HANDLE), hub_layers.KerasLayer(HANDLE), hub.keras_layer.KerasLayer(HANDLE), lazily.KerasLayer(HANDLE)]
with mock.patch("tensorflow_hub.load", side_effect=load_model) as patched:
    loaded = [tensorflow_hub.module_v2.load(resolve(HANDLE)), load_model(HANDLE)]
result = [f(tf.constant(["a good film"])).numpy() for f in (*layers, *loaded)]
