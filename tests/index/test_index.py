"""Indexes: built of vectors in Parquet, searched by vectors and by what a model makes of texts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import rehub as hub
from rehub.cli.main import main
from rehub.errors import DataError


class Letters(tf.Module):
    """string[?] -> float32[?, 26]: how often there is each letter."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts):
        codes = tf.strings.unicode_decode(tf.strings.lower(texts), "UTF-8").to_tensor() - ord("a")
        return tf.reduce_sum(tf.one_hot(codes, 26), axis=1)


TEXTS = ["aaab", "zzzy", "hello world", "world hello again", "mmm"]


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the model makes of the texts; the model lies beside it."""
    folder = tmp_path_factory.mktemp("index")
    tf.saved_model.save(Letters(), folder / "letters")
    pq.write_table(pa.table({"id": range(len(TEXTS)), "text": TEXTS}), folder / "texts.parquet")
    hub.batch.predict(folder / "texts.parquet", folder / "letters", folder / "embeddings", part_rows=2)
    return folder / "embeddings"


def _exit_code(*arguments: str | Path) -> object:
    with pytest.raises(SystemExit) as exit_:
        main(["index", *map(str, arguments)])
    return exit_.value.code


def test_query_finds_the_nearest_texts_of_a_run(embeddings: Path, tmp_path: Path) -> None:
    built = hub.index.build(embeddings, tmp_path / "index")

    (matches,) = hub.index.open_index(built.folder).query(["hold well or"], count=2)

    assert (built.size, built.dimensions, built.left_out) == (5, 26, 0)
    assert [match.row for match in matches] == [
        {"id": 2, "text": "hello world"},
        {"id": 3, "text": "world hello again"},
    ]
    assert 1 >= matches[0].score > matches[1].score > 0


def test_search_finds_what_a_full_comparison_finds(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(2_000, 16)).astype(np.float32)
    table = pa.table({"row": range(len(vectors)), "vector": vectors.tolist()})
    pq.write_table(table, tmp_path / "x.parquet")
    distances = {
        "cos": -(vectors @ vectors[:20].T) / np.linalg.norm(vectors, axis=1)[:, None],
        "ip": -(vectors @ vectors[:20].T),
        "l2sq": ((vectors[:, None] - vectors[None, :20]) ** 2).sum(-1),
    }
    for metric in ("cos", "ip", "l2sq"):
        hub.index.build(tmp_path / "x.parquet", tmp_path / metric, metric=metric)
        found = hub.index.open_index(tmp_path / metric).search(vectors[:20], count=10)

        expected = np.argsort(distances[metric], axis=0)[:10].T
        shared = [
            len({match.row["row"] for match in each} & set(true)) for each, true in zip(found, expected, strict=True)
        ]
        assert np.mean(shared) > 9


def test_build_leaves_out_rows_without_a_vector(tmp_path: Path) -> None:
    vectors = [[1.0, 0.0], None, [0.0, float("nan")], [0.0, 1.0]]
    pq.write_table(pa.table({"name": list("abcd"), "vector": vectors}), tmp_path / "x.parquet")

    built = hub.index.build(tmp_path / "x.parquet", tmp_path / "index")

    assert (built.size, built.left_out) == (2, 2)
    (matches,) = hub.index.open_index(tmp_path / "index").search([[0.0, 2.0]])
    assert [match.row["name"] for match in matches] == ["d", "a"]


def test_build_leaves_an_index_alone_that_is_there(embeddings: Path, tmp_path: Path) -> None:
    hub.index.build(embeddings, tmp_path / "index")

    with pytest.raises(DataError, match="is there already"):
        hub.index.build(embeddings, tmp_path / "index")


def test_build_leaves_nothing_behind_when_it_fails(tmp_path: Path) -> None:
    pq.write_table(pa.table({"vector": [[1.0, 2.0], [1.0]]}), tmp_path / "x.parquet")

    with pytest.raises(DataError, match="different lengths: 2, 1"):
        hub.index.build(tmp_path / "x.parquet", tmp_path / "index")

    assert [path.name for path in tmp_path.iterdir()] == ["x.parquet"]


def test_build_asks_which_column_is_meant(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [[1.0]], "b": [[1.0]], "c": ["x"]}), tmp_path / "x.parquet")

    for column in (None, "c"):
        with pytest.raises(DataError, match="'a', 'b'"):
            hub.index.build(tmp_path / "x.parquet", tmp_path / "index", column=column)


def test_query_refuses_a_model_that_has_changed(embeddings: Path, tmp_path: Path) -> None:
    shutil.copytree(embeddings.parent, tmp_path / "copy")
    model, out = tmp_path / "copy" / "letters", tmp_path / "out"
    hub.batch.predict(tmp_path / "copy" / "texts.parquet", model, out)
    hub.index.build(out, tmp_path / "index")
    shutil.rmtree(model)
    tf.saved_model.save(Letters(), model)

    with pytest.raises(DataError, match="not the model any more"):
        hub.index.open_index(tmp_path / "index").query(["x"])


@pytest.mark.parametrize("damage", ["index.json", "vectors.usearch", "rows.parquet"])
def test_open_index_tells_of_damage(damage: str, embeddings: Path, tmp_path: Path) -> None:
    hub.index.build(embeddings, tmp_path / "index")
    (tmp_path / "index" / damage).write_bytes(b"nothing")

    with pytest.raises(DataError, match="index"):
        hub.index.open_index(tmp_path / "index")


def test_command_builds_and_queries(embeddings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("build", embeddings, tmp_path / "index") == 0
    out, err = capsys.readouterr()
    assert (out.strip(), err.strip()) == (str(tmp_path / "index"), "5 vectors of 26 numbers.")

    assert _exit_code("query", tmp_path / "index", "zzz", "-k", "2", "--column", "text") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["SCORE", "TEXT"]
    assert lines[1].split() == ["0.949", "zzzy"]

    assert _exit_code("query", tmp_path / "index", "mm", "--json", "-k", "1") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["query"], found["matches"][0]["row"]) == ("mm", {"id": 4, "text": "mmm"})


def test_command_refuses_a_column_that_is_not_there(
    embeddings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.index.build(embeddings, tmp_path / "index")

    assert _exit_code("query", tmp_path / "index", "zzz", "--column", "txt") == 1
    assert "no column 'txt'" in capsys.readouterr().err
