"""The models of the hub whose pages are looked at, published as publishers do."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import rehub
from rehub.formats import schema
from rehub.publish.push import push
from rehub.server.library import Library
from rehub.server.publishers import Collection, set_collection, set_publisher
from rehub.server.removal import remove
from rehub.storage.folder import FolderStore
from tests import sample
from tests.server.published import DATA, card_text, put_plain

DEMO = Path(rehub.__file__).parent / "demo" / "hub" / "rehub" / "face-features" / "1"

HOSTILE = """Harmless text.

<script>window.hacked = 1</script>
<img src=x onerror="window.hacked = 2"> <svg onload="window.hacked = 3"></svg>
<iframe srcdoc="<script>parent.hacked = 4</script>"></iframe>
<a href="javascript:window.hacked = 5">A link</a> [Another](javascript:window.hacked=6)
<style>body { display: none }</style><form action="/"><input name="q"></form>

![A curve](https://elsewhere.invalid/curve.png)
"""

SENTENCES = """# Small sentence encoder

It turns **words** into vectors, for search and for grouping. See [its paper](https://paper.invalid/encoder).

## How it was made
The vectors of {data} were trained for a day on one machine.

```python
import rehub as hub

encoder = hub.load("https://hub.example.com/acme/sentences")
print(encoder(["one", "two"]).shape)  # (2, 2)
```

| data | languages | sentences |
| --- | --- | ---: |
| Wikipedia | 2 | 120,000,000 |
| Tatoeba | 2 | 3,000,000 |

### Limits
- It knows four words.
- It has the *biases* of its data.

> Not for decisions about people.
"""


def fill(root: Path, url: str, token: str, scratch: Path) -> None:
    """Publishes all models on a hub, which serves this folder."""

    def publish(name: str, model: Path | str, card: str, files: Mapping[str, bytes]) -> None:
        folder = scratch / name.replace("/", "-")
        shutil.copytree(DATA / model, folder)
        sample.write(folder, {**files, "card.md": card.encode()})
        with rehub.settings(token=token, token_host=url, show_progress=False):
            push(folder, name, to=url)
        shutil.rmtree(folder)

    for data, words in (("Wikipedia", b"one\ntwo\nthree\n"), ("Wikipedia and Tatoeba", b"one\ntwo\nfour\n")):
        title = "Small sentence encoder"
        line = "Short texts as vectors, for search and grouping."
        card = _card(
            title,
            line,
            "text-embedding",
            language="[en, de]",
            dataset="wikipedia",
            network_architecture="transformer",
            license="apache-2.0",
        )
        publish(
            "acme/sentences", "saved_models/module", card + SENTENCES.format(data=data), {"assets/words.txt": words}
        )
    card = _card("Face features", "Vectors of faces, for telling people apart.", "image-feature-vector", license="mit")
    publish("acme/vision/faces", DEMO, card + "Trained on photographs in the public domain.", {})
    card = _card("Four kinds of things", "Tells squares, circles and more apart.", "image-classification")
    publish("google/shapes", "tf1_hub/image", card, {"assets/labels.txt": b"square\ncircle\ntriangle\nstar\n"})
    card = _card("", "Reads a table of three columns.", "tabular-regression", language="no")
    publish("acme/tables", "saved_models/keras2", card, {"model.tflite": bytes(12_000_000)})
    publish("google/hostile", "tf1_hub/rich", _card("<script>window.hacked = 7</script>", "<b>Bold</b>") + HOSTILE, {})
    publish("acme/withdrawn", "saved_models/no_variables", _card("Withdrawn", "It was here."), {})
    publish("hidden/secret", "saved_models/module", _card("Secret", "For us alone."), {})
    put_plain(root, "legacy/churn/3", "saved_models/estimator")
    read_a_file(put_plain(root, "legacy/reader/1", "saved_models/no_variables"))
    store = FolderStore(root)
    remove(Library(store), "acme/withdrawn", 1, "Trained on data without a licence.")
    set_publisher(
        store, "acme", title="Acme research", description="Models of the **Acme** team, for texts and tables."
    )
    set_publisher(store, "hidden", is_private=True)
    models = ("acme/sentences", "acme/vision/faces", "google/shapes", "hidden/secret")
    set_collection(store, Collection("acme", "first", "For a start", "Good *first* models.", models))


def _card(title: str, description: str, task: str = "", **values: str) -> str:
    named: Mapping[str, str] = {"title": f'"{title}"', "description": f'"{description}"', "task": task, **values}
    return card_text("", **{key: value for key, value in named.items() if value not in ("", '""')})


def read_a_file(folder: Path) -> None:
    """Adds an op to a model that reads a file."""
    path = folder / "saved_model.pb"
    model = schema.parse("tensorflow.SavedModel", path.read_bytes())
    model.meta_graphs[0].graph_def.node.add(name="read", op="ReadFile")
    path.write_bytes(model.SerializeToString())
