"""Makes the modules of ``tests/data/tf1_kinds``, and what tensorflow_hub computes with them.

    PYTHONPATH=. python scripts/export_tf1_hub_modules.py tests/data/tf1_kinds

Needs the environment ``tf-2.15``, where tensorflow_hub 0.15.0 exports and applies what ``tests/tf1/modules.py`` builds.
What it cannot differentiate is measured in a plain graph.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_hub as hub

from tests.tf1 import applications, modules, oracle
from tests.tf1.measurement import Measurement, measure


def main() -> None:
    """Writes the folder that is named on the command line anew."""
    room = Path(sys.argv[1])
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(parents=True)
    made_by = {"tf": tf.__version__, "hub": hub.__version__, "numpy": np.__version__}
    oracle.save(room, [make(kind, room / kind.name) for kind in modules.KINDS], made_by)


def make(kind: modules.Kind, path: Path) -> oracle.OracleModule:
    """Exports a module and measures its cases."""
    with tempfile.TemporaryDirectory() as texts:
        modules.export(hub, kind.create_spec(hub, Path(texts)), path)
        results = [measured(kind, path, case, Path(texts)) for case in kind.cases]
    spec = hub.load_module_spec(str(path))
    tag_sets = sorted(map(frozenset, spec.get_tags()), key=sorted)
    with tf.Graph().as_default():
        variable_map = hub.Module(spec).variable_map
    return oracle.OracleModule(
        path=path,
        variable_map={name: names_of(variable) for name, variable in variable_map.items()},
        tags=tuple(tag_sets),
        signatures={
            tags: {name: infos(spec, name, tags) for name in spec.get_signature_names(tags)} for tags in tag_sets
        },
        attachments={tags: {} for tags in tag_sets},
        cases=tuple(
            oracle.OracleCase(case.tags, case.signature, case.inputs, result)
            for case, result in zip(kind.cases, results, strict=True)
        ),
    )


def measured(kind: modules.Kind, path: Path, case: modules.Case, texts: Path) -> Measurement:
    """What tensorflow_hub gets from the export; or a plain graph, if it cannot train the module."""
    if kind.peer_trains:
        return measure(lambda: applications.of_module(hub, path, case.inputs, case.signature, case.tags))
    return modules.measure_plain(kind, case, texts)


def names_of(variable: Any) -> Any:
    """The name of a variable's op, or those of its parts."""
    return [part.op.name for part in variable] if isinstance(variable, list) else variable.op.name


def infos(spec: Any, signature: str, tags: frozenset[str]) -> dict[str, dict[str, str]]:
    """The inputs and outputs of a signature, as tensorflow_hub prints them."""
    inputs, outputs = spec.get_input_info_dict(signature, tags), spec.get_output_info_dict(signature, tags)
    return {
        "inputs": {name: repr(info) for name, info in inputs.items()},
        "outputs": {name: repr(info) for name, info in outputs.items()},
    }


if __name__ == "__main__":
    main()
