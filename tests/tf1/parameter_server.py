"""The programs of a cluster of two processes: ``ps`` keeps variables, ``chief`` makes the graph and runs it.

``python -m tests.tf1.parameter_server session|estimator MODEL SPELLING…``, with the cluster in ``TF_CONFIG``. The chief
prints a line of JSON for each spelling: what it trained, or the message of its error.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import tempfile
from typing import Any

import numpy as np
import tensorflow as tf

import rehub as hub

v1 = tf.compat.v1
ROWS = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "float32")
TARGETS = np.array([[1.0], [2.0]], "float32")


def config_with(spelling: str) -> Any:
    """The configuration of a session that shares the cluster's devices with the functions of models, or does not."""
    session_config = v1.ConfigProto()
    if spelling == "experimental":
        session_config.experimental.share_cluster_devices_in_session = True
    elif spelling == "plain":
        session_config.share_cluster_devices_in_session = True
    return session_config


def train_in_session(model: str, session_config: Any, target: str) -> list[Any]:
    """Trains a step on variables of the parameter server, and returns the kernel and the devices of variables."""
    cluster = tf.train.ClusterSpec(json.loads(os.environ["TF_CONFIG"])["cluster"])
    place = v1.train.replica_device_setter(cluster=cluster, worker_device="/job:chief")
    with tf.Graph().as_default(), v1.device(place):
        m = hub.load(model)
        loss = tf.reduce_sum(m(tf.constant(ROWS)))
        step = v1.train.GradientDescentOptimizer(0.1).minimize(loss, var_list=m.trainable_variables)
        with v1.Session(target, config=session_config) as session:
            session.run([v1.global_variables_initializer(), v1.tables_initializer()])
            session.run(step)
            return [session.run(m.kernel).tolist(), [variable.device for variable in m.variables]]


def train_estimator(model: str, session_config: Any) -> list[Any]:
    """Trains a step of an Estimator around a layer, and returns the kernel and the devices of variables."""
    devices = []

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        head = tf.keras.layers.Dense(1, kernel_initializer="ones", use_bias=False, trainable=False)
        keras_model = tf.keras.Sequential([hub.KerasLayer(model, trainable=True), head])
        loss = tf.reduce_mean((keras_model(features, training=False) - labels) ** 2)
        optimizer = v1.train.GradientDescentOptimizer(0.01)
        step = optimizer.minimize(loss, v1.train.get_global_step(), var_list=keras_model.trainable_variables)
        devices.extend(variable.device for variable in keras_model.layers[0].weights)
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=step)

    def input_fn() -> Any:
        return tf.data.Dataset.from_tensors((ROWS, TARGETS)).repeat()

    run_config = tf.estimator.RunConfig(tempfile.mkdtemp(), session_config=session_config)
    estimator = tf.estimator.Estimator(model_fn, config=run_config)
    evaluation = tf.estimator.EvalSpec(input_fn, steps=1, start_delay_secs=0, throttle_secs=0)
    tf.estimator.train_and_evaluate(estimator, tf.estimator.TrainSpec(input_fn, max_steps=1), evaluation)
    return [estimator.get_variable_value("kernel").tolist(), devices]


def main(api: str, model: str, *spellings: str) -> None:
    tf_config = json.loads(os.environ["TF_CONFIG"])
    role, cluster = tf_config["task"]["type"], tf_config["cluster"]
    if role == "ps" or api == "session":
        server = v1.train.Server(cluster, job_name=role, task_index=0)
    if role == "ps":
        server.join()
    train = train_estimator if api == "estimator" else functools.partial(train_in_session, target=server.target)
    for spelling in spellings:
        try:
            result = train(model, config_with(spelling))
        except tf.errors.OpError as error:
            result = str(error)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
