"""The SavedModels that the layer is measured with."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measuring import Setting, run


def export(setting: Setting, keras_version: int, kind: str) -> Path:
    """Returns the folder of a Reusable SavedModel that this version of Keras exported, made on first use.

    Args:
        setting: Where it goes.
        keras_version: 2 or 3.
        kind: ``tiny``, or the name of a model of ``keras.applications``, which gets random weights;
            ``EfficientNetB0-saved`` and ``BERT-saved`` for what Keras 2 itself saves.
    """
    folder = setting.folder / f"{kind}-keras{keras_version}"
    if not folder.exists():
        command = [*setting.keras(keras_version), "-m", "benchmarks.contenders.exporting", kind, folder]
        run(command, legacy_keras=keras_version == 2)
    return folder
