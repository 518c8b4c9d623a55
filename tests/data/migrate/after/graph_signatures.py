import numpy as np
import tensorflow.compat.v1 as tf
import rehub as hub

tf.disable_v2_behavior()


class Encoder(object):
    """Feeds batches through a module in a session that stays open."""

    def __init__(self, path):
        self.graph = tf.Graph()
        with self.graph.as_default():
            module = hub.Module(path)
            height, width = hub.get_expected_image_size(module)
            self.images = tf.placeholder(tf.float32, [None, height, width, 3])
            self.outputs = module(dict(images=self.images), signature="image_feature_vector", as_dict=True)
            init = tf.group(tf.global_variables_initializer(), tf.tables_initializer())
        self.session = tf.Session(graph=self.graph)
        self.session.run(init)

    def __call__(self, images):
        return self.session.run(self.outputs["default"], {self.images: images})


result = Encoder("https://tfhub.dev/google/imagenet/feature_vector/1")(np.ones([2, 8, 8, 3]))
