"""Several layers of one object."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub

KERNEL = [1.0, 2.0, 3.0]


def losses_of(layer):
    return sum(map(float, layer.losses))


def sum_of(*layers):
    inputs = tf.keras.Input((3,))
    model = tf.keras.Model(inputs, tf.keras.layers.add([layer(inputs) for layer in layers]))
    model.compile(tf.keras.optimizers.SGD(0.1), "mse")
    return model


@pytest.mark.parametrize("trainable", [(True, False), (False, True)])
def test_layers_of_one_object_train_or_do_not_each_by_its_own_switch(scale, batch, trainable):
    obj = hub.load(scale)
    layers = [hub.KerasLayer(obj, trainable=each) for each in trainable]

    assert [len(layer.trainable_weights) for layer in layers] == [int(each) for each in trainable]
    assert [losses_of(layer) for layer in layers] == [6.0 if each else 0.0 for each in trainable]
    sum_of(layers[trainable.index(True)]).fit(batch, batch * 0, verbose=0)
    assert not np.array_equal(obj.kernel, KERNEL)


def test_layers_of_one_object_are_toggled_one_by_one(scale, batch):
    obj = hub.load(scale)
    one, other = (hub.KerasLayer(obj, trainable=True) for _ in range(2))
    one.trainable = False

    assert (len(one.trainable_weights), len(other.trainable_weights)) == (0, 1)
    one.trainable = True
    other.trainable = False
    assert (len(one.trainable_weights), len(other.trainable_weights)) == (1, 0)
    assert (losses_of(one), losses_of(other)) == (6.0, 0.0)
    assert len(one.weights) == len(other.weights) == 2


@pytest.mark.parametrize("trainable", [(True, True), (True, False), (False, True)])
def test_layers_of_one_object_train_a_variable_once(scale, batch, trainable):
    obj = hub.load(scale)
    model = sum_of(*(hub.KerasLayer(obj, trainable=each) for each in trainable))

    assert len(model.trainable_weights) == 1
    twin = hub.load(scale)
    counted = 1 if hasattr(tf.keras, "version") else sum(trainable)  # Keras 2 counts losses layer by layer
    with tf.GradientTape() as tape:
        outputs = sum(twin(batch, training=each) for each in trainable)
        loss = tf.reduce_mean(outputs**2) + counted * twin.regularization_losses[0]()
    step = 0.1 * tape.gradient(loss, twin.kernel).numpy()
    model.fit(batch, batch * 0, batch_size=len(batch), verbose=0)
    np.testing.assert_allclose(obj.kernel, np.array(KERNEL) - step, rtol=1e-5)


def test_layer_lets_go_of_other_layers_of_the_same_object(scale, batch):
    obj = hub.load(scale)
    kept = hub.KerasLayer(obj, trainable=True)
    gone = [weakref.ref(hub.KerasLayer(obj, trainable=True)) for _ in range(3)]
    gc.collect()

    assert [reference() for reference in gone] == [None] * 3
    assert losses_of(kept) == 6.0
