"""Which files are looked at, and what happens to them on the disk."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from rehub.errors import UsageError
from rehub.migrate import migration
from rehub.migrate.report import FileReport

OLD = "import tensorflow_hub as hub\n"
NEW = "import rehub as hub\n"


def migrate(*paths: Path) -> list[FileReport]:
    return [migration.write(it) if it.is_changed else it for it in migration.examine(paths)]


def add(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(OLD)


def test_examine_reads_code_and_dependencies_in_order(tmp_path: Path) -> None:
    names = ["b.ipynb", "a.py", "a/c.pyi", "a/requirements.txt", ".github/workflows/x.yml", "Dockerfile", "setup.cfg"]
    add(tmp_path, *names, "README.md", "notes.txt", "data.json")

    found = [it.path.relative_to(tmp_path).as_posix() for it in migration.examine([tmp_path])]

    assert found == [
        "Dockerfile",
        "a.py",
        "b.ipynb",
        "setup.cfg",
        ".github/workflows/x.yml",
        "a/c.pyi",
        "a/requirements.txt",
    ]


def test_examine_leaves_out_what_is_not_the_projects(tmp_path: Path) -> None:
    add(tmp_path, ".git/a.py", ".tox/a.py", "node_modules/a.py", "lib/site-packages/a.py", "__pycache__/a.py", ".a.py")
    add(tmp_path, "env/pyvenv.cfg", "env/bin/a.py", ".ipynb_checkpoints/a.ipynb")

    assert list(migration.examine([tmp_path])) == []


def test_examine_reads_a_file_once(tmp_path: Path) -> None:
    add(tmp_path, "a.py")

    assert len(list(migration.examine([tmp_path, tmp_path / "a.py", tmp_path]))) == 1


def test_examine_follows_no_link_to_a_folder(tmp_path: Path) -> None:
    add(tmp_path, "a/a.py")
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a", target_is_directory=True)

    assert len(list(migration.examine([tmp_path]))) == 1


def test_examine_refuses_a_file_of_another_kind(tmp_path: Path) -> None:
    add(tmp_path, "a.c")

    with pytest.raises(UsageError, match=r"a\.c"):
        list(migration.examine([tmp_path / "a.c"]))


def test_examine_writes_nothing(tmp_path: Path) -> None:
    add(tmp_path, "a.py")
    before = (tmp_path / "a.py").stat().st_mtime_ns

    list(migration.examine([tmp_path]))

    assert [it.name for it in tmp_path.iterdir()] == ["a.py"]
    assert (tmp_path / "a.py").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"import tensorflow_hub\r\n# \r\nx = 1\r\n", b"import rehub\r\n# \r\nx = 1\r\n"),
        (b"import tensorflow_hub\rx = 1\n", b"import rehub\rx = 1\n"),
        (b"import tensorflow_hub", b"import rehub"),
        (b"import tensorflow_hub\n\x0c\n\tx = 1\n".replace(b"\tx", b"x"), b"import rehub\n\x0c\nx = 1\n"),
        (codecs.BOM_UTF8 + b"import tensorflow_hub\n", codecs.BOM_UTF8 + b"import rehub\n"),
        (b"# coding: latin-1\nx = '\xe9'; import tensorflow_hub\n", b"# coding: latin-1\nx = '\xe9'; import rehub\n"),
        (
            "x = '\U0001f600é'; import tensorflow_hub as h; h.load('ü')\n".encode(),
            "x = '\U0001f600é'; import rehub as h; h.load('ü')\n".encode(),
        ),
    ],
)
def test_write_keeps_encoding_and_line_breaks(before: bytes, after: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(before)

    migrate(tmp_path)

    assert (tmp_path / "a.py").read_bytes() == after


def test_write_adds_lines_with_the_line_breaks_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"import tensorflow as tf\r\nimport tensorflow_hub\r\ntf.Session()\r\n")

    migrate(tmp_path)

    assert (tmp_path / "a.py").read_bytes() == (
        b"import tensorflow.compat.v1 as tf\r\nimport rehub\r\n\r\ntf.disable_v2_behavior()\r\ntf.Session()\r\n"
    )


def test_write_keeps_mode_and_link(tmp_path: Path) -> None:
    add(tmp_path, "real/a.py")
    (tmp_path / "real" / "a.py").chmod(0o751)
    (tmp_path / "link.py").symlink_to(tmp_path / "real" / "a.py")

    migrate(tmp_path / "link.py")

    assert (tmp_path / "link.py").is_symlink()
    assert (tmp_path / "real" / "a.py").read_text() == NEW
    assert (tmp_path / "real" / "a.py").stat().st_mode & 0o777 == 0o751


def test_write_leaves_a_file_as_it_was_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(tmp_path, "a.py", "b.py")
    replace = Path.replace

    def fail_once(self: Path, target: Path) -> Path:
        if target.name == "a.py":
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail_once)
    reports = migrate(tmp_path)

    assert [(it.code, it.what) for it in reports[0].findings] == [
        ("M902", "the file cannot be written: No space left on device")
    ]
    assert (tmp_path / "a.py").read_text() == OLD
    assert (tmp_path / "b.py").read_text() == NEW
    assert sorted(it.name for it in tmp_path.iterdir()) == ["a.py", "b.py"]


@pytest.fixture
def unreadable(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_bytes(b"# coding: nonsense\nimport tensorflow_hub\n")
    (tmp_path / "b.py").write_bytes(b"x = '\xff'\nimport tensorflow_hub\n")
    (tmp_path / "c.py").write_text("import tensorflow_hub\ndef f(\n")
    (tmp_path / "d.py").write_text("tensorflow_hub = " + "(" * 9999 + ")" * 9999 + "\n")
    (tmp_path / "d2.py").write_text("tensorflow_hub = " + "1 + " * 900 + "1\n")
    (tmp_path / "e.py").write_bytes(b"import tensorflow_hub\0\n")
    (tmp_path / "f.py").write_text(OLD)
    return tmp_path


def test_examine_goes_on_after_files_that_cannot_be_read(unreadable: Path) -> None:
    found = [[it.code for it in report.findings] for report in migration.examine([unreadable])]

    assert found == [["M902"], ["M902"], ["M901"], ["M901"], ["M901"], ["M901"], ["M101"]]


def test_examine_says_nothing_of_unreadable_files_without_the_hub(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"print '\xff'\n")
    (tmp_path / "b.ipynb").write_bytes(b"{")

    assert [it.findings for it in migration.examine([tmp_path])] == [(), ()]


def test_diff_is_a_patch(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import tensorflow_hub")
    (report,) = migration.examine([tmp_path])

    name = (tmp_path / "a.py").as_posix()
    assert migration.diff(report) == (
        f"--- {name}\n+++ {name}\n@@ -1 +1 @@\n"
        "-import tensorflow_hub\n\\ No newline at end of file\n+import rehub\n\\ No newline at end of file\n"
    )
