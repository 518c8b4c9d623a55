from __future__ import annotations

from pathlib import Path

from tests.cli import command


def test_text_embeddings_say_that_tensorflow_is_missing(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("one 1 2\n")
    code, out, err = command.run(
        tmp_path / "cache", "publish", "text-embeddings", tmp_path / "words.txt", tmp_path / "model"
    )
    assert (code, out) == (1, "")
    assert "error: This call runs a model and needs TensorFlow, which is not installed.\nhint: Run: pip install" in err
    assert not (tmp_path / "model").exists()


def test_publish_names_the_command_that_may_be_meant(tmp_path: Path) -> None:
    code, _, err = command.run(tmp_path / "cache", "publish", "text-embedding")
    assert code == 2
    assert "Is 'text-embeddings' meant?" in err
