"""Modules that tensorflow_hub made become models that compute what they computed, with each signature as the call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

import rehub as hub
from tests.tf1 import lifted
from tests.tf1.measurement import assert_same_value
from tests.tf1.oracle import OracleModule, load_all

TOLERANCE = 5e-6
SIGNATURES = [
    pytest.param(module, signature, id=f"{module.path.name}-{signature}")
    for module in load_all()
    for signature in sorted(module.signatures[module.tags[0]])
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*had a gradient of its own")  # the file does not hold it
@pytest.mark.parametrize(("module", "signature"), SIGNATURES)
def test_signature_becomes_the_call(module: OracleModule, signature: str, tmp_path: Path) -> None:
    case = next(each for each in module.cases if (each.tags, each.signature) == (module.tags[0], signature))
    inputs = {name: lifted.to_tensor(value) for name, value in case.inputs.items()}
    done = hub.convert(module.path, tmp_path / "model", signature=signature, sample_inputs=inputs)
    assert done.difference is not None
    assert done.difference <= TOLERANCE
    reasons = filter(None, done.not_compared.split("; "))
    assert [each for each in reasons if "takes sparse or ragged tensors, and is not the one" not in each] == []

    model = tf.saved_model.load(str(tmp_path / "model"))
    output = model(next(iter(inputs.values())) if len(inputs) == 1 else inputs)
    assert_same_value(_value(output), _main(case.expected.outputs), TOLERANCE, signature)
    assert set(model.signatures) == set(module.signatures[module.tags[0]])


def _value(output: Any) -> Any:
    if isinstance(output, dict):
        return {name: lifted.to_value(each) for name, each in output.items()}
    return lifted.to_value(output)


def _main(outputs: Any) -> Any:
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs.get("default", outputs)
