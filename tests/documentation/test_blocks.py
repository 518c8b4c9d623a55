"""Every block of Python in a document is run by a test, in continuous integration."""

from __future__ import annotations

import pytest

from tests.documentation.pages import PAGES, ROOT, blocks

RUN_BY = {
    "README.md": "tests/documents/test_readme.py",
    "docs/backends.md": "tests/keras/backends/test_document.py",
    "docs/batch.md": "tests/index/test_document.py",
    "docs/cache.md": "tests/documents/test_cache.py",
    "docs/comparing.md": "tests/documents/test_comparing.py",
    "docs/converting.md": "tests/documents/test_converting.py",
    "docs/dependents.md": "tests/documentation/test_dependents.py",
    "docs/distributed.md": "tests/distribute/test_document.py",
    "docs/exporting.md": "tests/documents/test_exporting.py",
    "docs/fine_tuning.md": "tests/documents/test_fine_tuning.py",
    "docs/first_model.md": "tests/documents/test_start.py",
    "docs/from_other_loaders.md": "tests/documents/test_migration_pages.py",
    "docs/from_tensorflow_hub.md": "tests/documents/test_from_tensorflow_hub.py",
    "docs/handles_of_tfhub_dev.md": "tests/documents/test_migration_pages.py",
    "docs/hosting.md": "tests/hub/test_hosting.py",
    "docs/install.md": "tests/documentation/test_install.py",
    "docs/keras2_to_keras3.md": "tests/documents/test_migration_pages.py",
    "docs/partial_loading.md": "tests/documents/test_partial_loading.py",
    "docs/publishing.md": "tests/documents/test_publishing.py",
    "docs/security.md": "tests/documents/test_security.py",
    "docs/settings.md": "tests/documents/test_settings.py",
    "docs/tf1_compat_mode.md": "tests/documents/test_tf1_compat_mode.py",
    "docs/tf1_hub_format.md": "tests/documents/test_tf1_hub_module.py",
    "docs/tf1_to_tf2.md": "tests/documents/test_migration_pages.py",
    "docs/tf1_to_tf2.pt.md": "tests/documents/test_migration_pages.py",
    "docs/training.md": "tests/train/test_document.py",
    "docs/using.md": "tests/documents/test_using.py",
    "docs/which_keras.md": "tests/documents/test_start.py",
}
"""The test that runs all blocks of a page. A page that gets its first block gets a test, and a line here."""

LANGUAGES = {"python", "py", "pycon", "python3", "ipython"}
RUN_WHERE_THEY_CAN = {"docs/tf1_compat_mode.md": {"python keras2", "python estimator"}}


def _python(page: str) -> list[tuple[str, str]]:
    return [(indent, info) for indent, info, _ in blocks(page) if info and info.split()[0].lower() in LANGUAGES]


def test_pages_with_python_are_those_that_a_test_runs() -> None:
    assert {page for page in PAGES if _python(page)} == set(RUN_BY)


@pytest.mark.parametrize("page", sorted(RUN_BY))
def test_blocks_are_of_the_kind_that_their_test_finds(page: str) -> None:
    kinds = {info for _, info in _python(page)} - RUN_WHERE_THEY_CAN.get(page, set())
    assert kinds == {"python"}
    assert {indent for indent, _ in _python(page)} == {""}


@pytest.mark.parametrize("page", sorted(RUN_BY))
def test_test_of_a_page_takes_the_blocks_from_it(page: str) -> None:
    test = (ROOT / RUN_BY[page]).read_text(encoding="utf-8")
    assert page.rpartition("/")[2] in test
    assert "```python" in test or "```{language}" in test
    assert "exec(" in test or "subprocess.run(" in test
