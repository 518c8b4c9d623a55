"""Programs that import tensorflow_hub, on rehub. Each is a process of its own, and needs no TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rehub

ROOT = Path(rehub.__file__).parents[1]
OURS = ROOT / "rehub" / "alias" / "site" / "tensorflow_hub" / "__init__.py"
TELLS = "import json, sys, tensorflow_hub; print(json.dumps([tensorflow_hub.__file__, sys.argv, __name__]))"
INSTALLS = "import rehub; rehub.install_as_tensorflow_hub()\n"


def run(*command: str | Path, typed: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith(("TFHUB_", "REHUB_"))}
    return subprocess.run(
        [sys.executable, *map(str, command)],
        input=typed,
        capture_output=True,
        text=True,
        timeout=120,
        env={**known, "PYTHONPATH": str(ROOT), **variables},
    )


def told(*command: str | Path, **variables: str) -> Any:
    done = run(*command, **variables)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(TELLS)
    return path


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with a tensorflow_hub that is not rehub's."""
    package = tmp_path / "installed" / "tensorflow_hub"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("__version__ = '0.12.0'")
    return package.parent


def test_script_finds_rehub_as_the_main_program_with_its_arguments(script: Path) -> None:
    assert told("-m", "rehub.alias", script, "--handle", "x y") == [
        str(OURS),
        [str(script), "--handle", "x y"],
        "__main__",
    ]


def test_module_finds_rehub(script: Path) -> None:
    folder = str(script.parent)
    assert told("-m", "rehub.alias", "-m", "program", "a", PYTHONPATH=f"{ROOT}{os.pathsep}{folder}") == [
        str(OURS),
        [str(script), "a"],
        "__main__",
    ]


def test_package_runs_as_python_runs_it(tmp_path: Path) -> None:
    (tmp_path / "tool").mkdir()
    (tmp_path / "tool" / "__init__.py").write_text("")
    (tmp_path / "tool" / "beside.py").write_text("import tensorflow_hub\n")
    (tmp_path / "tool" / "__main__.py").write_text(
        "import json, sys\nfrom .beside import tensorflow_hub\n"
        "print(json.dumps([tensorflow_hub.__file__, __name__, __package__, __spec__.name, sys.argv]))\n"
    )
    path = f"{ROOT}{os.pathsep}{tmp_path}"
    expected = told("-m", "tool", "a", "-m", PYTHONPATH=f"{OURS.parents[1]}{os.pathsep}{path}")
    assert told("-m", "rehub.alias", "-m", "tool", "a", "-m", PYTHONPATH=path) == expected
    assert expected[:4] == [str(OURS), "__main__", "tool", "tool.__main__"]


def test_unittest_runs_tests_on_rehub(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import unittest\nimport tensorflow_hub\nclass It(unittest.TestCase):\n"
        f"    def test_it(self):\n        self.assertEqual(tensorflow_hub.__file__, {str(OURS)!r})\n"
    )
    done = run("-m", "rehub.alias", "-m", "unittest", "test_it", PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "Ran 1 test" in done.stderr


@pytest.mark.parametrize("shell", [["-m", "code", "-q"], ["-"]])
def test_what_is_typed_finds_rehub(shell: list[str]) -> None:
    done = run("-m", "rehub.alias", *shell, typed="import tensorflow_hub\nprint(tensorflow_hub.__file__)\n")
    assert str(OURS) in done.stdout


def test_code_finds_rehub() -> None:
    assert told("-m", "rehub.alias", "-c", TELLS, "a")[:2] == [str(OURS), ["-c", "a"]]


def test_pytest_runs_tests_on_rehub(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        f"def test_it():\n    import tensorflow_hub\n    assert tensorflow_hub.__file__ == {str(OURS)!r}\n"
    )
    command = ("-m", "rehub.alias", "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path)
    done = run(*command, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert "1 passed" in done.stdout


@pytest.mark.parametrize(("code", "expected"), [("raise SystemExit(7)", 7), ("1 / 0", 1), ("", 0)])
def test_exit_code_is_the_program_s(code: str, expected: int) -> None:
    assert run("-m", "rehub.alias", "-c", code).returncode == expected


@pytest.mark.parametrize("alias", [["-m", "rehub.alias"], ["-mrehub.alias"], ["-Bm", "rehub.alias"]])
def test_options_of_python_reach_the_program(alias: list[str]) -> None:
    code = "import json, sys; print(json.dumps([sys.flags.dont_write_bytecode, sys.flags.utf8_mode, sys.argv]))"
    assert told("-B", "-X", "utf8", *alias, "-c", code, "-q") == [1, 1, ["-c", "-q"]]


def test_children_find_rehub(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import json, multiprocessing, subprocess, sys\n"
        "def find(_):\n    import tensorflow_hub\n    return tensorflow_hub.__file__\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n        found = pool.map(find, [0])\n"
        "    code = 'import tensorflow_hub; print(tensorflow_hub.__file__)'\n"
        "    found.append(subprocess.check_output([sys.executable, '-c', code], text=True).strip())\n"
        "    print(json.dumps(found))\n"
    )
    assert told("-m", "rehub.alias", tmp_path / "program.py") == [str(OURS)] * 2


def test_children_of_multiprocessing_find_rehub_when_the_program_installed_it(tmp_path: Path) -> None:
    (tmp_path / "task.py").write_text("def find(_):\n    import tensorflow_hub\n    return tensorflow_hub.__file__\n")
    (tmp_path / "program.py").write_text(
        "import json, multiprocessing, task\n"
        "if __name__ == '__main__':\n"
        "    import rehub; rehub.install_as_tensorflow_hub()\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(json.dumps(pool.map(task.find, [0])))\n"
    )
    assert told(tmp_path / "program.py") == [str(OURS)]


@pytest.mark.parametrize("begins", [["-c", INSTALLS], ["-m", "rehub.alias", "-c", ""]])
def test_rehub_wins_over_an_installed_tensorflow_hub(begins: list[str], installed: Path) -> None:
    *start, code = begins
    path = f"{ROOT}{os.pathsep}{installed}"
    assert told(*start, code + TELLS, PYTHONPATH=path)[0] == str(OURS)


def test_version_and_spec_are_found() -> None:
    code = (
        "import importlib.metadata, importlib.util, json, tensorflow_hub\n"
        "print(json.dumps([importlib.metadata.version('tensorflow_hub'), importlib.metadata.version('tensorflow-hub'),"
        "tensorflow_hub.__version__, importlib.util.find_spec('tensorflow_hub.keras_layer') is not None]))"
    )
    assert told("-c", INSTALLS + code) == ["0.16.1", "0.16.1", "0.16.1", True]


def test_install_twice_changes_nothing() -> None:
    code = "import json, sys; path = [*sys.path]\n" + INSTALLS + "print(json.dumps(sys.path == path))"
    assert told("-c", INSTALLS + code) is True


def test_install_refuses_when_tensorflow_hub_is_imported(installed: Path) -> None:
    done = run("-c", f"import tensorflow_hub\n{INSTALLS}", PYTHONPATH=f"{ROOT}{os.pathsep}{installed}")
    assert "UsageError: tensorflow_hub 0.12.0 from" in done.stderr
    assert "python -m rehub.alias" in done.stderr


@pytest.mark.parametrize("command", [["-m", "rehub.alias"], []])
def test_program_is_refused_that_has_a_tensorflow_hub_of_its_own(
    command: list[str], script: Path, installed: Path
) -> None:
    script = script.rename(installed / "program.py")
    script.write_text(INSTALLS)
    done = run(*command, script)
    assert done.returncode != 0
    assert "as tensorflow_hub, in place of rehub. Rename it" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [([], "no program to run"), (["-m"], "no program to run"), (["--mirror", "x"], "no option --mi")],
)
def test_command_line_without_a_program_is_refused(arguments: list[str], says: str) -> None:
    done = run("-m", "rehub.alias", *arguments)
    assert done.returncode == 2
    assert says in done.stderr


def test_help_shows_the_usage() -> None:
    assert "usage: python -m rehub.alias SCRIPT" in run("-m", "rehub.alias", "--help").stdout


def test_python_that_ignores_its_environment_is_refused() -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import runpy; sys.argv[1:] = ['x.py']\n"
    done = run("-E", "-c", f"{code}runpy.run_module('rehub.alias', run_name='__main__')")
    assert done.returncode == 2
    assert "Python runs with -E or -I here" in done.stderr


CACHE = (
    "import json, tempfile, tensorflow_hub; from rehub import configuration\n"
    "folder = tensorflow_hub.resolver.tfhub_cache_dir(use_temp=True)\n"
    "print(json.dumps([str(configuration.current().cache_root), folder]))"
)


def test_models_are_cached_in_the_temp_folder(tmp_path: Path) -> None:
    folder = str(tmp_path / "tfhub_modules")
    assert told("-c", INSTALLS + CACHE, TMPDIR=str(tmp_path)) == [folder, folder]


def test_models_are_cached_where_the_variable_says(tmp_path: Path) -> None:
    assert told("-c", INSTALLS + CACHE, TFHUB_CACHE_DIR=str(tmp_path / "own")) == [str(tmp_path / "own")] * 2


def test_temp_folder_of_another_user_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "tfhub_modules").mkdir()
    code = "import os; me = os.getuid(); os.getuid = lambda: me + 1\n"
    folders = told(
        "-c", code + INSTALLS + CACHE, TMPDIR=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "mine"), TFHUB_CACHE_DIR=""
    )
    assert folders[0] == str(tmp_path / "mine" / "rehub")


def test_import_loads_no_tensorflow() -> None:
    code = "import json, sys; print(json.dumps('tensorflow' in sys.modules))"
    assert told("-c", f"{INSTALLS}import tensorflow_hub\n{code}") is False
