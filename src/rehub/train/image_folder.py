"""Images in a folder for each class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rehub.errors import TrainingError
from rehub.runtime.tf_message import message_of
from rehub.runtime.tf_version import import_tensorflow
from rehub.train.examples import Examples, labelled, listing

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
"""What TensorFlow decodes."""

_THREADS = 4


def read_folder(folder: Path) -> tuple[Examples, list[str]]:
    """Finds images; they are not opened yet.

    Args:
        folder: Has a folder for each class, named as the class. Images may lie in folders below that, too. Names that
            begin with a dot are left out.

    Returns:
        The examples, and the names of other files.

    Raises:
        TrainingError: If there are none, or some class has none.
    """
    try:
        kinds = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
        files = {kind: sorted(_files(kind)) for kind in kinds}
        beside = [each for each in folder.iterdir() if each.suffix.lower() in SUFFIXES and each.is_file()]
    except OSError as error:
        raise TrainingError(
            f"'{folder}' cannot be read: {error.strerror}.",
            hint="Name a folder with a folder of images for each class.",
            path=str(folder),
        ) from error
    images = {kind: [file for file in found if file.suffix.lower() in SUFFIXES] for kind, found in files.items()}
    empty = [repr(kind.name) for kind, found in images.items() if not found]
    if not any(images.values()):
        loose = f", but {len(beside)} images that are in none" if beside else ""
        raise TrainingError(
            f"'{folder}' has no folder of images for each class{loose}.",
            hint=f"Put the images of each class into a folder of its own, named as the class: "
            f"{folder.name}/CLASS/IMAGE. They end in {', '.join(SUFFIXES)}.",
            path=str(folder),
        )
    if empty:
        raise TrainingError(
            f"Some classes in '{folder}' have no images: {listing(empty)}.",
            hint=f"Add images that end in {', '.join(SUFFIXES)}, or take these folders away.",
            path=str(folder),
        )
    pairs = [(file, kind.name) for kind, found in images.items() for file in found]
    others = [str(file.relative_to(folder)) for found in files.values() for file in found]
    names = [file.relative_to(folder).as_posix() for file, _ in pairs]
    examples = labelled(str(folder), [str(file) for file, _ in pairs], names, [name for _, name in pairs])
    return examples, [name for name in others if Path(name).suffix.lower() not in SUFFIXES]


def _files(kind: Path) -> Iterator[Path]:
    for file in kind.rglob("*"):
        is_hidden = any(part.startswith(".") for part in file.relative_to(kind).parts)
        if not is_hidden and file.is_file():
            yield file


def sizes(examples: Examples) -> list[str]:
    """Returns the size of each file in bytes, as a text."""
    return [str(Path(file).stat().st_size) for file in examples.inputs]


def find_broken(examples: Examples, advance: Callable[[int], object]) -> dict[str, str]:
    """Opens all images.

    Args:
        examples: Those of a folder.
        advance: Is told of each image.

    Returns:
        What is wrong, by the name of the file.
    """
    broken = {}
    pool = ThreadPoolExecutor(_THREADS)
    try:
        for place, problem in zip(examples.places, pool.map(_problem, examples.inputs), strict=True):
            advance(1)
            if problem:
                broken[place] = problem
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupt does not wait for the other images
    return broken


def _problem(file: str) -> str:
    tf = import_tensorflow()
    try:
        shape = tf.io.decode_image(Path(file).read_bytes(), channels=3, expand_animations=False).shape
    except OSError as error:
        return error.strerror or str(error)
    except (tf.errors.OpError, ValueError) as error:
        return message_of(error)
    return "" if all(shape) else "it has no pixels"
