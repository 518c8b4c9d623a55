"""What is found in a file, and the edits that mend it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Literal

Kind = Literal["works", "rewritten", "by hand", "failed"]

CODES = {
    "M101": "tensorflow_hub is imported",
    "M102": "tensorflow_hub is imported by a function",
    "M103": "a public name is taken from an inner module of tensorflow_hub",
    "M104": "an inner part of tensorflow_hub is used that rehub has no public name for",
    "M105": "a name is used that rehub does not have",
    "M106": "the version of tensorflow_hub is looked at",
    "M107": "a text names the module",
    "M108": "all names are imported at once",
    "M110": "a name that works as it is",
    "M201": "an API of TensorFlow 1 that works as it is, in graph mode",
    "M202": "hub.Module in a program of TensorFlow 2",
    "M203": "hub.Module in a way that has to be rewritten by a person",
    "M204": "hub.Module where nothing tells which TensorFlow the program is written for",
    "M205": "exporters for Estimators",
    "M206": "a text embedding column in a program of TensorFlow 2",
    "M210": "names that TensorFlow has in tf.compat.v1 only",
    "M211": "tf.contrib is used",
    "M212": "tf.layers is used",
    "M213": "Estimators are used",
    "M301": "an optimizer is given lr",
    "M302": "an optimizer is given decay",
    "M303": "a layer is taken from layers.experimental",
    "M304": "a generator is passed to a method of its own",
    "M305": "Keras is asked to write or read a SavedModel",
    "M306": "a Keras file with a hub.KerasLayer is loaded",
    "M307": "two kinds of Keras are mixed",
    "M308": "TF_USE_LEGACY_KERAS is set too late",
    "M309": "a part of Keras 2 that Keras 3 does not have",
    "M310": "Keras is used in graph mode",
    "M401": "a handle on tfhub.dev",
    "M402": "a handle says how it is downloaded",
    "M403": "the cache is in a temporary folder",
    "M404": "the folders of the old cache are computed",
    "M501": "a dependency on tensorflow-hub",
    "M502": "a lock file names tensorflow-hub",
    "M503": "a version of TensorFlow that rehub does not run on",
    "M901": "the file is no Python, or no notebook",
    "M902": "the file cannot be read or written",
}
"""What each code is for; it stays what it is in later releases."""

_WORKS = frozenset({"M110", "M201", "M401"})
_FAILED = frozenset({"M901", "M902"})


@dataclasses.dataclass(frozen=True, order=True)
class Edit:
    """A piece of a text that is replaced.

    Attributes:
        start: Of the piece, in bytes of UTF-8.
        end: The place behind it, likewise.
        text: What comes in its place.
    """

    start: int
    end: int
    text: str


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something in a file that has to do with tensorflow_hub.

    Attributes:
        code: One of `CODES`.
        line: Where it is, from 1; in a notebook, in the cell.
        what: What is there.
        fix: What to do, or what is done; empty if nothing is.
        edits: What does it.
        cell: In a notebook: which of its cells, from 1.
    """

    code: str
    line: int
    what: str
    fix: str = ""
    edits: tuple[Edit, ...] = ()
    cell: int | None = None

    @property
    def kind(self) -> Kind:
        """Whether it works as it is, is rewritten, is left to a person, or could not be looked at."""
        if self.code in _WORKS:
            return "works"
        if self.code in _FAILED:
            return "failed"
        return "rewritten" if self.edits else "by hand"


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Returns a text with its pieces replaced. Of equal edits, one is made."""
    content = text.encode()
    parts, position = [], 0
    for edit in sorted(set(edits)):
        assert edit.start >= position, f"two edits of one piece: {edit}"
        parts += [content[position : edit.start], edit.text.encode()]
        position = edit.end
    return b"".join([*parts, content[position:]]).decode()
