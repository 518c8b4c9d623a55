"""Rules about cards, and about the signatures that cards promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rehub.publish.check import check
from tests.publish_static import models

TEXTS = models.DATA / "saved_models" / "module"
IMAGES = models.MODULE
ENCODER_TYPES = ("input_mask", "input_type_ids", "input_word_ids")


def with_lines(*lines: str, body: str = "Text.") -> str:
    """The card of a good model with other values."""
    keys = {line.partition(":")[0] for line in lines}
    kept = [line for line in models.CARD.split("\n")[1:5] if line.partition(":")[0] not in keys]
    return "\n".join(["---", *kept, *lines, "---", body])


@pytest.mark.parametrize(
    ("code", "card"),
    [
        ("W601", ""),
        ("E602", "# A model\n"),
        ("E602", with_lines("license: [a, b]")),
        ("E603", with_lines("handle: Acme/net/1")),
        ("E603", with_lines("handle: acme")),
        ("E603", with_lines("kind: collection")),
        ("W604", with_lines("task: []")),
        ("W604", with_lines("license:")),
        ("W604", "# Module acme/net/1\nDoes something.\n<!-- license: mit -->\n"),
        ("W605", with_lines('description: "To be written: what it does."')),
        ("W605", with_lines(body="## Limits\n\n*To be written: what it cannot do.*")),
        ("E606", with_lines("format: hub")),
    ],
)
def test_check_finds_what_is_wrong_with_a_card(code: str, card: str, tmp_path: Path) -> None:
    (finding,) = check(models.copy(models.CALLABLE, tmp_path / "model", card=card), run=False).findings
    assert finding.code == code


@pytest.mark.parametrize(
    "card",
    [
        with_lines("format: saved_model_2", "fine-tunable: true", "handle: acme/net/1"),
        with_lines("fine-tunable: false", "title:", "handle: acme/images/net"),
        "# Module acme/net/1\nDoes something.\n<!-- task: regression -->\n<!-- license: mit -->\n",
    ],
)
def test_check_finds_nothing_in_a_good_card(card: str, tmp_path: Path) -> None:
    assert models.codes(models.copy(models.CALLABLE, tmp_path / "model", card=card)) == set()


def test_check_names_the_section_that_is_still_to_be_written(tmp_path: Path) -> None:
    card = with_lines(body="## Limits\nNone.\n## Citation\n*To be written: who.*")
    (finding,) = check(models.copy(models.CALLABLE, tmp_path / "model", card=card), run=False).findings
    assert finding.where == "Citation"


@pytest.mark.parametrize("name", ["no_variables", "keras2_exported"])
def test_check_finds_a_card_that_calls_a_model_fine_tunable_which_is_not(name: str, tmp_path: Path) -> None:
    source = models.DATA / "saved_models" / name
    good = models.copy(source, tmp_path / "good", card=with_lines("fine-tunable: false"))
    bad = models.copy(source, tmp_path / "bad", card=with_lines("fine-tunable: true"))
    assert models.codes(bad) - models.codes(good) == {"E607"}


@pytest.mark.parametrize(
    ("code", "task", "fitting", "other"),
    [
        ("E311", "text-embedding", TEXTS, models.CALLABLE),
        ("E311", "text-embedding", models.DATA / "tf1_hub" / "text_vocab", IMAGES),
        ("E312", "image-feature-vector", IMAGES, models.CALLABLE),
        ("E313", "image-classification", IMAGES, TEXTS),
    ],
)
def test_check_finds_a_task_whose_common_signature_the_model_lacks(
    code: str, task: str, fitting: Path, other: Path, tmp_path: Path
) -> None:
    card = with_lines(f"task: [regression, {task}]")
    plain = [models.codes(models.copy(each, tmp_path / each.name)) for each in (fitting, other)]
    claimed = [models.codes(models.copy(each, tmp_path / f"{each.name}2", card=card)) for each in (fitting, other)]
    assert [found - before for found, before in zip(claimed, plain, strict=True)] == [set(), {code}]


def nested(message: Any, name: str, number: int, rank: int) -> None:
    """Puts a tensor of any size into a ``StructuredValue`` that is a dict."""
    spec = message.dict_value.fields[name].tensor_spec_value
    spec.dtype = number
    for _ in range(rank):
        spec.shape.dim.add(size=-1)


def traced_with(inputs: dict[str, tuple[int, int]], outputs: dict[str, tuple[int, int]]) -> Any:
    """Changes the only trace of ``__call__``: dicts of dtypes (1 for float32, 3 for int32, 7 for texts) and ranks."""

    def change(graph: Any) -> None:
        trace = graph.object_graph_def.concrete_functions[models.body(graph).signature.name]
        arguments = trace.canonicalized_input_signature.tuple_value.values[0].tuple_value.values[0]
        for message, specs in ((arguments, inputs), (trace.output_signature, outputs)):
            message.Clear()
            for name, (number, rank) in specs.items():
                if name:
                    nested(message, name, number, rank)
                else:
                    message.tensor_spec_value.dtype = number
                    for _ in range(rank):
                        message.tensor_spec_value.shape.dim.add(size=-1)

    return change


ENCODED = dict.fromkeys(ENCODER_TYPES, (3, 2))
ENCODER_OUTPUTS = {"default": (1, 2), "pooled_output": (1, 2), "sequence_output": (1, 3)}


def test_check_knows_the_common_signatures_of_preprocessors_and_encoders(tmp_path: Path) -> None:
    preprocessor = traced_with({"": (7, 1)}, ENCODED)
    encoder = traced_with(ENCODED, ENCODER_OUTPUTS)
    found = {}
    for task in ("text-preprocessing", "text-encoder", "text-embedding"):
        for name, change in (("preprocessor", preprocessor), ("encoder", encoder)):
            folder = models.copy(models.CALLABLE, tmp_path / task / name, card=with_lines(f"task: {task}"))
            found[task, name] = models.codes(models.edit(folder, change))
    assert found == {
        ("text-preprocessing", "preprocessor"): {"W316"},
        ("text-preprocessing", "encoder"): {"E314", "W316"},
        ("text-encoder", "preprocessor"): {"E315"},
        ("text-encoder", "encoder"): set(),
        ("text-embedding", "preprocessor"): {"E311"},
        ("text-embedding", "encoder"): set(),
    }


def test_check_finds_nothing_in_a_preprocessor_with_its_helpers(tmp_path: Path) -> None:
    def change(graph: Any) -> None:
        traced_with({"": (7, 1)}, ENCODED)(graph)
        nodes = graph.object_graph_def.nodes
        call = next(child.node_id for child in nodes[0].children if child.local_name == "__call__")
        for name in ("tokenize", "bert_pack_inputs"):
            nodes[0].children.add(node_id=call, local_name=name)

    folder = models.copy(models.CALLABLE, tmp_path / "model", card=with_lines("task: text-preprocessing"))
    assert models.codes(models.edit(folder, change)) == set()


def test_check_finds_images_of_unknown_size(tmp_path: Path) -> None:
    def of_any_size(graph: Any) -> None:
        graph.collection_def["hub_module_attachments"].Clear()
        for signature in graph.signature_def.values():
            for tensor in signature.inputs.values():
                for axis in tensor.tensor_shape.dim[1:3]:
                    axis.size = -1

    card = with_lines("task: image-feature-vector")
    folder = models.copy(IMAGES, tmp_path / "model", card=card)
    assert models.codes(folder) == set()
    assert models.codes(models.edit(folder, of_any_size, every=True)) == {"W317"}
