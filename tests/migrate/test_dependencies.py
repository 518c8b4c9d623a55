from __future__ import annotations

from pathlib import Path

import pytest

from rehub import __version__
from tests.migrate import code


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("requirements.txt", "tensorflow==2.16.1\ntensorflow-hub==0.16.1\n", "tensorflow==2.16.1\nrehub==VERSION\n"),
        ("requirements.txt", "tensorflow_hub\n", "rehub[tensorflow]\n"),
        (
            "requirements-dev.in",
            "tensorflow\nTensorFlow.Hub>=0.7,<0.13  # embeddings\n",
            "tensorflow\nrehub>=VERSION  # embeddings\n",
        ),
        (
            "requirements/base.txt",
            "tensorflow\ntensorflow-hub ~= 0.12 ; python_version < '3.12'\n",
            "tensorflow\nrehub>=VERSION ; python_version < '3.12'\n",
        ),
        ("constraints.txt", "tensorflow\r\ntf-hub-nightly\r\n", "tensorflow\r\nrehub\r\n"),
        (
            "pyproject.toml",
            '[project]\ndependencies = ["tensorflow>=2.16", "tensorflow-hub[make_image_classifier]>=0.12"]\n',
            '[project]\ndependencies = ["tensorflow>=2.16", "rehub>=VERSION"]\n',
        ),
        (
            "pyproject.toml",
            '[tool.poetry.dependencies]\ntensorflow = "^2.16"\ntensorflow-hub = "^0.16"  # hub\n',
            '[tool.poetry.dependencies]\ntensorflow = "^2.16"\nrehub = ">=VERSION"  # hub\n',
        ),
        (
            "Pipfile",
            '[packages]\ntensorflow = "*"\ntensorflow-hub = "*"\n',
            '[packages]\ntensorflow = "*"\nrehub = "*"\n',
        ),
        (
            "setup.cfg",
            "install_requires =\n    tensorflow\n    tensorflow_hub>=0.8\n",
            "install_requires =\n    tensorflow\n    rehub>=VERSION\n",
        ),
        (
            "setup.py",
            "setup(install_requires=['tensorflow-hub>=0.8'])\n",
            "setup(install_requires=['rehub>=VERSION'])\n",
        ),
        (
            "environment.yml",
            "dependencies:\n  - python=3.11\n  - pip:\n    - tensorflow\n    - tensorflow-hub==0.12\n",
            "dependencies:\n  - python=3.11\n  - pip:\n    - tensorflow\n    - rehub==VERSION\n",
        ),
        (
            "Dockerfile",
            "RUN pip install tensorflow tensorflow-hub>=0.9\n",
            "RUN pip install tensorflow 'rehub>=VERSION'\n",
        ),
        (
            ".github/workflows/a.yml",
            "- run: python -m pip install 'tensorflow-hub<1'\n",
            "- run: python -m pip install 'rehub>=VERSION'\n",
        ),
        ("install.sh", "uv add tensorflow-hub\necho tensorflow-hub\n", "uv add rehub\necho tensorflow-hub\n"),
    ],
)
def test_migrate_rewrites_dependency(name: str, before: str, after: str, tmp_path: Path) -> None:
    after = after.replace("VERSION", __version__)

    assert code.after(tmp_path, before, name) == after
    assert not code.examine(tmp_path, after, name).is_changed


@pytest.mark.parametrize(
    ("name", "text", "line", "expected"),
    [
        ("requirements.txt", "tensorflow-hub==0.12.0 \\\n    --hash=sha256:aa\n", 1, "M502"),
        ("poetry.lock", '[[package]]\nname = "tensorflow-hub"\n', 2, "M502"),
        ("environment.yml", "dependencies:\n  - tensorflow-hub=0.12\n", 2, "M501"),
        ("pyproject.toml", 'tensorflow-hub = {version = "^0.12", optional = true}\n', 1, "M501"),
        ("requirements.txt", "rehub\ntensorflow==1.15.5\n", 2, "M503"),
        ("requirements.txt", "rehub\ntensorflow-cpu<2.15\n", 2, "M503"),
        ("requirements.txt", "rehub\ntensorflow~=2.9.0\n", 2, "M503"),
        ("requirements.txt", "rehub\ntensorflow-gpu>=2.9\n", 2, "M503"),
        ("pyproject.toml", 'rehub = "*"\ntensorflow = "^1.15"\n', 2, "M503"),
    ],
)
def test_migrate_leaves_dependency_to_people(name: str, text: str, line: int, expected: str, tmp_path: Path) -> None:
    report = code.examine(tmp_path, text, name)

    assert code.found(report) == [(line, expected, "by hand")]
    assert not report.is_changed


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements.txt", "rehub\ntensorflow>=2.9\nkeras\n"),
        ("requirements.txt", "rehub\ntensorflow>=2.9,<2.21\ntensorflow-text==2.9\n"),
        ("requirements.txt", "rehub\ntensorflow==2.16.*\n"),
        ("requirements.txt", "rehub\ntensorflow~=2.9\n"),
        ("requirements.txt", "# tensorflow-hub\nnumpy\n"),
        ("requirements.txt", "my-tensorflow-hub\ntensorflow-hub-tools\n"),
        ("pyproject.toml", 'module = ["tensorflow_hub.*"]\n'),
        ("pyproject.toml", 'url = "https://github.com/tensorflow-hub/x"\n'),
        ("notes.txt.sh", "# about tensorflow-hub\n"),
    ],
)
def test_migrate_finds_nothing_in_other_dependencies(name: str, text: str, tmp_path: Path) -> None:
    assert code.examine(tmp_path, text, name).findings == ()
