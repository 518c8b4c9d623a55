"""What comes in is made to fit, or the error says in what it does not."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub


def test_no_trace_for_the_dtype_says_so(scale):
    with pytest.raises(hub.errors.SignatureError, match="the input is int32, not float32") as caught:
        hub.KerasLayer(scale)(tf.constant([[1, 2, 3]]))
    assert "(float32[?, 3], False)" in str(caught.value)
    assert "(float32[?, 3], True)" in str(caught.value)


def test_no_trace_for_the_size_says_along_which_axis(scale):
    with pytest.raises(hub.errors.SignatureError, match="size 4 along axis 1, not 3"):
        hub.KerasLayer(scale)(tf.zeros([2, 4]))


def test_no_trace_for_the_rank_says_so(scale):
    with pytest.raises(hub.errors.SignatureError, match="has 3 dimensions, not 2"):
        hub.KerasLayer(scale)(tf.zeros([2, 3, 1]))


def test_no_trace_for_a_dict_says_so(scale):
    with pytest.raises(hub.errors.SignatureError, match="should be no dict"):
        hub.KerasLayer(scale)({"x": tf.zeros([2, 3])})


def test_wrong_key_of_a_dict_is_named():
    class Pair(tf.Module):
        @tf.function(input_signature=[{"a": tf.TensorSpec([None]), "b": tf.TensorSpec([None])}])
        def __call__(self, inputs):
            return inputs["a"] + inputs["b"]

    with pytest.raises(hub.errors.SignatureError, match=r"lacks \['b'\] and has \['c'\] in excess"):
        hub.KerasLayer(Pair())({"a": tf.zeros([2]), "c": tf.zeros([2])})


def test_wrong_input_of_a_signature_is_explained(scale):
    with pytest.raises(hub.errors.SignatureError, match=r"lacks \['x'\]"):
        hub.KerasLayer(scale, signature="one")({"y": tf.zeros([2, 3])})


@pytest.mark.parametrize("dtype", ["float16", "float64", "bfloat16"])
def test_floats_are_cast_to_the_dtype_of_the_model(scale, dtype):
    outputs = hub.KerasLayer(scale)(tf.cast([[1.0, 2.0, 3.0]], dtype))
    assert outputs.dtype == tf.float32
    np.testing.assert_allclose(outputs, [[2.0, 5.0, 10.0]])


def test_list_of_numbers_may_be_integers(scale):
    np.testing.assert_allclose(hub.KerasLayer(scale)([[1, 2, 3]]), [[2.0, 5.0, 10.0]])


def test_error_keeps_its_fields_inside_a_graph(scale):
    layer = hub.KerasLayer(scale)

    @tf.function
    def call():
        return layer(tf.zeros([2, 4]))

    with pytest.raises(hub.errors.SignatureError) as caught:
        call()
    assert caught.value.handle == scale
    assert caught.value.hint


def test_list_of_arrays_for_a_model_with_a_list_is_kept_apart():
    class Two(tf.Module):
        @tf.function(input_signature=[[tf.TensorSpec([None]), tf.TensorSpec([None])]])
        def __call__(self, inputs):
            return inputs[0] - inputs[1]

    np.testing.assert_allclose(hub.KerasLayer(Two())([[3.0, 4.0], [1.0, 1.0]]), [2.0, 3.0])


def test_nested_list_for_a_ragged_model_becomes_ragged():
    class Sum(tf.Module):
        @tf.function(input_signature=[tf.RaggedTensorSpec([None, None], tf.int32)])
        def __call__(self, tokens):
            return tf.reduce_sum(tokens, axis=1)

    np.testing.assert_array_equal(hub.KerasLayer(Sum())([[1, 2], [], [3]]), [3, 0, 3])


def test_wrong_shape_for_a_signature_says_along_which_axis(scale):
    with pytest.raises(hub.errors.SignatureError, match="size 4 along axis 1, not 3"):
        hub.KerasLayer(scale, signature="one")(tf.zeros([2, 4]))


def test_unknown_argument_is_named(scale):
    with pytest.raises(hub.errors.SignatureError, match="it has no argument colour"):
        hub.KerasLayer(scale, arguments={"colour": 1})(tf.zeros([2, 3]))


class Rated(tf.Module):
    @tf.function(autograph=False)
    def __call__(self, x, training=False, *, rate):
        return x * rate


def test_unknown_argument_is_named_beside_those_that_there_are(tmp_path):
    module = Rated()
    for training in (False, True):
        module.__call__.get_concrete_function(tf.TensorSpec([None, 3]), training, rate=tf.TensorSpec([]))
    tf.saved_model.save(module, str(tmp_path))
    with pytest.raises(hub.errors.SignatureError, match=r"it has no argument rat\n") as info:
        hub.KerasLayer(str(tmp_path), arguments={"rat": 1.0})(tf.zeros([2, 3]))
    assert "training" not in str(info.value).partition("fits none")[2]
    assert info.value.hint == "Its arguments are: rate."


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (lambda: tf.constant([[1, 2, 3]]), r"tf\.cast\(inputs, tf\.float32\)"),
        (lambda: tf.zeros([3]), r"inputs\[None\]"),
        (lambda: tf.constant(["text"]), "fits one of them"),
        (lambda: tf.zeros([2, 4]), "fits one of them"),
        (lambda: {"x": tf.zeros([2, 3])}, "fits one of them"),
    ],
)
def test_hint_is_about_what_is_wrong(scale, value, hint):
    with pytest.raises(hub.errors.SignatureError) as caught:
        hub.KerasLayer(scale)(value())
    assert re.search(hint, caught.value.hint)


def test_hint_for_images_of_another_size_is_to_resize_them():
    class Mean(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 3])])
        def __call__(self, images):
            return tf.reduce_mean(images, [1, 2])

    with pytest.raises(hub.errors.SignatureError, match=r"tf\.image\.resize"):
        hub.KerasLayer(Mean())(tf.zeros([2, 9, 8, 3]))


def test_mismatch_inside_a_wrapping_callable_is_told_by_the_model_itself(scale):
    model = hub.load(scale)
    with pytest.raises(ValueError, match="Could not find matching concrete function"):
        hub.KerasLayer(lambda inputs: model(inputs))(tf.zeros([2, 4]))


class Tokens(tf.Module):
    """Makes ragged and sparse tensors of texts, and sums of these."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def ragged(self, texts):
        return tf.ragged.map_flat_values(tf.strings.length, tf.strings.split(texts))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def pairs(self, texts):
        return tf.ragged.map_flat_values(lambda size: tf.stack([size, size], 1), self.ragged(texts))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def sparse(self, texts):
        return self.ragged(texts).to_sparse()

    @tf.function
    def pack(self, segments, scale):
        (tokens,) = segments
        dense = tf.sparse.to_dense(tokens) if isinstance(tokens, tf.SparseTensor) else tokens.to_tensor()
        return scale * tf.reduce_sum(tf.reshape(dense, [tf.shape(dense)[0], -1]), 1)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    module = Tokens()
    for spec in (
        tf.RaggedTensorSpec([None, None], tf.int32),
        tf.RaggedTensorSpec([None, None, 2], tf.int32, ragged_rank=1),
        tf.SparseTensorSpec([None, None], tf.int32),
    ):
        module.pack.get_concrete_function([spec], tf.TensorSpec([], tf.int32))
    path = tmp_path_factory.mktemp("tokens")
    tf.saved_model.save(module, str(path))
    return str(path)


@pytest.mark.parametrize(("name", "expected"), [("ragged", [60, 30]), ("pairs", [120, 60]), ("sparse", [60, 30])])
def test_ragged_and_sparse_tensors_pass_from_layer_to_layer_of_a_model(tokens, name, expected):
    loaded = hub.load(tokens)
    texts = tf.keras.Input((), dtype="string")
    found = hub.KerasLayer(getattr(loaded, name))(texts)
    packed = hub.KerasLayer(loaded.pack, arguments={"scale": 10})([found])
    model = tf.keras.Model(texts, packed)
    np.testing.assert_array_equal(model(tf.constant(["a bc def", "ghi"])), expected)
    np.testing.assert_array_equal(model.predict(tf.constant(["a bc def", "ghi"]), verbose=0), expected)
