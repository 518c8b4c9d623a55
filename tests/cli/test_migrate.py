from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rehub.migrate.finding import CODES
from tests.cli import command

ROOT = Path(__file__).parents[2]
PROGRAM = """\
import tensorflow as tf
import tensorflow_hub as hub

layer = hub.KerasLayer("https://tfhub.dev/google/nnlm-en-dim128/2")
model.save("folder")
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text(PROGRAM)
    return tmp_path / "a.py"


def migrate(*arguments: str) -> tuple[int, str, str]:
    return command.call(Path("cache"), "migrate", *arguments)


def test_migrate_reports_and_writes_nothing(program: Path) -> None:
    code, out, err = migrate(".")

    assert code == 1
    assert out == (
        "Works as it is (2)\n"
        "a.py:4: M110 hub.KerasLayer works as it is\n"
        "a.py:4: M401 https://tfhub.dev/google/nnlm-en-dim128/2 works as it is: tfhub.dev sends on to Kaggle\n"
        "\n"
        "To be rewritten by --write (1)\n"
        "a.py:2: M101 import tensorflow_hub → import rehub as hub\n"
        "\n"
        "To do by hand (1)\n"
        "a.py:5: M305 Keras 3 does not write a SavedModel by save → save to a name that ends in .keras, "
        "or use hub.export to write a SavedModel\n"
    )
    assert "1 file looked at, 1 to be rewritten; 1 to do by hand." in err
    assert "--diff" in err
    assert program.read_text() == PROGRAM


def test_migrate_shows_a_patch(program: Path) -> None:
    code, out, err = migrate("--diff", "a.py")

    assert code == 1
    assert out.splitlines()[:6] == [
        "--- a.py",
        "+++ a.py",
        "@@ -1,5 +1,5 @@",
        " import tensorflow as tf",
        "-import tensorflow_hub as hub",
        "+import rehub as hub",
    ]
    assert "a.py:5: M305" in err
    assert program.read_text() == PROGRAM


def test_migrate_writes_and_tells_what_is_left(program: Path) -> None:
    code, out, err = migrate("--write", ".")

    assert code == 1
    assert "Rewritten (1)\na.py:2: M101" in out
    assert "1 rewritten; 1 to do by hand." in err
    assert program.read_text() == PROGRAM.replace("tensorflow_hub", "rehub")


def test_migrate_is_content_when_all_is_rewritten(program: Path) -> None:
    program.write_text("import tensorflow_hub\n")

    assert migrate(".")[0] == 1
    assert migrate("--write", ".")[0] == 0
    assert migrate(".")[0] == 0


def test_migrate_tells_that_there_is_nothing(program: Path) -> None:
    program.write_text("print()\n")

    assert migrate(".") == (0, "", "1 file looked at: nothing uses tensorflow_hub.\n")


def test_migrate_goes_on_after_a_broken_file(program: Path) -> None:
    Path("b.py").write_text("import tensorflow_hub\ndef f(\n")
    code, out, _ = migrate("--write", ".")

    assert code == 1
    assert "Not looked at (1)\nb.py:2: M901 it is no Python: '(' was never closed" in out
    assert "rehub" in program.read_text()


def test_migrate_prints_json(program: Path) -> None:
    code, out, err = migrate("--json", "a.py")
    found = json.loads(out)

    assert (code, err) == (1, "")
    assert {name: found[name] for name in ("files", "changed_files", "written", "counts", "codes")} == {
        "files": 1,
        "changed_files": ["a.py"],
        "written": False,
        "counts": {"works": 2, "rewritten": 1, "by hand": 1, "failed": 0},
        "codes": {"M101": 1, "M110": 1, "M305": 1, "M401": 1},
    }
    assert found["findings"][0] == {
        "path": "a.py",
        "cell": None,
        "line": 2,
        "code": "M101",
        "kind": "rewritten",
        "message": "import tensorflow_hub",
        "fix": "import rehub as hub",
    }


def test_migrate_rewrites_modules_of_graphs_when_asked(program: Path) -> None:
    program.write_text("import tensorflow.compat.v1 as tf\nimport rehub as hub\nhub.Module('m')(tf.placeholder(1))\n")

    assert migrate(".")[0] == 0
    assert migrate("--to-tf2", "--write", ".")[0] == 0
    assert "hub.KerasLayer('m')(tf" in program.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument 'PATH...'"),
        (("nowhere",), "Path 'nowhere' does not exist"),
        (("--diff", "--write", "."), "--diff goes with neither --write nor --json"),
        (("--diff", "--json", "."), "--diff goes with neither --write nor --json"),
    ],
)
def test_migrate_refuses_wrong_usage(arguments: tuple[str, ...], message: str, program: Path) -> None:
    code, _, err = migrate(*arguments)

    assert code == 2
    assert message in err


def test_migrate_refuses_a_file_of_another_kind(program: Path) -> None:
    Path("a.c").write_text("")
    code, out, err = migrate("a.c")

    assert (code, out) == (1, "")
    assert "'a.c' is no Python, no notebook and no list of dependencies." in err


def test_migrate_says_that_libcst_is_missing(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libcst", None)  # as find_spec sees it
    code, out, err = migrate(".")

    assert (code, out) == (1, "")
    assert "error: Programs are read by libcst, which is not installed." in err
    assert "hint: Run: pip install 'rehub[migrate]'" in err


def test_migrate_spells_out_what_a_terminal_would_obey(program: Path) -> None:
    program.write_text("x = 'https://tfhub.dev/\\x1b[31m/1'\n")

    assert r"https://tfhub.dev/\x1b[31m/1" in migrate(".")[1]


def test_patch_is_taken_by_git(program: Path) -> None:
    content = PROGRAM.replace("\n", "\r\n").encode() + b"# \x0c no end"
    program.write_bytes(content)
    _, patch, _ = migrate("--diff", "a.py")
    subprocess.run(["git", "apply", "-p0", "-"], input=patch.encode(), check=True)

    assert program.read_bytes() == content.replace(b"tensorflow_hub", b"rehub")


@pytest.mark.parametrize("folder", ["tests/data", "tests/migrate", pytest.param(".", marks=pytest.mark.slow)])
def test_migrate_reads_this_project(folder: str, program: Path) -> None:
    code, out, _ = migrate("--json", str(ROOT / folder))

    assert code in (0, 1)
    assert json.loads(out)["counts"]["failed"] == 0


def test_document_lists_all_codes() -> None:
    text = (ROOT / "docs" / "migrating_code.md").read_text(encoding="utf-8")
    rows = dict(line.split("|")[1:3] for line in text.splitlines() if line.startswith("| M"))

    assert {code.strip(): what.strip() for code, what in rows.items()} == CODES
