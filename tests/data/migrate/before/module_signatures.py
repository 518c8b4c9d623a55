import tensorflow as tf
import tensorflow_hub as hub

m = hub.Module(spec="https://tfhub.dev/google/imagenet/feature_vector/1", tags=set())

images = tf.ones([2, 8, 8, 3])
vector = m({"images": images}, signature="image_feature_vector", as_dict=True)
logits = m(dict(images=images), signature="image_classification")
default = m(images)  # by its only input
result = (vector["default"].numpy(), logits.numpy(), default.numpy())


def score(x):
    return tf.nn.softmax(m(x, signature="image_classification", as_dict=False))


scores = score(images).numpy()
