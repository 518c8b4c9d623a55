"""Images reach each model in the size and the range that it wants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from rehub.errors import ComparisonError

TF1_MODULE = Path(__file__).parents[1] / "data" / "tf1_hub" / "image"
Images = tuple[list[Any], list[str]]


@pytest.mark.parametrize("model", ["colours", "bytes"])
def test_images_are_brought_to_the_size_of_the_model(model: str, models: Path, images: Images) -> None:
    assert hub.compare([models / model / "1"], images).best.score == 1


def test_tf1_module_takes_images_of_its_size(images: Images) -> None:
    found = hub.compare([TF1_MODULE], images)

    assert found.best.name == "image"
    assert found.best.score > 0.6


def test_size_that_is_attached_to_a_tf1_module_counts_before_all_others(images: Images, tmp_path: Path) -> None:
    def module_fn() -> None:
        pictures = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3])
        fits = tf.reduce_all(tf.equal(tf.shape(pictures)[1:3], [8, 9]))
        hub.add_signature(
            inputs={"images": pictures}, outputs=tf.reduce_mean(pictures, [1, 2]) * tf.cast(fits, "float32")
        )
        info = hub.ImageModuleInfo()
        info.default_image_size.height, info.default_image_size.width = 8, 9
        hub.attach_image_module_info(info)

    hub.create_module_spec(module_fn).export(tmp_path / "module")
    assert hub.compare([tmp_path / "module"], images, image_size=(12, 12)).best.score == 1


def test_model_of_all_sizes_asks_for_one_when_images_differ(models: Path, images: Images) -> None:
    with pytest.raises(ComparisonError, match=r"takes images of all sizes.*image_size"):
        hub.compare([models / "any-size" / "1"], images)
    assert hub.compare([models / "any-size" / "1"], images, image_size=(8, 8)).best.score == 1


def test_array_of_images_is_taken_as_it_is_when_it_fits(models: Path, images: Images) -> None:
    floats = np.stack([image[:8, :8] / 255 for image in images[0]])
    bytes_ = np.stack([image[:8, :8] for image in images[0]])
    handles = [models / "any-size" / "1", models / "colours" / "1"]

    by_floats = hub.compare(handles, (floats, images[1]))
    by_bytes = hub.compare(handles, (bytes_, images[1]), max_examples=15)
    assert [row.score for row in (*by_floats.rows, *by_bytes.rows)] == [1, 1, 1, 1]


def test_features_with_more_axes_are_laid_out_in_one(models: Path, images: Images) -> None:
    assert hub.compare([models / "corners" / "1"], images).best.width == 2 * 2 * 3


def test_pictures_of_several_sizes_come_out_of_tf_data(models: Path, images: Images) -> None:
    shape = tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([], tf.string)
    dataset = tf.data.Dataset.from_generator(lambda: zip(*images, strict=True), output_signature=shape)

    assert hub.compare([models / "colours" / "1"], dataset).best.score == 1
