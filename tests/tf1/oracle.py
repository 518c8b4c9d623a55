"""Modules made by tensorflow_hub and what they computed, as files: ``manifest.json`` and one ``.npz`` per module."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tests.tf1.measurement import LEARNING_RATE, Measurement, assert_same

v1 = tf.compat.v1

ROOMS = tuple(Path(__file__).parents[1] / "data" / room for room in ("tf1_hub", "tf1_kinds"))


@dataclasses.dataclass(frozen=True)
class OracleCase:
    """One application of a module.

    Attributes:
        inputs: Arrays, ``SparseTensorValue`` or ``RaggedTensorValue``.
        expected: What came of it.
        updates_fail: Whether its update ops need inputs that the signature does not have: tensorflow_hub adds them
            all the same, and running them fails.
    """

    tags: frozenset[str]
    signature: str
    inputs: Mapping[str, Any]
    expected: Measurement
    updates_fail: bool = False

    def assert_met_by(self, actual: Measurement, tolerance: float) -> None:
        """Update ops that cannot run are not to be there; what training gives without them is not known."""
        expected = self.expected
        if self.updates_fail:
            expected = dataclasses.replace(expected, update_ops=0)
            actual = dataclasses.replace(actual, sgd_losses=(), trained=None)
        assert_same(actual, expected, tolerance)


@dataclasses.dataclass(frozen=True)
class OracleModule:
    """A module and all that was seen of it; the first variant is the one without tags, and sets without order."""

    path: Path
    variable_map: Mapping[str, Any]
    tags: tuple[frozenset[str], ...]
    signatures: Mapping[frozenset[str], Mapping[str, Mapping[str, Mapping[str, str]]]]
    attachments: Mapping[frozenset[str], Mapping[str, bytes]]
    cases: tuple[OracleCase, ...] = ()


def load_all() -> list[OracleModule]:
    """All modules of both rooms."""
    return [module for room in ROOMS for module in load(room)]


def load(room: Path) -> list[OracleModule]:
    """The modules of a folder."""
    manifest = json.loads((room / "manifest.json").read_text())
    return [_module(room / name, entry) for name, entry in manifest["modules"].items()]


def _module(path: Path, entry: Any) -> OracleModule:
    arrays = dict(np.load(path.with_suffix(".npz"), allow_pickle=False))
    return OracleModule(
        path=path,
        variable_map=entry["variable_map"],
        tags=tuple(map(frozenset, entry["tags"])),
        signatures={_tags(key): signatures for key, signatures in entry["signatures"].items()},
        attachments={
            _tags(key): {name: bytes.fromhex(data) for name, data in messages.items()}
            for key, messages in entry["attachments"].items()
        },
        cases=tuple(_case(case, arrays) for case in entry["cases"]),
    )


def _tags(key: str) -> frozenset[str]:
    return frozenset(filter(None, key.split(",")))


def _case(case: Any, arrays: Mapping[str, Any]) -> OracleCase:
    def values(part: str, default: Any = None) -> Any:
        named = case.get(part)
        return default if named is None else {name: _value(item, arrays) for name, item in named.items() if item}

    variables, outputs = values("variables"), values("outputs")
    return OracleCase(
        tags=frozenset(case["tags"]),
        signature=case["signature"],
        inputs=values("inputs"),
        updates_fail="update_error" in case,
        expected=Measurement(
            variables=variables,
            trainable=frozenset(case["trainable"]),
            outputs=outputs,
            outputs_again=values("outputs_again", outputs),
            variables_after=values("vars_after_outputs", variables),
            gradients=values("grads", {}),
            losses=tuple(_value(item, arrays) for item in case["reg_losses"]),
            update_ops=case["n_update_ops"],
            updated=values("vars_after_update"),
            sgd_losses=tuple(map(np.float32, case.get("sgd_losses", ()))),
            trained=values("vars_after_sgd"),
        ),
    )


def _value(item: Any, arrays: Mapping[str, Any]) -> Any:
    key = item["key"]
    if item["kind"] == "sparse":
        return v1.SparseTensorValue(*(arrays[f"{key}.{part}"] for part in ("indices", "values", "dense_shape")))
    if item["kind"] == "ragged":
        return v1.ragged.RaggedTensorValue(*(arrays[f"{key}.{part}"] for part in ("values", "row_splits")))
    return arrays[key]


def save(room: Path, modules: Iterable[OracleModule], made_by: Mapping[str, str]) -> None:
    """Writes the manifest of a folder, and the arrays beside the modules."""
    entries = {}
    for module in modules:
        arrays: dict[str, Any] = {}
        entries[module.path.name] = {
            "variable_map": module.variable_map,
            "tags": [sorted(tags) for tags in module.tags],
            "signatures": {",".join(sorted(tags)): signatures for tags, signatures in module.signatures.items()},
            "attachments": {
                ",".join(sorted(tags)): {name: data.hex() for name, data in messages.items()}
                for tags, messages in module.attachments.items()
            },
            "cases": [_case_entry(case, f"c{number}", arrays) for number, case in enumerate(module.cases)],
        }
        np.savez_compressed(module.path.with_suffix(".npz"), **arrays)
    (room / "manifest.json").write_text(json.dumps({**made_by, "modules": entries}, indent=1) + "\n")


def _case_entry(case: OracleCase, prefix: str, arrays: dict[str, Any]) -> dict[str, Any]:
    def items(part: str, named: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _item(f"{prefix}.{part}.{name}", value, arrays) for name, value in named.items()}

    expected = case.expected
    entry = {
        "tags": sorted(case.tags),
        "signature": case.signature,
        "inputs": items("in", case.inputs),
        "variables": items("var0", expected.variables),
        "trainable": sorted(expected.trainable),
        "outputs": items("out", expected.outputs),
        "outputs_again": items("out2", expected.outputs_again),
        "vars_after_outputs": items("var1", expected.variables_after),
        "grads": items("grad", expected.gradients),
        "reg_losses": [_item(f"{prefix}.reg.{n}", value, arrays) for n, value in enumerate(expected.losses)],
        "n_update_ops": expected.update_ops,
    }
    if expected.updated is not None:
        entry["vars_after_update"] = items("upd", expected.updated)
    elif expected.update_ops:
        entry["update_error"] = ""
    if expected.trained is not None:
        entry["sgd_lr"] = LEARNING_RATE
        entry["sgd_losses"] = [float(loss) for loss in expected.sgd_losses]
        entry["vars_after_sgd"] = items("sgd", expected.trained)
    return entry


def _item(key: str, value: Any, arrays: dict[str, Any]) -> dict[str, str]:
    kind, parts = "dense", {key: value}
    if isinstance(value, v1.SparseTensorValue):
        kind, parts = "sparse", {f"{key}.{part}": getattr(value, part) for part in value._fields}
    elif isinstance(value, v1.ragged.RaggedTensorValue):
        kind, parts = "ragged", {f"{key}.values": value.values, f"{key}.row_splits": value.row_splits}
    for name, array in parts.items():
        array = np.asarray(array)
        arrays[name] = array.astype(np.bytes_) if array.dtype == object else array
    return {"kind": kind, "key": key}
