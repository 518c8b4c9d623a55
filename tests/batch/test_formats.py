"""Data sets of every kind, through a model, into Parquet."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from PIL import Image
from ray.data.extensions import ArrowTensorArray

import rehub as hub
from rehub import configuration
from rehub.batch.dataset import DatasetRunner
from rehub.batch.options import Options
from tests.batch.files import failures, rows, write_parquet, write_records


def _png(colour: tuple[int, int, int], height: int = 4, width: int = 6) -> bytes:
    return tf.io.encode_png(np.full((height, width, 3), colour, np.uint8)).numpy()


def test_predict_reads_csv_with_quotes_line_breaks_and_leading_zeros(models: Path, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('id,text\n007,"a, ""b""\n c"\n008,d e\n')

    hub.batch.predict(tmp_path / "x.csv", models / "lengths", tmp_path / "out")

    assert rows(tmp_path / "out") == [
        {"id": "007", "text": 'a, "b"\n c', "output": [9, 3]},
        {"id": "008", "text": "d e", "output": [3, 2]},
    ]


def test_predict_splits_csv_between_rows(models: Path, tmp_path: Path) -> None:
    lines = [f'{number},"line {number}\nmore"' for number in range(50)]
    (tmp_path / "x.csv").write_text("id,text\n" + "\n".join(lines))

    done = hub.batch.predict(tmp_path / "x.csv", models / "lengths", tmp_path / "out", part_rows=7)

    assert (done.rows, done.parts) == (50, 8)
    assert [row["id"] for row in rows(tmp_path / "out")] == [str(number) for number in range(50)]


def test_predict_converts_numbers_of_csv_and_joins_columns_into_a_vector(models: Path, tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text("x\ty\tcount\n1.5\t2\t3\n0\t-1\t 4\n")

    column = {"a": ["x", "y"], "b": "count"}
    hub.batch.predict(tmp_path / "x.tsv", models / "sum", tmp_path / "out", column=column)

    assert [row["output"] for row in rows(tmp_path / "out")] == [6.5, 3]


@pytest.mark.parametrize("packed", [False, True])
def test_predict_reads_json_lines(packed: bool, models: Path, tmp_path: Path) -> None:
    lines = [{"id": number, "text": "ä" * number, "more": None if number % 2 else [number]} for number in range(30)]
    data = "\n\n".join(json.dumps(line) for line in lines).encode()
    path = tmp_path / ("x.jsonl.gz" if packed else "x.jsonl")
    path.write_bytes(gzip.compress(data) if packed else data)

    hub.batch.predict(path, models / "lengths", tmp_path / "out", part_rows=8)

    assert rows(tmp_path / "out") == [{**line, "output": [2 * line["id"], min(1, line["id"])]} for line in lines]


def test_predict_keeps_lines_that_are_no_rows_like_the_others(models: Path, tmp_path: Path) -> None:
    good = "\n".join(json.dumps({"id": number, "text": "a"}) for number in range(300))
    (tmp_path / "x.jsonl").write_text(
        f'{good}\n{{"id"\n[1]\n{{"id": "seven", "text": "b"}}\n{{"new": 1, "text": "c"}}\n'
    )

    done = hub.batch.predict(tmp_path / "x.jsonl", models / "lengths", tmp_path / "out")

    assert (done.rows, done.failed) == (300, 4)
    found = failures(tmp_path / "out")
    assert [row["row"] for row in found] == [300, 301, 302, 303]
    assert [row["raw"] for row in found][:2] == [b'{"id"\n', b"[1]\n"]
    assert "'new'" in found[3]["error"]


def test_predict_reads_records_of_examples(models: Path, tmp_path: Path) -> None:
    examples = [{"text": [b"abc"], "label": [number], "scores": [0.5, 1.0]} for number in range(20)]
    write_records(tmp_path / "x.tfrecord-00000-of-00001", examples)

    hub.batch.predict(tmp_path / "x.tfrecord-00000-of-00001", models / "lengths", tmp_path / "out", part_rows=6)

    found = rows(tmp_path / "out")
    assert [row["label"] for row in found] == list(range(20))
    assert found[0] == {"label": 0, "scores": [0.5, 1], "text": b"abc", "output": [3, 1]}


def test_predict_keeps_a_damaged_record_and_goes_on(models: Path, tmp_path: Path) -> None:
    path = write_records(tmp_path / "x.tfrecord", [{"text": [b"text %d" % number]} for number in range(5)])
    data = bytearray(path.read_bytes())
    data[data.index(b"text 2")] = ord("T")
    path.write_bytes(data)

    done = hub.batch.predict(path, models / "lengths", tmp_path / "out")

    assert (done.rows, done.failed) == (4, 1)
    assert [row["row"] for row in failures(tmp_path / "out")] == [2]


def test_predict_brings_a_folder_of_images_to_the_size_and_range_of_the_model(models: Path, tmp_path: Path) -> None:
    for name, colour, size in (("red", (255, 0, 0), (4, 6)), ("grey", (51, 51, 51), (30, 20))):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "1.png").write_bytes(_png(colour, *size))
    (tmp_path / "data" / "broken.jpg").write_bytes(b"no image")

    hub.batch.predict(tmp_path / "data", models / "colours", tmp_path / "out")

    found = {row["path"]: row["output"] for row in rows(tmp_path / "out")}
    assert found == {"grey/1.png": pytest.approx([0.2] * 3), "red/1.png": [1, 0, 0]}
    assert [(row["file"], row["path"]) for row in failures(tmp_path / "out")] == [("broken.jpg", "broken.jpg")]


def test_predict_turns_photographs_upright(tmp_path: Path) -> None:
    class Top(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 16, 16, 3])])
        def __call__(self, images):
            return tf.reduce_mean(images[:, :8], axis=[1, 2, 3])

    tf.saved_model.save(Top(), tmp_path / "top")
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[8:] = 255
    exif = Image.Exif()
    exif[0x0112] = 3
    (tmp_path / "data").mkdir()
    Image.fromarray(pixels).save(tmp_path / "data" / "as_stored.jpg")
    Image.fromarray(pixels).save(tmp_path / "data" / "turned.jpg", exif=exif)

    hub.batch.predict(tmp_path / "data", tmp_path / "top", tmp_path / "out")

    assert [round(row["output"]) for row in rows(tmp_path / "out")] == [0, 1]


def test_predict_decodes_images_inside_of_parquet(models: Path, tmp_path: Path) -> None:
    image = _png((0, 255, 0))
    (tmp_path / "one.png").write_bytes(image)
    images = {"encoded": [image], "nested": [{"bytes": image, "path": None}], "file": ["one.png"]}
    path = write_parquet(tmp_path / "x.parquet", images)

    for column in images:
        hub.batch.predict(path, models / "colours", tmp_path / column, column=column)
        assert rows(tmp_path / column)[0]["output"] == [0, 1, 0]


def test_predict_takes_pixels_as_it_does_files(models: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 30, 20, 3)).astype(np.uint8)
    fitting = np.full((2, 4, 6, 3), 51, np.uint8)
    columns = {
        "files": [tf.io.encode_png(each).numpy() for each in pixels],
        "tensors": pa.FixedShapeTensorArray.from_numpy_ndarray(pixels),
        "lists": pa.array(pixels.tolist()),
        "shares": pa.FixedShapeTensorArray.from_numpy_ndarray(pixels / 255),
        "flat": pa.array(fitting.reshape(2, -1).tolist()),
    }
    path = write_parquet(tmp_path / "x.parquet", columns)

    found = {}
    for column in columns:
        hub.batch.predict(path, models / "colours", tmp_path / column, column=column)
        found[column] = [row["output"] for row in rows(tmp_path / column)]

    for column in ("tensors", "lists", "shares"):
        np.testing.assert_allclose(found[column], found["files"], rtol=1e-5)
    np.testing.assert_allclose(found["flat"], np.full((2, 3), 0.2), rtol=1e-5)


def test_predict_takes_images_of_several_sizes_that_ray_has_read(models: Path) -> None:
    images = np.empty(2, object)
    images[:] = [np.full((30, 20, 3), 51, np.uint8), np.full((4, 6, 3), 255, np.uint8)]
    table = pa.table({"image": ArrowTensorArray.from_numpy(images)})

    found = DatasetRunner(str(models / "colours"), Options(), configuration.current(), cpus=1)(table)

    assert found.column("error").to_pylist() == [None, None]
    np.testing.assert_allclose(found.column("output").to_pylist(), [[0.2] * 3, [1] * 3], rtol=1e-5)


def test_predict_reads_rows_across_and_inside_of_row_groups(models: Path, tmp_path: Path) -> None:
    texts = [str(number) for number in range(100)]
    path = write_parquet(tmp_path / "x.parquet", {"text": texts}, row_group_size=30)

    for part_rows in (7, 45, 1000):
        done = hub.batch.predict(path, models / "lengths", tmp_path / f"out-{part_rows}", part_rows=part_rows)
        assert [row["text"] for row in rows(done.output)] == texts


def test_predict_takes_lists_and_tensors_of_parquet_as_numbers(models: Path, tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float64).reshape(3, 2)
    columns = {
        "a": pa.FixedSizeListArray.from_arrays(values.reshape(-1), 2),
        "lists": pa.array(values.tolist()),
        "tensors": pa.FixedShapeTensorArray.from_numpy_ndarray(values),
        "b": [1, 2, 3],
    }
    path = write_parquet(tmp_path / "x.parquet", columns)

    for column in ("a", "lists", "tensors"):
        hub.batch.predict(path, models / "sum", tmp_path / column, column={"a": column})
        assert [row["output"] for row in rows(tmp_path / column)] == [2, 7, 12]
