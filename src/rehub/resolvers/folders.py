"""Models that come as folders of files and not as archives: which files there are, how they come, what is noted."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

from rehub.archive.disk import sync_folder
from rehub.archive.fingerprint import fingerprint
from rehub.cache.failures import write_error
from rehub.configuration import Settings
from rehub.errors import FormatError, HubError
from rehub.file_names import FileNames, is_note
from rehub.formats.record import Record, brief
from rehub.handle import Handle, parse
from rehub.resolvers.download import check_whole
from rehub.resolvers.pin import check_pin
from rehub.resolvers.progress import Progress

_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt", "saved_model.cpb")
_SHOWN = 8
_ARCHIVES = (".tar", ".tar.gz", ".tgz")
_KERAS = (
    "Download it and load it with keras.saving.load_model, then export it: model.export(FOLDER) in Keras 3, "
    "model.save(FOLDER, save_format='tf') in Keras 2."
)
_OTHERS: Mapping[str, tuple[str, str]] = {
    ".keras": ("a Keras model", _KERAS),
    ".h5": ("a Keras model or weights in HDF5", _KERAS),
    ".hdf5": ("a Keras model or weights in HDF5", _KERAS),
    ".safetensors": ("weights without a graph (safetensors)", "Load it with the library that its card names."),
    ".bin": ("weights of PyTorch", "Load it with the library that its card names."),
    ".pt": ("a model of PyTorch", "Load it with PyTorch."),
    ".pth": ("a model of PyTorch", "Load it with PyTorch."),
    ".gguf": ("a model in GGUF", "Load it with llama.cpp or the library that its card names."),
    ".msgpack": ("weights of Flax", "Load it with Flax, and write a SavedModel with jax2tf."),
    ".onnx": ("an ONNX model", "Run it with ONNX Runtime; rehub reads SavedModels."),
    ".tflite": ("a TensorFlow Lite model", "Run it with an interpreter of LiteRT; rehub reads SavedModels."),
}


@dataclasses.dataclass(frozen=True)
class ListedFile:
    """A file of a model, as its source lists it.

    Attributes:
        name: In the model folder, with ``/``.
        size_bytes: Its size.
        digest: What the source says of its content, in whatever form; changes whenever that does.
    """

    name: str
    size_bytes: int
    digest: str


Get = Callable[[ListedFile, Path, Callable[[int], None]], str]
"""Called as ``get(file, path, add)`` on any thread: writes a file, calls ``add`` with the number of bytes that have
come, and returns the sha256 of the file."""


def check_listing(handle: Handle, files: Sequence[ListedFile]) -> None:
    """Refuses what is no model before anything of it is fetched.

    Raises:
        FormatError: If it holds no SavedModel, or names that some disk takes for something else.
    """
    names = FileNames(handle.asked, "Have it renamed, or fetch the folder by other means.")
    for file in files:
        names.add(file.name)
        if is_note(file.name):
            raise FormatError(
                f"{handle.asked} has a file {file.name!r}, a name that the cache keeps for itself.",
                hint="Tell the publisher.",
                member=file.name,
            )
    there = {file.name for file in files}
    if not there.intersection(_MODEL_FILES):
        what, hint = _explained(handle, sorted(there))
        raise FormatError(f"{handle.asked} is no TensorFlow model: it holds {what}.", hint=hint)


def state_of(files: Iterable[ListedFile]) -> str:
    """Returns a text that changes whenever one of the files does."""
    lines = sorted(f"{file.digest} {file.size_bytes} {file.name}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def fetch_files(handle: Handle, files: Sequence[ListedFile], folder: Path, get: Get, settings: Settings) -> Record:
    """Fetches files into an empty folder, several at a time, and verifies the model there.

    Args:
        handle: Whose model they are.
        files: The files.
        folder: Where they are put.
        get: Fetches one of them.
        settings: How many connections there may be, and whether and how progress is shown.

    Returns:
        The record of the model; its URL is the location of the handle.

    Raises:
        HubError: What ``get`` raises.
        ChecksumError: If they are not those of the pin.
        FormatError: If they are no whole model.
        CacheError: If the disk is full, or cannot be written.
    """
    total_bytes = sum(file.size_bytes for file in files)
    try:
        for place in {folder / file.name for file in files}:
            place.parent.mkdir(parents=True, exist_ok=True)
        with Progress(settings, handle.asked, total_bytes) as progress:
            digests = _all(files, folder, get, settings.connections, progress)
        for here, _, _ in os.walk(folder):
            sync_folder(Path(here))
        found = {file.name: ((folder / file.name).stat().st_size, digests[file.name]) for file in files}
    except OSError as error:
        if isinstance(error, HubError) or error.errno is None:  # the latter are of what fetches, not of the disk
            raise
        raise write_error(error, settings.cache_root, total_bytes) from error
    check_pin(handle, found)
    check_whole(handle, folder, found, settings.cache_root, is_archive=False)
    digest = fingerprint(found)
    return Record(handle.location, brief(handle.location), state_of(files), digest, total_bytes, found, time.time())


def write_hashed(path: Path, chunks: Iterable[bytes], add: Callable[[int], None]) -> str:
    """Writes a new file and puts it on the disk; returns its sha256.

    Raises:
        OSError: If it cannot be written.
    """
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
            add(len(chunk))
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


class _Stopped(Exception):  # noqa: N818 - says what happened
    """Another file could not be fetched."""


def _all(files: Sequence[ListedFile], folder: Path, get: Get, connections: int, progress: Progress) -> dict[str, str]:
    """Fetches all files, the largest first; when one fails, the others end with their next bytes."""
    is_over, counting = threading.Event(), threading.Lock()

    def add(count_bytes: int) -> None:
        if is_over.is_set():
            raise _Stopped
        with counting:
            progress.add(count_bytes)

    largest_first = sorted(files, key=lambda file: -file.size_bytes)
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(connections, "rehub-fetch"))
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        stack.callback(is_over.set)
        jobs = {file.name: pool.submit(get, file, folder / file.name, add) for file in largest_first}
        done, _ = wait(jobs.values(), return_when=FIRST_EXCEPTION)
        errors = [error for job in done if (error := job.exception()) is not None]
        if errors:
            raise next((error for error in errors if not isinstance(error, _Stopped)), errors[0])
        return {name: job.result() for name, job in jobs.items()}


def _explained(handle: Handle, names: Sequence[str]) -> tuple[str, str]:
    """Returns what a folder without a model holds, and what to do next."""
    inner = sorted({name.rpartition("/")[0] for name in names if name.rpartition("/")[2] in _MODEL_FILES})
    if inner:
        newest = max(inner, key=lambda folder: (_number(folder), folder))
        return f"models in folders ({_listed(inner)})", f"Name the folder of one: {handle.asked}/{newest}"
    archives = [name for name in names if name.endswith(_ARCHIVES)]
    if archives:
        return f"archives ({_listed(archives)})", f"Use the URL of one: {_file_url(handle, archives[0])}"
    for name in sorted(names, key=lambda name: name.count("/")):
        found = _OTHERS.get(Path(name).suffix.lower())
        if found is not None:
            return f"{found[0]} ({name})", found[1]
    if not names:
        return "nothing", "Check its spelling."
    return _listed(names), "Name the folder that holds saved_model.pb directly."


def _file_url(handle: Handle, name: str) -> str:
    repository = parse(handle.text).repository
    if repository is None:
        return f"{handle.asked}/{name}"
    folder = f"{repository.folder}/" if repository.folder else ""
    return f"https://huggingface.co/{repository.name}/resolve/{repository.revision}/{folder}{name}"


def _number(folder: str) -> int:
    last = folder.rpartition("/")[2]
    return int(last) if last.isdecimal() and len(last) < 20 else -1


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
