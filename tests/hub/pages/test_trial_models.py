"""Models that do what they should not, in the process that runs them."""

from __future__ import annotations

import contextlib
import dataclasses
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rehub.server.picture import UnreadableError, read_picture
from rehub.server.trial import Trial
from rehub.server.trial_outcome import Failure
from rehub.server.trial_process import TrialProcess
from tests.hub.pages.models import DEMO, read_a_file
from tests.server.published import put_plain

MEMORY_BYTES = 2 << 30
START_S, SHORT_S = 120.0, 3.0
TEXTS = Trial("text-embedding", "", "", "string", "", (), (0, 0), "", "")


class Moody(tf.Module):
    """Does what the first text says."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts: Any) -> Any:
        does, count = texts[0], tf.shape(texts)[0]
        numbers = tf.one_hot(tf.range(count), 4)
        if does == b"hang":
            while tf.reduce_sum(numbers) > 0:
                numbers += 1.0
        elif does == b"memory":
            numbers += tf.reduce_sum(tf.fill([1 << 20, 1 << 16], numbers[0, 0]))
        elif does == b"nan":
            numbers /= 0.0
        elif does == b"print":
            tf.print("noise" * 1000, output_stream=sys.stdout)
        return numbers


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    tf.saved_model.save(Moody(), folder / "moody")
    read_a_file(put_plain(folder, "reader", "saved_models/no_variables"))
    return folder


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrialProcess]:
    process = TrialProcess(tmp_path_factory.mktemp("scratch"), MEMORY_BYTES)
    yield process
    process.end()


def ask(process: TrialProcess, folder: Path, *texts: str, trial: Trial = TEXTS, picture: bytes = b"") -> Any:
    values = {**dataclasses.asdict(trial), "folder": str(folder), "texts": texts}
    found = process.ask(values, picture, START_S)
    return found if isinstance(found, Failure) else found[0]


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("memory", "It needs more memory than this hub gives it."),
        ("nan", "It returned numbers that are not finite."),
    ],
)
def test_ask_says_why_a_model_fails(process: TrialProcess, models: Path, does: str, reason: str) -> None:
    assert ask(process, models / "moody", does, "b") == {"error": reason}


def test_ask_is_not_confused_by_a_model_that_prints(process: TrialProcess, models: Path) -> None:
    assert ask(process, models / "moody", "print", "b")["matrix"] == [[1.0, 0.0], [0.0, 1.0]]


def test_ask_refuses_a_model_that_reaches_out(process: TrialProcess, models: Path) -> None:
    found = ask(process, models / "reader", "a", "b")["error"]

    assert "ReadFile" in found
    assert str(models) not in found


def test_ask_calls_a_model_in_the_mode_for_inference(process: TrialProcess) -> None:
    trial = Trial("image-classification", "", "", "float32", "", (), (64, 64), "", "")

    found = ask(process, DEMO, trial=trial, picture=png(np.zeros((9, 9, 3))))

    assert found["count"] == 128
    assert found["are_logits"]
    assert sum(share for *_, share in found["best"]) < 1


def test_ask_ends_a_model_that_does_not_end(process: TrialProcess, models: Path) -> None:
    ask(process, models / "moody", "a", "b")
    values = {**dataclasses.asdict(TEXTS), "folder": str(models / "moody"), "texts": ["hang", "b"]}

    assert process.ask(values, b"", SHORT_S) == Failure("It took more than 3 seconds, so this hub ended it.")
    assert process.has_ended


def png(pixels: Any) -> bytes:
    return bytes(tf.io.encode_png(np.asarray(pixels, np.uint8)).numpy())


def jpeg(pixels: Any, orientation: int = 1, order: str = ">") -> bytes:
    """A JPEG with what a camera says of how it was held."""
    data = bytes(tf.io.encode_jpeg(np.asarray(pixels, np.uint8), quality=100).numpy())
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HIH", 42, 8, 1) + entry + bytes(4)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff + data[2:]


def corners() -> Any:
    """White, red / green, blue: which corner is where tells how a picture was turned."""
    colours = np.array([[[255, 255, 255], [255, 0, 0]], [[0, 255, 0], [0, 0, 255]]])
    return colours.repeat(16, 0).repeat(16, 1)


def quarters(image: Any) -> str:
    names = {(1, 1, 1): "w", (1, 0, 0): "r", (0, 1, 0): "g", (0, 0, 1): "b"}
    return "".join(names[tuple(np.rint(image[y, x]).astype(int))] for y in (2, 29) for x in (2, 29))


def test_read_picture_brings_it_to_size_and_range() -> None:
    image, seen = read_picture(png(np.full((50, 20, 4), 255)), 8, 6)

    assert (image.shape, image.dtype) == ((8, 6, 3), np.float32)
    assert np.allclose(image, 1)
    assert tf.io.decode_jpeg(seen).shape == (8, 6, 3)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("orientation", "seen"),
    list(enumerate(["wrgb", "rwbg", "bgrw", "gbwr", "wgrb", "gwbr", "brgw", "rbwg", "wrgb"], start=1)),
)
def test_read_picture_turns_it_as_the_camera_says(orientation: int, seen: str, order: str) -> None:
    assert quarters(read_picture(jpeg(corners(), orientation, order), 32, 32)[0]) == seen


def huge() -> bytes:
    """A small file that says that it is a large picture."""
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(header)) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return b"\x89PNG\r\n\x1a\n" + chunk


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "neither a PNG nor a JPEG"),
        (b"GIF89a" + bytes(100), "neither a PNG nor a JPEG"),
        (png(corners())[:80], "damaged"),
        (jpeg(corners())[:80], "damaged"),
        (huge(), "50000 times 50000 pixels"),
    ],
)
def test_read_picture_refuses_what_is_none(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        read_picture(data, 8, 8)


@pytest.mark.parametrize("cut", range(2, 60, 3))
def test_read_picture_survives_what_a_camera_says(cut: int) -> None:
    data = jpeg(corners(), 6)

    with contextlib.suppress(UnreadableError):
        read_picture(data[:20] + data[20 + cut :], 8, 8)
