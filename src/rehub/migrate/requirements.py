"""Dependencies on tensorflow-hub, wherever projects declare them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePath

from rehub import __version__
from rehub.migrate.finding import Edit, Finding

_VERSIONS = r"(?:===?|~=|!=|<=|>=|<|>)\s*[\w.*+!]+"
_HUB = re.compile(
    rf"""(?<![\w./@:=-])(?:tensorflow[-_.]hub|tf-hub-nightly)(?![\w/-]|\.\w|\.\*)
    (?P<extras>\s*\[[^\]]*\])?(?P<versions>\s*\(?\s*{_VERSIONS}(?:\s*,\s*{_VERSIONS})*\)?)?""",
    re.VERBOSE | re.IGNORECASE,
)
_KEY = re.compile(r"""^(?P<key>["']?tensorflow[-_]hub["']?)\s*=\s*(?P<value>.*?)\s*(?:\#.*)?$""", re.IGNORECASE)
_TENSORFLOW = re.compile(
    r"""(?<![\w./@:-])tensorflow(?P<kind>-cpu|-gpu|-macos|-intel)?(?:\[[^\]]*\])?
    (?:["']?\s*=\s*["'])?\s*(?:(?P<sign>===?|=|~=|<=|<|\^)\s*(?P<major>\d+)(?:\.(?P<minor>\d+))?(?P<patch>\.\d+)?)?(?![\w-])""",
    re.VERBOSE | re.IGNORECASE,
)
_INSTALLS = re.compile(r"\b(?:pip3?|uv)\b.*\b(?:install|add)\b|\bpoetry add\b|%pip install")
_LOCKS = frozenset({"pdm.lock", "pipfile.lock", "poetry.lock", "uv.lock", "conda-lock.yml"})
_NEWEST, _OLDEST = (2, 21), (2, 15)
_LISTS = re.compile(r"(requirement|constraint|deps|depend)", re.IGNORECASE)


def is_list(path: PurePath) -> bool:
    """Whether a file lists what a project depends on."""
    name = path.name.lower()
    if name in _LOCKS or name in ("pyproject.toml", "setup.cfg", "pipfile", "tox.ini"):
        return True
    if path.suffix.lower() in (".txt", ".in"):
        return bool(_LISTS.search(name) or _LISTS.search(path.parent.name))
    return _is_conda(path)


def has_commands(path: PurePath) -> bool:
    """Whether a file may hold commands that install packages."""
    return path.suffix.lower() in (".sh", ".yml", ".yaml") or path.name.lower().startswith(("dockerfile", "makefile"))


def find(text: str, path: PurePath) -> list[Finding]:
    """Returns what is found in a file that `is_list` or `has_commands` is true of."""
    if path.name.lower() in _LOCKS or "--hash=" in text:
        return _locked(text, path)
    if not is_list(path):
        return list(_by_line(text, find_in_command))
    has_tensorflow = any(match["kind"] != "-gpu" for match in _TENSORFLOW.finditer(_uncommented(text)))
    found = list(_by_line(text, lambda line: _in_line(line, path, has_tensorflow)))
    return _without_conda(found, text) if _is_conda(path) else found


def find_in_command(line: str) -> Iterator[Finding]:
    """Yields what is found in a line for a shell."""
    if _INSTALLS.search(line):
        yield from _requirements(line, has_tensorflow=True)


def find_in_text(value: str) -> Iterator[Finding]:
    """Yields what is found in one requirement, as setup.py has them."""
    match = _HUB.match(value.strip())
    if match and value.strip()[match.end() :].lstrip()[:1] in ("", ";"):
        yield from _requirements(value, has_tensorflow=True)


def _locked(text: str, path: PurePath) -> list[Finding]:
    match = _HUB.search(text)
    if match is None:
        return []
    line = text.count("\n", 0, match.start()) + 1
    return [Finding("M502", line, f"{path.name} is locked to tensorflow-hub", "lock it again, after its source")]


def _is_conda(path: PurePath) -> bool:
    return path.suffix.lower() in (".yml", ".yaml") and path.name.lower().startswith(("environment", "conda"))


def _uncommented(text: str) -> str:
    return re.sub(r"(^|\s)#.*", "", text)


def _by_line(text: str, find_in_line: Callable[[str], Iterable[Finding]]) -> Iterator[Finding]:
    start = 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        for finding in find_in_line(line):
            edits = tuple(Edit(edit.start + start, edit.end + start, edit.text) for edit in finding.edits)
            yield dataclasses.replace(finding, line=number, edits=edits)
        start += len(line.encode())


def _in_line(line: str, path: PurePath, has_tensorflow: bool) -> Iterator[Finding]:
    code = _uncommented(line)
    yield from _tensorflow(code)
    key = _KEY.match(code.rstrip("\r\n"))
    if key and path.suffix.lower() != ".txt":
        yield _keyed(key)
    else:
        yield from _requirements(code, has_tensorflow)


def _keyed(match: re.Match[str]) -> Finding:
    """Reads ``tensorflow-hub = "^0.12"``, as Poetry and Pipenv have it."""
    what, value = f"{match[0].strip()}", match["value"]
    if not re.fullmatch(r"""(["'])[^"']*\1""", value):
        return Finding("M501", 1, what, "write rehub, with its version")
    new = '"*"' if value[1:-1] == "*" else f'">={__version__}"'
    edits = (_edit(match.string, match.span("key"), "rehub"), _edit(match.string, match.span("value"), new))
    return Finding("M501", 1, what, f"rehub = {new}", edits)


def _requirements(text: str, has_tensorflow: bool) -> Iterator[Finding]:
    for match in _HUB.finditer(text):
        versions = re.sub(r"[\s()]", "", match["versions"] or "")
        if versions.startswith("==") and "," not in versions and "*" not in versions:
            wanted = f"=={__version__}"
        else:
            wanted = f">={__version__}" if versions else ""
        quoted = text[match.start() - 1 : match.start()] in ("'", '"')
        new = ("rehub" if has_tensorflow else "rehub[tensorflow]") + wanted
        if not quoted and _INSTALLS.search(text) and re.search(r"[<>\[]", new):
            new = f"'{new}'"
        yield Finding("M501", 1, match[0].strip(), new, (_edit(text, match.span(), new),))


def _tensorflow(line: str) -> Iterator[Finding]:
    for match in _TENSORFLOW.finditer(line):
        what = match[0].strip().rstrip("\"'")
        if match["kind"] == "-gpu":
            yield Finding("M503", 1, f"{what}: there is no such package any more", "use tensorflow[and-cuda]")
        elif match["sign"] and _is_too_old(match):
            fix = f"rehub needs TensorFlow {_OLDEST[0]}.{_OLDEST[1]} to {_NEWEST[0]}.{_NEWEST[1]}"
            yield Finding("M503", 1, f"{what} is too old", fix)


def _is_too_old(match: re.Match[str]) -> bool:
    """Whether no version that rehub runs on is allowed."""
    major, minor = int(match["major"]), match["minor"]
    if match["sign"] == "<":
        return (major, int(minor or 0)) <= _OLDEST
    if match["sign"] == "^" or minor is None or (match["sign"] == "~=" and not match["patch"]):
        return major < _OLDEST[0]
    return (major, int(minor)) < _OLDEST


def _without_conda(found: list[Finding], text: str) -> list[Finding]:
    """Leaves what conda installs to people: it has no rehub, pip has."""
    lines, in_pip = text.splitlines(), set()
    indent = None
    for number, line in enumerate(lines, 1):
        depth = len(line) - len(line.lstrip())
        if re.match(r"\s*-\s*pip\s*:", line):
            indent = depth
        elif indent is not None and line.strip() and depth <= indent:
            indent = None
        elif indent is not None:
            in_pip.add(number)
    fix = "move it to the part for pip, as rehub"
    return [
        dataclasses.replace(it, fix=fix, edits=()) if it.code == "M501" and it.line not in in_pip else it
        for it in found
    ]


def _edit(text: str, span: tuple[int, int], new: str) -> Edit:
    start, end = (len(text[:place].encode()) for place in span)
    return Edit(start, end, new)
