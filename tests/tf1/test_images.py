from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

import rehub as hub
from rehub.errors import SignatureError, UsageError

MODULE = Path(__file__).parent.parent / "data/tf1_hub/image"


def spec(shape: list[int | None] | None, name: str = "images", *, attached: Any = None) -> hub.ModuleSpec:
    def module_fn() -> None:
        images = tf.compat.v1.placeholder(tf.float32, shape)
        hub.add_signature(inputs={name: images}, outputs=tf.reduce_mean(images))
        if attached is not None:
            hub.attach_image_module_info(attached)

    return hub.create_module_spec(module_fn)


def info(height: int, width: int) -> Any:
    made = hub.ImageModuleInfo()
    made.default_image_size.height = height
    made.default_image_size.width = width
    return made


def test_image_size_and_channels_are_those_of_a_real_module() -> None:
    module = hub.load_module_spec(MODULE)
    assert hub.get_expected_image_size(module) == (8, 8)
    assert hub.get_num_image_channels(module) == 3
    assert hub.get_num_image_channels(module, signature="image_classification", input_name="images") == 3


def test_image_size_is_known_of_a_module_in_a_graph() -> None:
    with tf.Graph().as_default():
        module = hub.Module(MODULE)
        height, width = hub.get_expected_image_size(module)
        features = module(tf.zeros([1, height, width, hub.get_num_image_channels(module)]))
    assert features.shape == (1, 5)


def test_attached_size_counts_before_the_shape() -> None:
    assert hub.get_expected_image_size(spec([None, 8, 9, 3])) == (8, 9)
    assert hub.get_expected_image_size(spec([None, 8, 9, 3], attached=info(3, 4))) == (3, 4)
    assert hub.get_expected_image_size(spec([None, None, None, 3], attached=info(3, 4))) == (3, 4)


def test_attached_size_without_a_width_does_not_count() -> None:
    assert hub.get_expected_image_size(spec([None, 8, 9, 3], attached=info(3, 0))) == (8, 9)


def test_attached_size_survives_export(tmp_path: Path) -> None:
    spec([None, None, None, 3], attached=info(3, 4)).export(tmp_path / "module")
    loaded = hub.load_module_spec(tmp_path / "module")
    assert hub.get_expected_image_size(loaded) == (3, 4)
    assert loaded.get_attached_message("image_module_info", hub.ImageModuleInfo) == info(3, 4)


def test_the_only_input_takes_the_images_whatever_its_name() -> None:
    assert hub.get_expected_image_size(spec([None, 8, 9, 1], "picture")) == (8, 9)
    assert hub.get_num_image_channels(spec([None, 8, 9, 1], "picture"), input_name="picture") == 1


def test_unknown_input_is_refused_with_those_that_exist() -> None:
    with pytest.raises(SignatureError, match="'default' has no input 'images'; it has a, b") as caught:
        hub.get_num_image_channels(two_inputs())
    assert caught.value.available == ("a", "b")
    with pytest.raises(SignatureError, match="no input 'photo'; it has images"):
        hub.get_num_image_channels(spec([None, 8, 9, 3]), input_name="photo")


def two_inputs() -> hub.ModuleSpec:
    def module_fn() -> None:
        images = {name: tf.compat.v1.placeholder(tf.float32, [None, 8, 9, 3]) for name in "ab"}
        hub.add_signature(inputs=images, outputs=tf.zeros([]))

    return hub.create_module_spec(module_fn)


@pytest.mark.parametrize("shape", [None, [None, None, 9, 3], [None, 8, None, 3]])
def test_size_that_nothing_fixes_is_refused(shape: list[int | None] | None) -> None:
    with pytest.raises(SignatureError, match="which fixes no height and width"):
        hub.get_expected_image_size(spec(shape))


@pytest.mark.parametrize("shape", [None, [None, 8, 9, None]])
def test_number_of_channels_that_nothing_fixes_is_refused(shape: list[int | None] | None) -> None:
    with pytest.raises(SignatureError, match="which fixes no number of channels"):
        hub.get_num_image_channels(spec(shape))


def test_input_that_is_no_batch_of_images_is_refused() -> None:
    with pytest.raises(SignatureError, match=r"its shape is \(None, 8, 9\), not \[batch, height, width, channels\]"):
        hub.get_num_image_channels(spec([None, 8, 9]))


def test_attach_refuses_what_is_no_image_module_info() -> None:
    with pytest.raises(TypeError, match=r"image_module_info is a int, not a hub\.ImageModuleInfo"):
        spec([None, 8, 9, 3], attached=7)
    with pytest.raises(TypeError, match=r"is a tensorflow\.GraphDef"):
        spec([None, 8, 9, 3], attached=tf.compat.v1.GraphDef())


def test_attach_refuses_to_work_outside_of_a_module() -> None:
    with pytest.raises(UsageError):
        hub.attach_image_module_info(info(3, 4))
