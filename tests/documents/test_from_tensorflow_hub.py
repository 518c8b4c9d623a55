"""The table of docs/from_tensorflow_hub.md names all that tensorflow_hub had, and rehub has all that it names."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rehub as hub

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "from_tensorflow_hub.md").read_text(encoding="utf-8")

# Name: the first and the last release of tensorflow_hub whose package has it. Source: the wheels of 0.1.0 to 0.16.1.
RELEASES = {
    "ImageModuleInfo": ("0.2", "0.15"),
    "KerasLayer": ("0.3", "0.16"),
    "LatestModuleExporter": ("0.1", "0.15"),
    "Module": ("0.1", "0.15"),
    "ModuleSpec": ("0.1", "0.15"),
    "__version__": ("0.1", "0.16"),
    "add_signature": ("0.1", "0.15"),
    "attach_image_module_info": ("0.2", "0.15"),
    "attach_message": ("0.2", "0.15"),
    "create_module_spec": ("0.1", "0.15"),
    "create_module_spec_from_saved_model": ("0.2", "0.15"),
    "eval_function_for_module": ("0.2", "0.15"),
    "get_expected_image_size": ("0.1", "0.15"),
    "get_num_image_channels": ("0.1", "0.15"),
    "image_embedding_column": ("0.1", "0.15"),
    "load": ("0.3", "0.16"),
    "load_module_spec": ("0.1", "0.15"),
    "register_module_for_export": ("0.1", "0.15"),
    "resolve": ("0.3", "0.16"),
    "sparse_text_embedding_column": ("0.5", "0.15"),
    "text_embedding_column": ("0.1", "0.15"),
    "text_embedding_column_v2": ("0.8", "0.15"),
}
# What came when. Source: as above.
METHODS = {
    "KerasLayer": {
        "0.3": ["call"],
        "0.4": ["get_config"],
        "0.7": ["resolved_object"],
        "0.12": ["compute_output_shape"],
    },
    "LatestModuleExporter": {"0.1": ["export", "name"]},
    "Module": {
        "0.1": ["export", "get_input_info_dict", "get_output_info_dict", "get_signature_names", "variable_map"],
        "0.2": ["get_attached_message", "variables"],
    },
    "ModuleSpec": {
        "0.1": ["get_input_info_dict", "get_output_info_dict", "get_signature_names", "get_tags"],
        "0.2": ["export", "get_attached_message"],
    },
}
LATER_PARAMETERS = {
    "KerasLayer": {
        "0.3": ["handle", "trainable", "arguments"],
        "0.7": ["tags", "signature", "signature_outputs_as_dict", "output_key", "output_shape"],
        "0.9": ["load_options"],
    },
    "image_embedding_column": {"0.1": ["key", "module_spec"], "0.9": ["image_size"]},
    "load": {"0.3": ["handle"], "0.5": ["tags"], "0.9": ["options"]},
}
# The parameters in the last release that had the name; those with defaults stand behind the "|".
PARAMETERS = {
    "KerasLayer": "handle | trainable=False arguments=None _sentinel=None tags=None signature=None "
    "signature_outputs_as_dict=None output_key=None output_shape=None load_options=None",
    "KerasLayer.call": "inputs | training=None",
    "KerasLayer.compute_output_shape": "input_shape |",
    "KerasLayer.get_config": "|",
    "LatestModuleExporter": "name serving_input_fn | exports_to_keep=5",
    "LatestModuleExporter.export": "estimator export_path | checkpoint_path=None eval_result=None "
    "is_the_final_export=None",
    "Module": "spec | trainable=False name='module' tags=None",
    "Module.__call__": "| inputs=None _sentinel=None signature=None as_dict=None",
    "Module.export": "path session |",
    "Module.get_attached_message": "key message_type | required=False",
    "Module.get_input_info_dict": "| signature=None",
    "Module.get_output_info_dict": "| signature=None",
    "Module.get_signature_names": "|",
    "ModuleSpec.export": "path | _sentinel=None checkpoint_path=None name_transform_fn=None",
    "ModuleSpec.get_attached_message": "key message_type | tags=None required=False",
    "ModuleSpec.get_input_info_dict": "| signature=None tags=None",
    "ModuleSpec.get_output_info_dict": "| signature=None tags=None",
    "ModuleSpec.get_signature_names": "| tags=None",
    "ModuleSpec.get_tags": "|",
    "add_signature": "| name=None inputs=None outputs=None",
    "attach_image_module_info": "image_module_info |",
    "attach_message": "key message |",
    "create_module_spec": "module_fn | tags_and_args=None drop_collections=None",
    "create_module_spec_from_saved_model": "saved_model_path | drop_collections=None",
    "eval_function_for_module": "spec | tags=None",
    "get_expected_image_size": "module_or_spec | signature=None input_name=None",
    "get_num_image_channels": "module_or_spec | signature=None input_name=None",
    "image_embedding_column": "key module_spec | image_size=None",
    "load": "handle | tags=None options=None",
    "load_module_spec": "path |",
    "register_module_for_export": "module export_name |",
    "resolve": "handle |",
    "sparse_text_embedding_column": "key module_spec combiner default_value | trainable=False",
    "text_embedding_column": "key module_spec | trainable=False",
    "text_embedding_column_v2": "key module_path | output_key=None trainable=False",
}
# Where Keras and Estimators wrap the constructor, Python cannot tell its parameters.
UNREADABLE = {"KerasLayer", "LatestModuleExporter"}
NAMES_OF_016 = "import json, tensorflow_hub as hub; print(json.dumps([n for n in dir(hub) if n in {names!r}]))"
PARAMETERS_OF_015 = """
import functools, inspect, json
import tensorflow_hub as hub

def parameters(name):
    value = functools.reduce(getattr, name.split("."), hub)
    value = value.__init__ if inspect.isclass(value) else value
    found = [each for each in inspect.signature(value).parameters.values() if each.name != "self"]
    needed = [each.name for each in found if each.default is each.empty]
    optional = [f"{{each.name}}={{each.default!r}}" for each in found if each.default is not each.empty]
    return " ".join([*needed, "|", *optional])

print(json.dumps(dict(names=hub.__all__, parameters=dict((name, parameters(name)) for name in {names!r}))))
"""


def _table() -> dict[str, tuple[str, str, str]]:
    """Name: first release, last release, what became of it."""
    rows = re.findall(r"^\| `(\w+)` \| (0\.\d+) to (0\.\d+) \| (\w+) \|", TEXT, flags=re.MULTILINE)
    return {name: (first, last, outcome) for name, first, last, outcome in rows}


def _by_release(heading: str) -> dict[str, dict[str, list[str]]]:
    """The table below a heading: what a name got in which release."""
    section = re.split(r"^## ", TEXT.partition(f"## {heading}\n")[2], flags=re.MULTILINE)[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", section, flags=re.MULTILINE)
    return {
        name: {release: re.findall(r"`(\w+)`", text) for text, release in re.findall(r"([^\d]+) (0\.\d+)", cell)}
        for name, cell in rows
    }


def _rehubs_parameters(name: str) -> str:
    owner, _, method = name.partition(".")
    value: Any = getattr(hub, owner)
    if method or inspect.isclass(value):
        value = getattr(value, method or "__init__")
    found = [each for each in inspect.signature(value).parameters.values() if each.name != "self"]
    found = [each for each in found if each.kind is each.POSITIONAL_OR_KEYWORD]
    needed = [each.name for each in found if each.default is each.empty]
    optional = [f"{each.name}={each.default!r}" for each in found if each.default is not each.empty]
    return " ".join([*needed, "|", *optional])


def _run(python: str, code: str) -> Any:
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=300, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_table_has_every_name_with_its_releases() -> None:
    assert {name: row[:2] for name, row in _table().items()} == RELEASES


def test_table_says_of_every_name_what_became_of_it() -> None:
    assert {outcome for _, _, outcome in _table().values()} <= {"same", "more", "changed"}


@pytest.mark.parametrize("name", RELEASES)
def test_rehub_has_every_name(name: str) -> None:
    assert name in hub.__all__
    assert getattr(hub, name) is not None


def test_table_has_the_methods_with_their_releases() -> None:
    assert _by_release("Methods and properties") == METHODS


@pytest.mark.parametrize(
    ("owner", "method"),
    [(owner, method) for owner, came in METHODS.items() for each in came.values() for method in each],
)
def test_rehub_has_every_method(owner: str, method: str) -> None:
    assert hasattr(getattr(hub, owner), method)


def test_table_has_the_parameters_with_their_releases() -> None:
    assert _by_release("When a parameter came") == LATER_PARAMETERS


@pytest.mark.parametrize("name", PARAMETERS)
def test_rehub_takes_the_parameters_in_their_order(name: str) -> None:
    assert _rehubs_parameters(name) == PARAMETERS[name]


@pytest.mark.parametrize(("name", "outcome"), [(name, row[2]) for name, row in _table().items() if name in PARAMETERS])
def test_table_tells_names_with_new_parameters(name: str, outcome: str) -> None:
    value: Any = getattr(hub, name)
    value = value.__init__ if inspect.isclass(value) else value
    new = [each.name for each in inspect.signature(value).parameters.values() if each.kind is each.KEYWORD_ONLY]

    assert bool(new) == (outcome == "more")
    (row,) = re.findall(rf"^\| `{name}` .*0\.\d+ to .*$", TEXT, flags=re.MULTILINE)
    assert [each for each in new if f"`{each}`" not in row] == []


def test_names_of_016_are_those_of_the_table(peer_python: Path) -> None:
    names = _run(str(peer_python), NAMES_OF_016.format(names=sorted(RELEASES)))

    assert names == sorted(name for name, (_, last, _) in _table().items() if last == "0.16")


@pytest.mark.parametrize("page", ["from_tensorflow_hub.md", "from_tensorflow_hub.pt.md"])
def test_example_prints_what_its_comments_say(page: str) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, page, "exec"), {})

    assert printed.getvalue().splitlines() == re.findall(r"^print\(.*\)  # (.*)$", code, flags=re.MULTILINE)


if importlib.util.find_spec("tensorflow_hub"):

    def test_names_and_parameters_of_015_are_those_of_the_table() -> None:
        found = _run(sys.executable, PARAMETERS_OF_015.format(names=[*PARAMETERS.keys() - UNREADABLE]))

        assert set(found["names"]) - {"__version__"} <= RELEASES.keys()
        assert found["parameters"] == {name: text for name, text in PARAMETERS.items() if name not in UNREADABLE}
