import os
import tempfile

import tensorflow as tf
import tensorflow_hub as hub


def module_fn():
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    w = tf.get_variable("w", [3, 2], initializer=tf.ones_initializer())
    hub.add_signature(inputs=x, outputs={"default": tf.matmul(x, w), "doubled": 2 * tf.matmul(x, w)})
    hub.attach_message("note", tf.train.BytesList(value=[b"made here"]))


def export(path):
    spec = hub.create_module_spec(module_fn)
    with tf.Graph().as_default():
        module = hub.Module(spec, trainable=True)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            module.export(path, session)
    return hub.load_module_spec(path)


with tempfile.TemporaryDirectory() as folder:
    spec = export(os.path.join(folder, "module"))
    with hub.eval_function_for_module(spec) as f:
        result = f([[1.0, 2.0, 3.0]])
