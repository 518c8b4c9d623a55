"""``rehub.train.text_classifier``: from a table of texts with labels to a classifier."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from rehub.train import job, text_table
from rehub.train.examples import Examples
from rehub.train.recipe import Recipe
from rehub.train.result import Result
from rehub.train.trunk import local_handle


def text_classifier(
    data: str | os.PathLike[str],
    handle: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    text_column: str = "text",
    label_column: str = "label",
    validation: float | str | os.PathLike[str] = 0.2,
    fine_tune: bool = True,
    epochs: int | None = None,
    batch_size: int = 32,
    learning_rate: float | None = None,
    seed: int = 0,
    signature: str | None = None,
    output_key: str | None = None,
    skip_broken: bool = False,
    tell: Callable[[str], object] = print,
) -> Result:
    """Makes a classifier of a published text embedding and texts of one's own.

    It is trained as by `rehub.train.image_classifier`, and goes on after an interrupt like that.

    Args:
        data: A ``.csv`` or ``.tsv`` file in UTF-8, with the names of the columns in its first line.
        handle: A path or a URL of a model that makes vectors of texts; see `rehub.resolve`.
        output: A folder that does not exist yet, or an empty one. ``OUTPUT.unfinished`` is beside it until all is done.
        text_column: The column of the texts.
        label_column: The column of the names of the classes.
        validation: The share of the texts that is kept to validate by; or another file with the same classes.
        fine_tune: Whether the model is tuned, too; else a new last layer alone is trained.
        epochs: Of fine-tuning (None for 5), or, without that, of the last layer (None for 30).
        batch_size: Texts of one step.
        learning_rate: The highest one, of fine-tuning, or, without that, of the last layer; None to choose it by the
            model.
        seed: Of all that is left to chance.
        signature: The signature of the model to use.
        output_key: The output of the model to use.
        skip_broken: Whether lines with empty texts are left out instead of ending all.
        tell: Is told what is done, a line at a time.

    Raises:
        TrainingError: If the file has no such columns, no two classes with two texts each, or empty texts.
        UsageError: If the output exists, is being made by another process, or was begun with other arguments.
        SignatureError: If the model does not take texts, or makes no vectors of them.
        DependencyError: If TensorFlow or matplotlib is missing.
        HubError: What `rehub.resolve` raises, if the model cannot be had.
    """
    is_share = isinstance(validation, (int, float))
    recipe = Recipe(
        fine_tune=fine_tune,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        validation=float(validation) if isinstance(validation, (int, float)) else 0.2,
        seed=seed,
        signature=signature,
        output_key=output_key,
    )
    job.check_output(Path(output))
    files = [Path(data)] if is_share else [Path(data), Path(validation)]  # type: ignore[arg-type]
    read = [text_table.read_table(file, text_column, label_column) for file in files]
    problems: dict[str, Mapping[str, str]] = {examples.source: broken for examples, broken in read}

    def find_broken(examples: Examples, advance: Callable[[int], object]) -> Mapping[str, str]:
        advance(len(examples))
        return problems[examples.source]

    return job.run(
        job.Job(
            kind="text",
            handle=local_handle(handle),
            output=Path(output),
            recipe=recipe,
            examples=read[0][0],
            validation=None if is_share else read[1][0],
            contents=[text for examples, _ in read for text in examples.inputs],
            broken=find_broken,
            skip_broken=skip_broken,
            tflite=False,
            arguments={
                "data": str(files[0].resolve()),
                "validation": validation if is_share else str(files[1].resolve()),
                "text_column": text_column,
                "label_column": label_column,
            },
        ),
        tell,
    )
