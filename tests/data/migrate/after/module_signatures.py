import tensorflow as tf
import rehub as hub

m = hub.load(handle="https://tfhub.dev/google/imagenet/feature_vector/1")

images = tf.ones([2, 8, 8, 3])
vector = m.signatures["image_feature_vector"](**{"images": images})
logits = m.signatures["image_classification"](images=images)["default"]
default = m.signatures["default"](images)["default"]  # by its only input
result = (vector["default"].numpy(), logits.numpy(), default.numpy())


def score(x):
    return tf.nn.softmax(m.signatures["image_classification"](x)["default"])


scores = score(images).numpy()
