"""Links between documents lead somewhere for those who read them in the repository; `make docs` checks the site."""

from __future__ import annotations

import re

import pytest

from tests.documentation.pages import PAGES, ROOT, anchors, without_code


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings_of_the_repository(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert file.exists(), target
        # What is made from the code has its anchors on the site alone.
        if anchor and "reference" not in file.relative_to(ROOT).parts:
            assert anchor in anchors(file.relative_to(ROOT).as_posix()), target
