"""Links between documents lead somewhere for those who read them in the repository; `make docs` checks the site.

Links to elsewhere are of hosts that last. Whether what they name is still there, `make links` finds out every week.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from tests.documentation.pages import PAGES, ROOT, anchors, without_code

HOSTS = {
    "docs.python.org",
    "docs.ray.io",
    "github.com",
    "huggingface.co",
    "keras.io",
    "www.kaggle.com",
    "www.tensorflow.org",
}
"""Where documents may link to: those who keep what is written about."""


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


def test_links_to_elsewhere_are_https_and_of_known_hosts() -> None:
    found = set()
    for page in PAGES:
        for target in re.findall(r"(?:\]\(|<)([a-z]+:[^)>\s]*)", without_code(page)):
            url = urlsplit(target)
            assert (page, url.scheme) == (page, "https"), target
            assert url.hostname == url.netloc, target
            assert target.isascii(), target
            found.add(url.netloc)

    assert found
    assert found <= HOSTS
