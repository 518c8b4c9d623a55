import tensorflow as tf
import tensorflow_hub as hub

handle = "https://tfhub.dev/google/universal-sentence-encoder/2"

embed = hub.Module(
    handle,  # the large one
    name="encoder",
    trainable=False,
)


@tf.function
def similarity(a, b):
    return tf.reduce_sum(embed(a) * embed(inputs=b), axis=-1)


result = similarity(tf.constant(["one", "two"]), tf.constant(["one", "three"])).numpy()
once = hub.Module(handle)(["one"], signature="default", as_dict=True)["default"].numpy()
