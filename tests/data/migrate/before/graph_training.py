import tensorflow.compat.v1 as tf
import tensorflow_hub as hub

tf.disable_v2_behavior()


def main(_):
    images = tf.ones([4, 8, 8, 3])
    labels = tf.constant([0, 1, 0, 1])
    module = hub.Module("https://tfhub.dev/google/imagenet/feature_vector/1", trainable=True, tags={"train"})
    features = module(images)
    kernel = tf.get_variable("kernel", [5, 2])
    logits = tf.matmul(features, kernel)
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    loss += tf.losses.get_regularization_loss()
    step = tf.train.GradientDescentOptimizer(0.01).minimize(loss)
    with tf.Session() as sess:
        sess.run([tf.global_variables_initializer(), tf.tables_initializer()])
        before, _, after = sess.run(loss), sess.run(step), sess.run(loss)
    return before, after


result = main(None)
