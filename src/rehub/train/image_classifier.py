"""``rehub.train.image_classifier``: from a folder of images for each class to a classifier."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rehub.train import image_folder, job
from rehub.train.examples import Examples, listing
from rehub.train.recipe import Recipe
from rehub.train.result import Result
from rehub.train.trunk import Size, local_handle
from rehub.words import count


def image_classifier(
    data: str | os.PathLike[str],
    handle: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    validation: float | str | os.PathLike[str] = 0.2,
    fine_tune: bool = True,
    epochs: int | None = None,
    batch_size: int = 32,
    learning_rate: float | None = None,
    augment: bool = False,
    image_size: Size | None = None,
    seed: int = 0,
    signature: str | None = None,
    output_key: str | None = None,
    skip_broken: bool = False,
    tflite: bool = False,
    tell: Callable[[str], object] = print,
) -> Result:
    """Makes a classifier of a published model and images of one's own.

    A new last layer is trained on what the frozen model makes of the images; then both are fine-tuned together, at a
    low rate. The epoch with the least loss on the validation images is kept. A call that is interrupted goes on where
    it stopped when it is made again, and comes to the same result.

    Args:
        data: A folder with a folder of JPEG, PNG, GIF or BMP images for each class, named as the class.
        handle: A path or a URL of a model that makes vectors of images; see `rehub.resolve`.
        output: A folder that does not exist yet, or an empty one. ``OUTPUT.unfinished`` is beside it until all is done.
        validation: The share of the images that is kept to validate by; or another folder with the same classes.
        fine_tune: Whether the model is tuned, too; else the new last layer alone is trained.
        epochs: Of fine-tuning (None for 5), or, without that, of the last layer (None for 30).
        batch_size: Images of one step.
        learning_rate: The highest one, of fine-tuning, or, without that, of the last layer; None to choose it by the
            model.
        augment: Whether fine-tuning varies images: parts of them, mirrored, lighter or darker.
        image_size: Height and width that images are brought to; None for what the model takes.
        seed: Of all that is left to chance.
        signature: The signature of the model to use.
        output_key: The output of the model to use.
        skip_broken: Whether images that cannot be read are left out instead of ending all.
        tflite: Whether to write a file for LiteRT (TensorFlow Lite), too.
        tell: Is told what is done, a line at a time.

    Raises:
        TrainingError: If there are no two classes with two images each, or some images cannot be read.
        UsageError: If the output exists, is being made by another process, or was begun with other arguments.
        SignatureError: If the model does not take images, or makes no vectors of them.
        DependencyError: If TensorFlow or matplotlib is missing.
        HubError: What `rehub.resolve` raises, if the model cannot be had.
    """
    share = validation if isinstance(validation, (int, float)) else 0.2
    recipe = Recipe(
        fine_tune, epochs, batch_size, learning_rate, share, seed, augment, image_size, signature, output_key
    )
    job.check_output(Path(output))
    examples = _read(Path(data), tell)
    held_out = None if isinstance(validation, (int, float)) else _read(Path(validation), tell)
    return job.run(
        job.Job(
            kind="image",
            handle=local_handle(handle),
            output=Path(output),
            recipe=recipe,
            examples=examples,
            validation=held_out,
            contents=[size for each in (examples, held_out) if each for size in image_folder.sizes(each)],
            broken=image_folder.find_broken,
            skip_broken=skip_broken,
            tflite=tflite,
            arguments=_places(data, validation),
        ),
        tell,
    )


def _read(folder: Path, tell: Callable[[str], object]) -> Examples:
    examples, others = image_folder.read_folder(folder)
    if others:
        tell(f"Left out, as no images: {count(len(others), 'file')} in '{folder}', such as {listing(others[:1])}.")
    return examples


def _places(data: str | os.PathLike[str], validation: float | str | os.PathLike[str]) -> dict[str, Any]:
    held_out = validation if isinstance(validation, (int, float)) else str(Path(validation).resolve())
    return {"data": str(Path(data).resolve()), "validation": held_out}
