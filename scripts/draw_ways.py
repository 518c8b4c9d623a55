"""Draws the pictures of docs/architecture.md into docs/assets/ways: `python scripts/draw_ways.py`.

A picture is rows of boxes, and arrows that go straight down. It is narrow, so that a phone shows it in its own size.
Colours are the site's, by its variables; where there are none, as in the repository, they are dark on white.
"""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "assets" / "ways"

WIDTH = 376
_EDGE = 2
_GAP = 10
_ARROW = 26
_LINE = 16
_PADDING = 8
_TITLE_WIDTH = 6.95  # of a character, at most, in the usual fonts of systems
_TEXT_WIDTH = 6.8


@dataclasses.dataclass(frozen=True)
class Box:
    """A box.

    Attributes:
        title: A module below ``rehub``, or what is outside of the code.
        text: What it does.
        place: Its left and right end, in parts of the width.
        module: The module, where the title is not all of its name.
        is_outside: Whether it is no module.
    """

    title: str
    text: str
    place: tuple[float, float] = (0, 1)
    module: str = ""
    is_outside: bool = False

    @property
    def name(self) -> str:
        """The full name of the module."""
        return f"rehub.{self.module or self.title}"

    @property
    def left(self) -> float:
        """Where it begins."""
        return round(self.place[0] * (WIDTH + _GAP))

    @property
    def right(self) -> float:
        """Where it ends."""
        return round(self.place[1] * (WIDTH + _GAP)) - _GAP

    @property
    def lines(self) -> list[str]:
        """The text, broken so that it fits."""
        inner = self.right - self.left - 2 * _PADDING
        if len(self.title) * _TITLE_WIDTH > inner:
            raise ValueError(f"{self.title!r} is wider than its box.")
        return textwrap.wrap(self.text, int(inner / _TEXT_WIDTH), break_long_words=False)

    @property
    def height(self) -> float:
        """Of its content."""
        return 2 * _PADDING + _LINE * (1 + len(self.lines)) - 2


@dataclasses.dataclass(frozen=True)
class Way:
    """A picture.

    Attributes:
        rows: Boxes, from above.
        arrows: From a box to one further down, by their titles, with what is said beside it.
    """

    rows: Sequence[Sequence[Box]]
    arrows: Sequence[tuple[str, str, str]]


def _outside(title: str, text: str, place: tuple[float, float] = (0, 1)) -> Box:
    return Box(title, text, place, is_outside=True)


_LEFT, _RIGHT = (0, 0.5), (0.5, 1)

WAYS: Mapping[str, Way] = {
    "resolve": Way(
        [
            [_outside("a handle", "A URL, a path, hf://…, s3://…")],
            [Box("resolvers.chain", "Reads the handle, asks the lock file, and chooses where the model comes from.")],
            [Box("resolvers.hub", "Looks into the cache. Only for a miss is anybody asked.")],
            [
                Box("cache.store", "Is the record there, and each file of its size?", _LEFT),
                Box("cache.lock", "One process works. The others wait and look.", _RIGHT),
            ],
            [_outside("a folder", "No lock was taken, nothing written.", _LEFT)],
            [
                Box(
                    "resolvers.hub_client",
                    "Asks the server, by transport.http. For other hubs: resolvers.huggingface, .kaggle, .bucket.",
                )
            ],
            [
                Box("resolvers.download", "Network, inflating, hashing and disk in one pass.", _LEFT),
                Box("resolvers.assembly", "Blocks: copied from models in the cache, or fetched.", _RIGHT),
            ],
            [_outside(".staging/", "All files are there, have the hashes that were announced, and are on the disk.")],
            [Box("cache.store", "One rename. The record comes last: it makes the model count.")],
            [_outside("the folder", "HOST/PUBLISHER/MODEL/VERSION")],
        ],
        [
            ("a handle", "resolvers.chain", ""),
            ("resolvers.chain", "resolvers.hub", "of a server or bucket"),
            ("resolvers.hub", "cache.store", "hit"),
            ("resolvers.hub", "cache.lock", "miss"),
            ("cache.store", "a folder", ""),
            ("cache.lock", "resolvers.hub_client", ""),
            ("resolvers.hub_client", "resolvers.download", "an archive"),
            ("resolvers.hub_client", "resolvers.assembly", "a manifest"),
            ("resolvers.download", ".staging/", ""),
            ("resolvers.assembly", ".staging/", ""),
            (".staging/", "cache.store", ""),
            ("cache.store", "the folder", ""),
        ],
    ),
    "load": Way(
        [
            [
                _outside("hub.load", "an object of TensorFlow", _LEFT),
                _outside("hub.KerasLayer", "a layer of Keras", _RIGHT),
            ],
            [Box("resolvers.chain", "The folder.")],
            [Box("runtime.load", "Reads saved_model.pb without TensorFlow: which graphs, of which TensorFlow.")],
            [Box("runtime.policy", "Which ops reach out: files, network, Python. Warns, or refuses.")],
            [
                Box("runtime.slim", "TensorFlow 2: for a layer its part. The rest on demand.", _LEFT),
                Box("runtime.lift_tf1", "TensorFlow 1: both graphs as objects, on the same variables.", _RIGHT),
            ],
            [
                Box(
                    "runtime.reusable",
                    "The interface of a Reusable SavedModel, read off any object that can be called.",
                )
            ],
            [Box("keras.layer", "HubLayer, which knows no Keras: arguments, what is called, configuration.")],
            [
                Box("keras.keras2", "A layer of tf_keras, or of TensorFlow 2.15.", (0, 0.3)),
                Box("keras.keras3", "A layer of Keras 3, with variables of its own.", (0.3, 1)),
            ],
            [
                Box("tensorflow_backend", "The model's own variables.", (0, 0.405), "keras.tensorflow_backend"),
                Box("jax_backend", "A callback of the program.", (0.405, 0.678), "keras.jax_backend"),
                Box("torch_backend", "A node of autograd.", (0.678, 1), "keras.torch_backend"),
            ],
        ],
        [
            ("hub.load", "resolvers.chain", ""),
            ("hub.KerasLayer", "resolvers.chain", ""),
            ("resolvers.chain", "runtime.load", ""),
            ("runtime.load", "runtime.policy", ""),
            ("runtime.policy", "runtime.slim", ""),
            ("runtime.policy", "runtime.lift_tf1", ""),
            ("runtime.slim", "runtime.reusable", "hub.load ends here"),
            ("runtime.lift_tf1", "runtime.reusable", ""),
            ("runtime.reusable", "keras.layer", ""),
            ("keras.layer", "keras.keras2", ""),
            ("keras.layer", "keras.keras3", ""),
            ("keras.keras3", "tensorflow_backend", ""),
            ("keras.keras3", "jax_backend", ""),
            ("keras.keras3", "torch_backend", ""),
        ],
    ),
    "tf1": Way(
        [
            [_outside("a module", "A folder in the TF1 Hub format.")],
            [Box("formats.tf1_hub_module", "Reads its graphs and files, without TensorFlow.")],
            [
                Box("tf1.module_spec", "Graph variants, signatures, checkpoint.", _LEFT),
                Box("runtime.lift_tf1", "Both variants as objects, on the same variables.", _RIGHT),
            ],
            [
                Box("tf1.module", "hub.Module: in a graph, variables once, ops for each use.", _LEFT),
                Box("conversion.reusable", "The object, saved as a model of TensorFlow 2.", _RIGHT),
            ],
            [
                Box("tf1.exporters", "What was trained, out of an Estimator.", _LEFT),
                Box("conversion.tf1_hub", "A Reusable SavedModel, as graphs and updates.", _RIGHT),
            ],
            [Box("tf1.builder", "A function that builds a graph, or a SavedModel, becomes a ModuleSpec.", _RIGHT)],
            [Box("formats.tf1_hub_module", "Writes a folder, whole or not at all.")],
            [_outside("another module", "It loads in tensorflow_hub, too.")],
        ],
        [
            ("a module", "formats.tf1_hub_module", ""),
            ("formats.tf1_hub_module", "tf1.module_spec", "graphs"),
            ("formats.tf1_hub_module", "runtime.lift_tf1", "objects"),
            ("tf1.module_spec", "tf1.module", ""),
            ("runtime.lift_tf1", "conversion.reusable", "hub.convert"),
            ("tf1.module", "tf1.exporters", "trained"),
            ("conversion.reusable", "conversion.tf1_hub", "and back"),
            ("conversion.tf1_hub", "tf1.builder", ""),
            ("tf1.exporters", "formats.tf1_hub_module", ""),
            ("tf1.builder", "formats.tf1_hub_module", ""),
            ("formats.tf1_hub_module", "another module", ""),
        ],
    ),
    "publish": Way(
        [
            [_outside("a model", "A folder, and a card.")],
            [
                Box("publish.rules", "What its files tell, rule by rule.", _LEFT),
                Box("publish.probe", "Runs it, in a process with limits.", _RIGHT),
            ],
            [Box("publish.check", "What users will stumble over.")],
            [Box("publish.pack_manifest", "All files, hashed as a whole and in blocks.")],
            [
                Box("publish.pack", "Files that any web server can serve.", _LEFT),
                Box("publish.push", "Sends what the hub lacks. Goes on after anything.", _RIGHT),
            ],
            [Box("server.api", "Who asks, and may they publish here?", _RIGHT)],
            [Box("server.uploads", "Keeps each block that comes, once its hash is right.")],
            [Box("server.commit", "Hashes whole files, writes the archive, then the record, if there is none.")],
            [
                Box("storage.folder", "A folder.", _LEFT),
                Box("storage.bucket", "S3, Google Cloud, Azure.", _RIGHT),
            ],
        ],
        [
            ("a model", "publish.rules", ""),
            ("a model", "publish.probe", ""),
            ("publish.rules", "publish.check", ""),
            ("publish.probe", "publish.check", ""),
            ("publish.check", "publish.pack_manifest", "no errors"),
            ("publish.pack_manifest", "publish.pack", ""),
            ("publish.pack_manifest", "publish.push", ""),
            ("publish.push", "server.api", "HTTP"),
            ("server.api", "server.uploads", "the manifest, then blocks"),
            ("server.uploads", "server.commit", "nothing is missing"),
            ("server.commit", "storage.folder", ""),
            ("server.commit", "storage.bucket", ""),
        ],
    ),
    "request": Way(
        [
            [_outside("a client", "A program, a publisher, a browser.")],
            [Box("server.bridge", "granian's requests as ASGI. Files are sent by the kernel, not by Python.")],
            [Box("server.watch", "Its id, who asks, how often, the access log, the metrics.")],
            [
                Box("server.api", "JSON: search, publishing.", (0, 0.26)),
                Box("server.routes", "The URL of a model: what is wanted, and may they see it?", (0.26, 1)),
            ],
            [
                Box("server.page_routes", "HTML by server.pages, without JavaScript.", (0.26, 0.652)),
                Box("server.delivery", "Archive, manifest, a file.", (0.652, 1)),
            ],
            [Box("server.library", "Which models and versions there are. It is read from the store.")],
            [
                Box("storage.folder", "What the hub knows lies here.", _LEFT),
                Box("storage.bucket", "Or here; servers come and go.", _RIGHT),
            ],
        ],
        [
            ("a client", "server.bridge", ""),
            ("server.bridge", "server.watch", ""),
            ("server.watch", "server.api", "/api/v1/"),
            ("server.watch", "server.routes", "all other paths"),
            ("server.routes", "server.page_routes", "people"),
            ("server.routes", "server.delivery", "programs"),
            ("server.api", "server.library", ""),
            ("server.page_routes", "server.library", ""),
            ("server.delivery", "server.library", ""),
            ("server.library", "storage.folder", ""),
            ("server.library", "storage.bucket", ""),
        ],
    ),
    "batch": Way(
        [
            [_outside("rehub run", "Files, a handle, a folder for the output.")],
            [Box("batch.prediction", "Makes the plan, without loading the model.")],
            [
                Box("batch.fragments", "The data, cut the same way each time.", _LEFT),
                Box("resolvers.chain", "The model: folder, lasting handle, hash.", _RIGHT),
            ],
            [Box("batch.journal", "Which parts are there? Are they of this model, these data, these options?")],
            [
                Box("batch.worker", "In this process.", _LEFT),
                Box("batch.cluster", "Actors of Ray, each with a batch.worker.", _RIGHT),
            ],
            [Box("batch.reading", "Rows of one fragment, in chunks.")],
            [Box("batch.predictor", "Batches by bytes. One that fails is halved, until the bad row is found.")],
            [Box("batch.part", "One Parquet file, whole or not at all. Rows that failed go beside it.")],
            [_outside("the output", "Parts, _rehub.json, and _SUCCESS in the end.")],
        ],
        [
            ("rehub run", "batch.prediction", ""),
            ("batch.prediction", "batch.fragments", ""),
            ("batch.prediction", "resolvers.chain", ""),
            ("batch.fragments", "batch.journal", ""),
            ("resolvers.chain", "batch.journal", ""),
            ("batch.journal", "batch.worker", "one worker"),
            ("batch.journal", "batch.cluster", "several"),
            ("batch.worker", "batch.reading", ""),
            ("batch.cluster", "batch.reading", ""),
            ("batch.reading", "batch.predictor", ""),
            ("batch.predictor", "batch.part", ""),
            ("batch.part", "the output", ""),
        ],
    ),
}


def draw(way: Way) -> str:
    """Returns a picture as SVG.

    Raises:
        ValueError: If a title does not fit, or an arrow would cross a box.
    """
    tops: dict[int, float] = {}
    top = 0.0
    for number, row in enumerate(way.rows):
        tops[number] = top
        top += max(box.height for box in row) + _ARROW
    height = top - _ARROW
    parts = [_box(box, tops[number], _row_height(row)) for number, row in enumerate(way.rows) for box in row]
    parts += [_arrow(way, tops, *arrow) for arrow in way.arrows]
    frame = f"{-_EDGE} {-_EDGE} {WIDTH + 2 * _EDGE} {height + 2 * _EDGE:g}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{frame}" width="{WIDTH + 2 * _EDGE}" '
            f'height="{height + 2 * _EDGE:g}" font-family="var(--md-text-font-family, system-ui, sans-serif)" '
            'font-size="12.5">',
            f'<rect x="{-_EDGE}" y="{-_EDGE}" width="100%" height="100%" fill="var(--way-paper, #fff)"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _row_height(row: Sequence[Box]) -> float:
    return max(box.height for box in row)


def _box(box: Box, top: float, height: float) -> str:
    dashes = ' stroke-dasharray="4 3"' if box.is_outside else ""
    fill = "none" if box.is_outside else "var(--way-box, #eef0fa)"
    x, y = box.left + _PADDING, top + _PADDING + 10
    lines = "".join(f'<tspan x="{x:g}" dy="{_LINE}">{escape(line)}</tspan>' for line in box.lines)
    return (
        f'<rect x="{box.left:g}" y="{top:g}" width="{box.right - box.left:g}" height="{height:g}" rx="4" fill="{fill}" '
        f'stroke="var(--way-line, #5c6bc0)"{dashes}/>\n'
        f'<text x="{x:g}" y="{y:g}" fill="var(--way-ink, #20222c)">'
        f'<tspan font-family="var(--md-code-font-family, ui-monospace, monospace)" font-size="11.5" font-weight="600">'
        f"{escape(box.title)}</tspan>{lines}</text>"
    )


def _arrow(way: Way, tops: Mapping[int, float], start: str, end: str, label: str) -> str:
    """Draws an arrow to the first box of that title below one of the other."""
    places = [(number, box) for number, row in enumerate(way.rows) for box in row]
    last = next(number for number, box in places if box.title == end and _reaches(places, start, number))
    begin, source = next(place for place in reversed(places) if place[1].title == start and place[0] < last)
    target = next(box for number, box in places if number == last and box.title == end)
    x = (max(source.left, target.left) + min(source.right, target.right)) / 2
    for number, box in places:
        if begin < number < last and box.left <= x <= box.right:
            raise ValueError(f"the arrow from {start!r} to {end!r} crosses {box.title!r}.")
    y1, y2 = tops[begin] + _row_height(way.rows[begin]), tops[last]
    line = f'<path d="M{x:g} {y1:g}V{y2 - 2:g}m-4 -6l4 6l4 -6" fill="none" stroke="var(--way-line, #5c6bc0)"/>'
    if not label:
        return line
    fits = x + 8 + len(label) * _TEXT_WIDTH < WIDTH
    side = f'x="{x + 8:g}"' if fits else f'x="{x - 8:g}" text-anchor="end"'
    return f'{line}\n<text {side} y="{y1 + 17:g}" fill="var(--way-ink, #20222c)">{escape(label)}</text>'


def _reaches(places: Sequence[tuple[int, Box]], start: str, row: int) -> bool:
    return any(number < row and box.title == start for number, box in places)


def main() -> None:
    """Writes all pictures."""
    FOLDER.mkdir(exist_ok=True)
    for name, way in WAYS.items():
        (FOLDER / f"{name}.svg").write_text(draw(way), encoding="utf-8")


if __name__ == "__main__":
    main()
