"""Small models that take images or texts, and examples that a classifier can be made of."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from rehub.cli.main import main
from rehub.train import Result, image_classifier

COLOURS = {"blue": (40, 40, 200), "green": (40, 200, 40), "red": (200, 40, 40)}
TOPICS = ("music", "sport")
SIZE = 8


class Colours(tf.Module):
    """float32[?, 8, 8, 3] -> float32[?, 6]; it has a mode for training, with other outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.random.stateless_normal([3, 6], seed=[1, 2]))
        self.moving = tf.Variable(tf.zeros([6]), trainable=False)
        self.variables_of_all = [self.kernel, self.moving]

    @tf.function(input_signature=[tf.TensorSpec([None, SIZE, SIZE, 3])])
    def features(self, images):
        tf.debugging.assert_less_equal(images, 1.0)
        return tf.nn.tanh(tf.reduce_mean(images, axis=[1, 2]) @ self.kernel) + self.moving


class Reusable(tf.Module):
    """Gives a model the call of a Reusable SavedModel."""

    def __init__(self, model: Colours) -> None:
        super().__init__()
        self.model = model
        spec = tf.TensorSpec([None, SIZE, SIZE, 3])
        for training in (False, True):
            self.__call__.get_concrete_function(spec, training=training)

    @tf.function
    def __call__(self, images, training=False):
        features = self.model.features(images)
        return 100 * features if training else features


class Words(tf.Module):
    """string[?] -> float32[?, 16]: the mean of the vectors of the words."""

    def __init__(self) -> None:
        super().__init__()
        self.vectors = tf.Variable(tf.random.stateless_normal([500, 16], seed=[1, 2]))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts):
        words = tf.strings.split(texts)
        vectors = tf.gather(self.vectors, tf.strings.to_hash_bucket_fast(words.values, 500))
        return tf.reduce_mean(tf.RaggedTensor.from_row_splits(vectors, words.row_splits), axis=1)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the models ``colours`` and ``words``."""
    folder = tmp_path_factory.mktemp("models")
    tf.saved_model.save(Reusable(Colours()), str(folder / "colours"))
    tf.saved_model.save(Words(), str(folder / "words"))
    return folder


def save_images(folder: Path, counts: dict[str, int], seed: int = 0) -> Path:
    """Writes noisy images of colours, in several sizes and formats."""
    random = np.random.default_rng(seed)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            shape = (*random.integers(6, 20, size=2), 3)
            pixels = np.clip(random.normal(COLOURS[name], 40, shape), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.{('png', 'jpg', 'bmp')[number % 3]}")
    return folder


def save_texts(file: Path, rows: list[tuple[str, str]], headings: tuple[str, str] = ("text", "label")) -> Path:
    """Writes a table."""
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened, delimiter="\t" if file.suffix == ".tsv" else ",").writerows([headings, *rows])
    return file


def texts(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Texts of two topics by turns, which some of their words tell apart."""
    random = np.random.default_rng(seed)
    return [
        (f'{topic}{random.integers(3)} "word{random.integers(9)}", word{random.integers(9)}', topic)
        for topic in TOPICS * (count // 2)
    ]


def quiet(line: str) -> None:
    """Tells nobody."""


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_images(tmp_path_factory.mktemp("data") / "photos", dict.fromkeys(COLOURS, 10))


@pytest.fixture(scope="session")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_texts(tmp_path_factory.mktemp("data") / "reviews.csv", texts(60))


@pytest.fixture(scope="session")
def told() -> list[str]:
    """What was told while `colour_classifier` was trained."""
    return []


@pytest.fixture(scope="session")
def colour_classifier(photos: Path, models: Path, told: list[str], tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A fine-tuned image classifier."""
    output = tmp_path_factory.mktemp("results") / "colours"
    return image_classifier(
        photos, models / "colours", output, batch_size=8, epochs=3, augment=True, tflite=True, tell=told.append
    )


@pytest.fixture(scope="session")
def command_output(reviews: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """What ``rehub train text-classifier`` made, and what it printed."""
    output, out, err = tmp_path_factory.mktemp("results") / "topics", io.StringIO(), io.StringIO()
    options = ("--handle", models / "words", "-o", output, "--batch-size", 24, "--epochs", 2)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        # They hold for the whole process, in which other tests run.
        patch.setattr(tf.config.experimental, "enable_op_determinism", lambda: None)
        patch.setattr(tf.random, "set_seed", lambda seed: None)
        with pytest.raises(SystemExit) as ended:
            main(["train", "text-classifier", str(reviews), *map(str, options)])
    assert ended.value.code == 0, err.getvalue()
    return output, out.getvalue(), err.getvalue()


@pytest.fixture(scope="session")
def topics(command_output: tuple[Path, str, str]) -> Path:
    """The folder of a fine-tuned text classifier."""
    return command_output[0]


@pytest.fixture
def train_colours(photos: Path, models: Path, tmp_path: Path) -> Callable[..., Result]:
    """Trains an image classifier into ``tmp_path / "out"``, in a way that other arguments change."""

    def train(**chosen: Any) -> Result:
        arguments = {"data": photos, "handle": models / "colours", "output": tmp_path / "out", "batch_size": 8}
        return image_classifier(**{**arguments, "tell": quiet, **chosen})

    return train
