import tensorflow as tf
import rehub as hub

handle = "https://tfhub.dev/google/universal-sentence-encoder/2"

embed = hub.KerasLayer(
    handle,  # the large one
    name="encoder",
    trainable=False,
)


@tf.function
def similarity(a, b):
    return tf.reduce_sum(embed(a) * embed(b), axis=-1)


result = similarity(tf.constant(["one", "two"]), tf.constant(["one", "three"])).numpy()
once = hub.KerasLayer(handle, signature_outputs_as_dict=True)(["one"])["default"].numpy()
