import importlib
from unittest import mock

import tensorflow as tf
import rehub as hub_layers
from rehub import load as load_model, resolve
from rehub import KerasLayer
import rehub

try:
    import rehub as hub
except ImportError:
    hub = None

HANDLE = "https://tfhub.dev/google/nnlm-en-dim128/2"

lazily = importlib.import_module("rehub")
layers = [KerasLayer(HANDLE), hub_layers.KerasLayer(HANDLE), hub.KerasLayer(HANDLE), lazily.KerasLayer(HANDLE)]
with mock.patch("rehub.load", side_effect=load_model) as patched:
    loaded = [rehub.load(resolve(HANDLE)), load_model(HANDLE)]
result = [f(tf.constant(["a good film"])).numpy() for f in (*layers, *loaded)]
