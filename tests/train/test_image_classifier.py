"""A folder of images for each class becomes a classifier, with all that belongs to it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import rehub as hub
from rehub.errors import SignatureError, TrainingError, UsageError
from rehub.publish.check import examine, judge
from rehub.publish.check_report import CheckReport
from rehub.publish.probe_child import observe
from rehub.publish.probe_facts import collect
from rehub.train import Result, image_classifier
from tests.train.conftest import COLOURS, SIZE, quiet, save_images

TF1 = Path(__file__).parents[1] / "data" / "tf1_hub"


def checked(model: Path) -> CheckReport:
    """What ``rehub publish check`` finds, in this process."""
    subject = examine(model)
    events = observe(model, sorted(subject.main_graph.tags), [], lifts=False)
    return judge(dataclasses.replace(subject, facts=collect(events)))


def patches(count: int = 4) -> dict[str, Any]:
    """Images of the colours in the size of the model, by colour."""
    random = np.random.default_rng(5)
    return {
        name: np.clip(random.normal(colour, 40, (count, SIZE, SIZE, 3)) / 255, 0, 1).astype(np.float32)
        for name, colour in COLOURS.items()
    }


def test_training_writes_model_labels_card_measurements_and_pictures(colour_classifier: Result) -> None:
    names = {path.name for path in colour_classifier.folder.iterdir()}

    assert names == {"model", "labels.txt", "metrics.json", "confusion.png", "curves.png", "model.tflite"}
    assert (colour_classifier.model / "card.md").is_file()
    for place in (colour_classifier.folder, colour_classifier.model / "assets"):
        assert (place / "labels.txt").read_text() == "blue\ngreen\nred\n"
    for picture in ("confusion.png", "curves.png"):
        with Image.open(colour_classifier.folder / picture) as image:
            assert image.format == "PNG"
            assert min(image.size) > 300
    assert not colour_classifier.folder.with_name("colours.unfinished").exists()


def test_classifier_tells_the_classes_of_images_apart_without_rehub(colour_classifier: Result) -> None:
    served = tf.saved_model.load(str(colour_classifier.model)).signatures["serving_default"]

    for name, images in patches().items():
        outputs = served(images=tf.constant(images))
        assert outputs["label"].numpy().tolist() == [name.encode()] * len(images)
        np.testing.assert_allclose(tf.reduce_sum(outputs["probabilities"], axis=1), 1, rtol=1e-5)


def test_classifier_takes_encoded_images(colour_classifier: Result) -> None:
    model = hub.load(str(colour_classifier.model))
    pixels = (patches()["red"] * 255).round().astype(np.uint8)
    encoded = tf.constant([tf.io.encode_png(each).numpy() for each in pixels])

    outputs = model.signatures["image_bytes"](image_bytes=encoded)

    expected = tf.nn.softmax(model(tf.constant(pixels, tf.float32) / 255))
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-6)
    assert outputs["label"].numpy().tolist() == [b"red"] * len(pixels)


def test_training_turns_photographs_upright(tmp_path: Path) -> None:
    class Top(tf.Module):
        """float32[?, 8, 8, 3] -> float32[?, 2]: how light the upper half is, and the lower one."""

        @tf.function(input_signature=[tf.TensorSpec([None, SIZE, SIZE, 3])])
        def __call__(self, images):
            return tf.reduce_mean(tf.reshape(images, [-1, 2, SIZE * SIZE // 2, 3]), axis=[2, 3])

    tf.saved_model.save(Top(), str(tmp_path / "top"))
    for light, rows in (("above", slice(0, 8)), ("below", slice(8, 16))):
        (tmp_path / "photos" / light).mkdir(parents=True)
        for number in range(10):
            pixels = np.zeros((16, 16, 3), np.uint8)
            pixels[rows] = 150 + 10 * number
            stored, exif = Image.fromarray(pixels), Image.Exif()
            if number % 2:
                stored, exif[0x0112] = stored.rotate(180), 3
            stored.save(tmp_path / "photos" / light / f"{number}.jpg", exif=exif)

    made = image_classifier(tmp_path / "photos", tmp_path / "top", tmp_path / "out", fine_tune=False, tell=quiet)

    assert made.accuracy == 1
    served = tf.saved_model.load(str(made.model)).signatures["image_bytes"]
    turned = (tmp_path / "photos" / "above" / "1.jpg").read_bytes()
    assert served(image_bytes=tf.constant([turned]))["label"].numpy().tolist() == [b"above"]


def test_classifier_passes_the_check_for_publishers(colour_classifier: Result) -> None:
    report = checked(colour_classifier.model)

    assert report.errors == 0
    assert {finding.code for finding in report.findings} == {"W605"}  # the licence is for the publisher to tell
    assert {finding.where for finding in report.findings} == {"license", "Licence"}


def test_classifier_is_fine_tuned_further_as_a_layer(colour_classifier: Result) -> None:
    layer = hub.KerasLayer(str(colour_classifier.model), trainable=True)
    images = np.concatenate(list(patches().values()))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(images, training=False) ** 2)

    assert len(layer.trainable_variables) == len(layer.weights) - 3  # moving statistics, mean and scale of the features
    assert all(gradient is not None for gradient in tape.gradient(loss, layer.trainable_variables))


def test_measurements_say_how_good_the_classifier_is(colour_classifier: Result) -> None:
    found = json.loads((colour_classifier.folder / "metrics.json").read_text())

    assert found == colour_classifier.metrics
    assert (found["accuracy"], found["accuracy_of_the_commonest_class"]) == (1.0, pytest.approx(1 / 3))
    assert np.array(found["confusion"]).tolist() == [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
    assert found["classes"][2] == {
        "name": "red", "training": 8, "validation": 2, "precision": 1.0, "recall": 1.0, "f1": 1.0
    }  # fmt: skip
    assert [each["number"] for each in found["epochs"] if each["stage"] == "fine-tuning"] == [0, 1, 2, 3]


def test_training_tells_what_it_does(told: list[str], colour_classifier: Result) -> None:
    text = "\n".join(told)

    assert "24 examples to train with and 6 for the validation, of 3 classes: blue (8), green (8), red (8)" in text
    assert "Training the head alone" in text
    assert "fine-tuning, epoch 3 of 3: loss " in text
    assert f"Writing {colour_classifier.folder}" in text


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_file_for_litert_computes_the_same(colour_classifier: Result) -> None:
    assert colour_classifier.tflite_problem == ""
    interpreter = tf.lite.Interpreter(str(colour_classifier.folder / "model.tflite"))
    images = patches()["green"]

    outputs = interpreter.get_signature_runner("serving_default")(images=images)

    expected = tf.nn.softmax(hub.load(str(colour_classifier.model))(tf.constant(images)))
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-4)


def test_fine_tuning_changes_the_model(models: Path, colour_classifier: Result) -> None:
    published = tf.saved_model.load(str(models / "colours")).model.kernel.numpy()
    variables = hub.load(str(colour_classifier.model)).variables

    (tuned,) = (each.numpy() for each in variables if tuple(each.shape) == published.shape)

    assert np.abs(tuned - published).max() > 1e-5


@pytest.mark.slow
def test_training_takes_a_tf1_hub_module_of_images(tmp_path: Path) -> None:
    photos = save_images(tmp_path / "photos", {"red": 6, "blue": 6})

    found = image_classifier(photos, TF1 / "image", tmp_path / "out", epochs=1, tell=quiet)

    served = tf.saved_model.load(str(found.model)).signatures["serving_default"]
    assert served.structured_input_signature[1]["images"].shape[3] == 3


def test_validation_images_may_be_others(tmp_path: Path, train_colours: Callable[..., Result]) -> None:
    photos = save_images(tmp_path / "photos", {"red": 6, "blue": 6})
    others = save_images(tmp_path / "others", {"red": 3}, seed=1)
    lines: list[str] = []

    def stop(line: str) -> None:
        lines.append(line)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_colours(data=photos, validation=others, tell=stop)
    assert lines[0].startswith("12 examples to train with and 3 for the validation, of 2 classes: blue (6), red (6)")


def test_uneven_and_rare_classes_are_told_of(models: Path, tmp_path: Path) -> None:
    lines: list[str] = []

    def stop(line: str) -> None:
        lines.append(line)
        if line.startswith("Loading"):
            raise KeyboardInterrupt

    photos = save_images(tmp_path / "photos", {"red": 20, "blue": 2})
    (photos / "red" / "notes.txt").write_text("not an image")
    with pytest.raises(KeyboardInterrupt):
        image_classifier(photos, models / "colours", tmp_path / "out", tell=stop)

    text = "\n".join(lines)
    assert "The classes are uneven: 16 of 'red', 1 of 'blue'." in text
    assert "Few examples, fewer than 10 to train with, of 'blue'" in text
    assert "Left out, as no images: 1 file" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]  # nothing was done yet


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "has no folder of images for each class"),
        ({"red": 0}, "has no folder of images for each class"),
        ({"red": 3}, "All 3 examples in '.*' are of one class, 'red'"),
        ({"red": 3, "blue": 0}, "Some classes in '.*' have no images: 'blue'"),
        ({"red": 3, "blue": 1, "green": 1}, r"fewer than 2 examples: 'blue' \(1\), 'green' \(1\)"),
    ],
)
def test_training_refuses_too_few_images(
    counts: dict[str, int], message: str, tmp_path: Path, train_colours: Callable[..., Result]
) -> None:
    data = tmp_path / "photos"
    data.mkdir()
    with pytest.raises(TrainingError, match=message):
        train_colours(data=save_images(data, counts))
    assert not (tmp_path / "out.unfinished").exists()


def test_training_names_images_that_cannot_be_read(tmp_path: Path, train_colours: Callable[..., Result]) -> None:
    photos = save_images(tmp_path / "photos", {"red": 4, "blue": 4})
    (photos / "red" / "0.png").write_bytes(b"no image")
    (photos / "blue" / "1.jpg").write_bytes((photos / "blue" / "1.jpg").read_bytes()[:100])

    with pytest.raises(TrainingError, match="2 images cannot be read") as caught:
        train_colours(data=photos)

    assert caught.value.broken == ("blue/1.jpg", "red/0.png")
    assert "function_node" not in str(caught.value)
    assert "[Op:" not in str(caught.value)
    assert "--skip-broken" in caught.value.hint


def test_training_leaves_out_broken_images_when_asked_to(
    tmp_path: Path, models: Path, train_colours: Callable[..., Result]
) -> None:
    photos = save_images(tmp_path / "photos", {"red": 4, "blue": 4})
    (photos / "red" / "0.png").write_bytes(b"no image")
    lines: list[str] = []

    def stop(line: str) -> None:
        lines.append(line)
        if line.startswith("Loading"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_colours(data=photos, skip_broken=True, tell=stop)
    assert "Left out: 1 image cannot be read:\n  red/0.png: " in lines[0]
    assert lines[1].startswith("5 examples to train with and 2 for the validation")


@pytest.mark.parametrize(
    ("chosen", "error", "message"),
    [
        ({"epochs": 0}, UsageError, "epochs is 0"),
        ({"learning_rate": -1.0}, UsageError, "learning_rate is -1.0"),
        ({"validation": 1.5}, UsageError, "validation is 1.5"),
        ({"augment": True, "fine_tune": False}, UsageError, "not fine-tuned"),
        ({"image_size": (16, 16)}, SignatureError, "takes images of 8 by 8 pixels, not of 16 by 16"),
    ],
)
def test_training_refuses_what_cannot_be(
    chosen: dict[str, Any], error: type[Exception], message: str, train_colours: Callable[..., Result]
) -> None:
    with pytest.raises(error, match=message):
        train_colours(**chosen)


def test_training_refuses_a_model_that_takes_no_images(models: Path, train_colours: Callable[..., Result]) -> None:
    with pytest.raises(SignatureError, match="an image classifier needs a model that takes float32"):
        train_colours(handle=models / "words")


def test_training_keeps_what_is_at_the_output(tmp_path: Path, train_colours: Callable[..., Result]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")

    with pytest.raises(UsageError, match="exists, and is not an empty folder"):
        train_colours()

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_validation_images_have_the_classes_that_are_trained(
    tmp_path: Path, train_colours: Callable[..., Result]
) -> None:
    photos = save_images(tmp_path / "photos", {"red": 2, "blue": 2})
    others = save_images(tmp_path / "others", {"green": 2})

    with pytest.raises(TrainingError, match="has classes that the examples to train with lack: 'green'"):
        train_colours(data=photos, validation=others)
