"""What a prediction does with models, columns, outputs, failures and earlier runs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import rehub as hub
from rehub.archive.fingerprint import fingerprint, measure
from rehub.errors import DataError, SignatureError
from tests.batch.files import failures, rows, write_parquet


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    return write_parquet(tmp_path / "x.parquet", {"id": range(40), "text": [f"text {number}" for number in range(40)]})


def test_predict_names_the_handle_and_the_hash_of_the_model_in_every_part(
    texts: Path, models: Path, tmp_path: Path
) -> None:
    done = hub.batch.predict(texts, models / "lengths", tmp_path / "out", part_rows=20)

    digest = fingerprint(measure(models / "lengths"))
    assert done.model_sha256 == digest
    for part in sorted(done.output.glob("part-*.parquet")):
        facts = pq.read_metadata(part).metadata
        assert (facts[b"rehub.handle"].decode(), facts[b"rehub.model_sha256"].decode()) == (done.handle, digest)


def test_predict_writes_a_folder_that_readers_of_parquet_take_whole(texts: Path, models: Path, tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "y.parquet", {"text": ["a", "BAD", None, "b c"]})

    done = hub.batch.predict([path], models / "lengths", tmp_path / "out", part_rows=2)

    table = pq.read_table(done.output)
    assert table.column("output").to_pylist() == [[1, 1], [3, 2]]
    assert table.schema.field("output").type == pa.list_(pa.float32(), 2)


def test_predict_writes_several_outputs_as_columns_that_other_tools_read(
    texts: Path, models: Path, tmp_path: Path
) -> None:
    hub.batch.predict(texts, models / "lengths", tmp_path / "out", signature="serving_default")

    table = pq.read_table(tmp_path / "out")
    assert table.column_names == ["id", "text", "grid", "length", "upper", "vector"] or set(table.column_names) == {
        *("id", "text", "grid", "length", "upper", "vector")
    }
    assert table.schema.field("grid").type == pa.fixed_shape_tensor(pa.float32(), (2, 3))
    assert table.column("upper").to_pylist()[:2] == ["TEXT 0", "TEXT 1"]
    assert table.column("length").to_pylist()[:2] == [6, 6]


def test_predict_keeps_the_outputs_that_are_asked_for(texts: Path, models: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"signature": "serving_default", "output_key": ["upper", "length"]}
    hub.batch.predict(texts, models / "lengths", tmp_path / "out", **options)

    assert set(pq.read_table(tmp_path / "out").column_names) == {"id", "text", "upper", "length"}


def test_predict_renames_an_output_whose_column_is_there_already(models: Path, tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "x.parquet", {"texts": ["a b"], "length": [7]})

    hub.batch.predict(path, models / "lengths", tmp_path / "out", signature="serving_default", output_key="length")

    assert rows(tmp_path / "out") == [{"texts": "a b", "length": 7, "length_output": 3}]


def test_predict_keeps_rows_that_fail_with_their_errors_and_runs_the_others(models: Path, tmp_path: Path) -> None:
    values = [f"text {number}" for number in range(100)]
    values[13], values[77], values[78] = "so BAD", None, "BAD too"
    path = write_parquet(tmp_path / "x.parquet", {"id": range(100), "text": values})

    done = hub.batch.predict(path, models / "lengths", tmp_path / "out", batch_size=32, part_rows=50)

    assert (done.rows, done.failed) == (97, 3)
    assert [row["id"] for row in rows(tmp_path / "out")] == [n for n in range(100) if n not in (13, 77, 78)]
    assert done.failures is not None
    found = failures(tmp_path / "out")
    assert [(row["file"], row["row"], row["id"], row["text"]) for row in found] == [
        ("x.parquet", 13, 13, "so BAD"),
        ("x.parquet", 77, 77, None),
        ("x.parquet", 78, 78, "BAD too"),
    ]
    assert re.fullmatch(r"InvalidArgumentError: .*a text is BAD.*", found[0]["error"])
    assert "function_node" not in found[0]["error"]
    assert "null" in found[1]["error"]


def test_predict_keeps_columns_that_are_called_like_those_about_a_failure(models: Path, tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "x.parquet", {"text": ["BAD"], "error": [7], "file": [True]})

    hub.batch.predict(path, models / "lengths", tmp_path / "out")

    (found,) = failures(tmp_path / "out")
    assert (found["file"], found["file_input"], found["error_input"]) == ("x.parquet", True, 7)
    assert "a text is BAD" in found["error"]


def test_predict_runs_a_model_that_takes_so_many_rows_only(models: Path, tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "x.parquet", {"values": [[float(n), 1.0] for n in range(10)]})

    hub.batch.predict(path, models / "fours", tmp_path / "out")

    assert [row["output"] for row in rows(tmp_path / "out")] == [n + 1 + n % 4 for n in range(10)]


def test_predict_takes_fewer_rows_at_once_when_they_are_large(tmp_path: Path) -> None:
    class Rows(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, texts):
            return tf.fill(tf.shape(texts), tf.shape(texts)[0])

    tf.saved_model.save(Rows(), tmp_path / "rows")
    path = write_parquet(tmp_path / "x.parquet", {"text": ["x" * (5 << 20)] * 4 + ["x"] * 6})

    hub.batch.predict(path, tmp_path / "rows", tmp_path / "out")

    assert [row["output"] for row in rows(tmp_path / "out")] == [3, 3, 3, 7, 7, 7, 7, 7, 7, 7]


def test_predict_takes_so_many_rows_at_most_as_it_is_told(tmp_path: Path) -> None:
    class Rows(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, texts):
            return tf.fill(tf.shape(texts), tf.shape(texts)[0])

    tf.saved_model.save(Rows(), tmp_path / "rows")
    path = write_parquet(tmp_path / "x.parquet", {"text": ["x"] * 10})

    hub.batch.predict(path, tmp_path / "rows", tmp_path / "out", batch_size=4)

    assert [row["output"] for row in rows(tmp_path / "out")] == [4, 4, 4, 4, 4, 4, 4, 4, 2, 2]


def test_predict_goes_on_where_it_was_stopped(texts: Path, models: Path, tmp_path: Path) -> None:
    whole = hub.batch.predict(texts, models / "lengths", tmp_path / "out", part_rows=10)
    expected = rows(whole.output)
    kept = whole.output / "part-00001.parquet"
    written_ns = kept.stat().st_mtime_ns
    for part in (0, 2, 3):
        (whole.output / f"part-{part:05}.parquet").unlink()
    (whole.output / ".part-00002.parquet.1-ab.new").write_bytes(b"half")

    done = hub.batch.predict(texts, models / "lengths", tmp_path / "out", part_rows=10)

    assert (done.rows, done.parts, done.reused) == (40, 4, 1)
    assert rows(done.output) == expected
    assert kept.stat().st_mtime_ns == written_ns
    assert not list(done.output.glob(".*"))


def test_predict_loads_no_model_when_all_is_done(texts: Path, models: Path, tmp_path: Path) -> None:
    hub.batch.predict(texts, models / "lengths", tmp_path / "out")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")}

    done = hub.batch.predict(texts, models / "lengths", tmp_path / "out")

    assert (done.rows, done.reused) == (40, 1)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")} == before


@pytest.mark.parametrize("changed", ["input", "model", "options"])
def test_predict_refuses_to_mix_runs_that_differ(changed: str, texts: Path, models: Path, tmp_path: Path) -> None:
    hub.batch.predict(texts, models / "lengths", tmp_path / "out")
    handle, options = models / "lengths", {}
    if changed == "input":
        os.utime(texts, ns=(1, 1))
    elif changed == "model":
        handle = tmp_path / "other"
        tf.saved_model.save(hub.load(models / "lengths"), handle)
    else:
        options = {"batch_size": 8}

    with pytest.raises(DataError, match={"input": "input", "model": "model", "options": "batch size"}[changed]):
        hub.batch.predict(texts, handle, tmp_path / "out", **options)


def test_predict_leaves_a_folder_with_other_files_alone(texts: Path, models: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")

    with pytest.raises(DataError, match=r"thesis\.txt"):
        hub.batch.predict(texts, models / "lengths", tmp_path / "out")

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.jsonl"])
def test_predict_refuses_data_without_rows(name: str, models: Path, tmp_path: Path) -> None:
    if name == "x.parquet":
        write_parquet(tmp_path / name, {"text": pa.array([], pa.string())})
    else:
        (tmp_path / name).write_text("text\n" if name == "x.csv" else "")

    with pytest.raises(DataError, match=rf"{name}' has no rows"):
        hub.batch.predict(tmp_path / name, models / "lengths", tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_predict_names_a_path_so_that_it_leads_to_the_model_from_any_folder(
    texts: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(models)

    done = hub.batch.predict(texts, "lengths", tmp_path / "out")

    facts = pq.read_metadata(done.output / "part-00000.parquet").metadata
    assert done.handle == facts[b"rehub.handle"].decode() == str(models / "lengths")


def test_predict_writes_no_folder_that_is_called_like_a_bucket(
    texts: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    for output in ("s3://bucket/out", Path("gs://bucket/out")):
        with pytest.raises(DataError, match="is not on this machine"):
            hub.batch.predict(texts, models / "lengths", output)

    assert [path.name for path in tmp_path.iterdir()] == ["x.parquet"]


def test_predict_leaves_nothing_behind_when_the_model_does_not_fit(texts: Path, models: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'b' \(int64"):
        hub.batch.predict(texts, models / "sum", tmp_path / "out", column={"a": ["id", "id"]})

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"column": "txt"}, DataError, r"no column 'txt'.*'id' \(int64\), 'text' \(string\)"),
        ({"column": {"words": "text"}}, DataError, "no input 'words'"),
        ({"signature": "none"}, SignatureError, "no signature 'none'"),
        ({"signature": "serving_default", "output_key": "none"}, SignatureError, "no output 'none'"),
        ({"batch_size": 0}, DataError, "batch_size is 0"),
        ({"workers": 0}, DataError, "workers is 0"),
    ],
)
def test_predict_refuses_what_is_not_there(
    options: dict[str, Any], error: type[Exception], match: str, texts: Path, models: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=match):
        hub.batch.predict(texts, models / "lengths", tmp_path / "out", **options)


def test_predict_asks_which_column_is_meant(models: Path, tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "x.parquet", {"one": ["a"], "two": ["b"]})

    with pytest.raises(DataError, match="--column COLUMN"):
        hub.batch.predict(path, models / "lengths", tmp_path / "out")


@pytest.mark.parametrize(
    ("names", "match"),
    [
        ([], "has no file"),
        (["a.csv", "b.jsonl"], "several kinds: csv, jsonl"),
        (["a.parquet"], r"a\.parquet' is no Parquet file"),
    ],
)
def test_predict_refuses_data_that_cannot_be_read(names: list[str], match: str, models: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in names:
        (tmp_path / "data" / name).write_text("text\n")

    with pytest.raises(DataError, match=match):
        hub.batch.predict(tmp_path / "data", models / "lengths", tmp_path / "out")
