"""``rehub.batch.predict``: from a data set and a handle to what the model makes of all rows."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rehub import configuration
from rehub.batch.result import Prediction
from rehub.errors import DataError, DependencyError

if TYPE_CHECKING:
    from rehub.batch.plan import Plan
    from rehub.batch.worker import Summary

PART_ROWS = 16_384

_URL = re.compile("[A-Za-z][A-Za-z0-9+.-]+:/")  # of two slashes, a Path has one

_Advance = Callable[[int, int], object]


def predict(
    dataset_or_path: Any,
    handle: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    signature: str | None = None,
    output_key: str | Sequence[str] | None = None,
    column: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
    batch_size: int | None = None,
    image_size: tuple[int, int] | None = None,
    part_rows: int = PART_ROWS,
    workers: int | None = None,
    address: str | None = None,
) -> Any:
    """Runs a model on all rows of a data set.

    From files to files, the output is a folder of Parquet files with the columns of the input and one for each output
    of the model. Rows that fail are kept with their errors in its folder ``_failed``. The files name the handle and the
    sha256 of the model in their metadata. The same call again goes on where one was stopped.

    A ``ray.data.Dataset`` gives another one, lazily, with a column for each output of the model and ``error``, which is
    null in rows that did not fail.

    Args:
        dataset_or_path: A file, a folder, a pattern or several of these: Parquet, CSV with a heading, JSON lines,
            TFRecords of ``tf.train.Example``, or a folder of JPEG, PNG, GIF and BMP images. Or a ``ray.data.Dataset``.
        handle: A path or a URL, see `rehub.resolve`.
        output: The folder to write to; new, or one that the same call began. None for a ``ray.data.Dataset``.
        signature: The signature to call; None for the object itself, ``serving_default``, or the only one.
        output_key: The outputs to keep; None for ``default``, or else all.
        column: The column that the model takes; ``{input: column}`` for a model with several inputs. Numbers in several
            columns are one vector. None finds it.
        batch_size: The most rows at once; None for as many as 16 MiB of inputs, up to 1024.
        image_size: Height and width of images, for models that take all sizes.
        part_rows: The most rows of an output file.
        workers: How many copies of the model run at the same time. None for one on this machine, and on a cluster for
            one for each GPU, or else each machine.
        address: Of a Ray cluster, as ``HOST:PORT``; None for this machine.

    Returns:
        A `Prediction`; for a ``ray.data.Dataset``, another one.

    Raises:
        DataError: If the data cannot be read or do not fit the model, or the output is there already.
        SignatureError: If the model has no such signature or output.
        DependencyError: If pyarrow is missing, TensorFlow, or Ray where it is used.
        UsageError: If there is no cluster at the address.
        HubError: What `rehub.load` raises.
    """
    from rehub.batch.options import Options, columns_of

    for name, value in (("part_rows", part_rows), ("workers", workers)):
        if value is not None and value < 1:
            raise DataError(f"{name} is {value}.", hint="Pass at least 1.")
    keys = (output_key,) if isinstance(output_key, str) else tuple(output_key or ())
    options = Options(signature, keys, columns_of(column), batch_size, image_size)
    check_installed(ray=address is not None or (workers or 1) > 1)
    if not isinstance(dataset_or_path, (str, os.PathLike, list, tuple)):
        from rehub.batch import dataset

        return dataset.predict(dataset_or_path, os.fspath(handle), output, options, workers)
    if output is None:
        raise DataError("No output was named.", hint="Name the folder to write to.")
    plan = new_plan(dataset_or_path, handle, output, options, part_rows)
    return run(plan, workers, address)


def check_installed(*, ray: bool) -> None:
    """Raises a DependencyError if what this needs is not installed."""
    for package, is_needed in (("pyarrow", True), ("ray", ray)):
        if is_needed and importlib.util.find_spec(package) is None:
            raise DependencyError(
                f"Data are read and written by {package}, which is not installed."
                if package == "pyarrow"
                else "Several workers run on Ray, which is not installed.",
                hint="Run: pip install 'rehub[ray]'",
                package=package,
            )


def new_plan(
    paths: Any, handle: str | os.PathLike[str], output: str | os.PathLike[str], options: Any, part_rows: int
) -> Plan:
    """Finds the data and the model; arguments and exceptions as for `predict`."""
    from rehub.archive.fingerprint import fingerprint
    from rehub.batch import fragments, inputs, reading
    from rehub.batch.plan import Plan
    from rehub.cache.resolved import files_of
    from rehub.handle import Kind, parse
    from rehub.resolvers.chain import lasting, resolve

    if _URL.match(os.fspath(output)):
        raise DataError(
            f"'{output}' is not on this machine.",
            hint="Name a folder; or pass a ray.data.Dataset, which Ray writes to buckets: see docs/batch.md.",
            path=os.fspath(output),
        )
    found = inputs.find(paths)
    schema = reading.schema_of(found)
    pieces = fragments.split(found, part_rows)
    if not pieces:
        raise DataError(f"'{found.files[0]}' has no rows.", hint="See that it is the right file.", path=found.files[0])
    folder = resolve(handle)
    is_here = parse(folder).kind is Kind.PATH
    named = os.fspath(handle)
    lasting_handle = lasting(named, folder)
    return Plan(
        handle=lasting_handle if parse(named).kind is Kind.PATH else named,
        lasting_handle=lasting_handle,
        model_sha256=fingerprint(files_of(folder)) if is_here else "",
        options=options,
        inputs=found,
        fragments=pieces,
        part_rows=part_rows,
        schema=schema,
        output=Path(output).absolute(),
        settings=dataclasses.replace(configuration.current(), progress=None),
    )


def run(
    plan: Plan, workers: int | None, address: str | None, before_loading: Callable[[], object] = lambda: None
) -> Prediction:
    """Does what is planned, except what was done before.

    Args:
        plan: It.
        workers: As for `predict`.
        address: As for `predict`.
        before_loading: Called before this process loads the model.
    """
    from rehub.batch import journal
    from rehub.batch.part import counts

    with journal.alone(plan):
        done = journal.done(plan)
        todo = [fragment.number for fragment in plan.fragments if fragment.number not in done]
        earlier = [counts(plan.part(number)) for number in sorted(done)]
        rows, failed = (sum(each) for each in zip(*earlier, strict=True)) if earlier else (0, 0)
        if todo:
            journal.begin(plan)
            with _progress(plan, rows + failed) as advance:
                for summary in _summaries(plan, todo, workers, address, advance, before_loading):
                    rows, failed = rows + summary.rows, failed + summary.failed
        journal.finish(plan)
    return Prediction(
        output=plan.output,
        handle=plan.handle,
        model_sha256=plan.model_sha256,
        rows=rows,
        failed=failed,
        parts=len(plan.fragments),
        reused=len(done),
    )


def _summaries(
    plan: Plan,
    todo: Sequence[int],
    workers: int | None,
    address: str | None,
    advance: _Advance,
    before_loading: Callable[[], object],
) -> Iterator[Summary]:
    if address is not None or (workers or 1) > 1:
        from rehub.batch import cluster

        for summary in cluster.run(plan, todo, workers, address):
            advance(summary.rows + summary.failed, summary.failed)
            yield summary
    else:
        from rehub.batch.worker import Worker

        before_loading()
        worker = Worker(plan)
        advance(0, 0)
        for number in todo:
            yield worker.run(number, advance)


@contextlib.contextmanager
def _progress(plan: Plan, done_rows: int) -> Iterator[_Advance]:
    from rehub.resolvers import progress

    if not progress.is_wanted(configuration.current()):
        yield lambda rows, failed: None
        return
    counted = [fragment.rows for fragment in plan.fragments]
    total = None if None in counted else sum(count or 0 for count in counted)
    failures = 0
    with progress.new_bar(total=total, initial=done_rows, desc="rehub run", unit=" rows", unit_scale=True) as bar:

        def advance(count: int, failed: int) -> None:
            nonlocal failures
            if not count:  # the model is loaded: the time that this took is no time of rows
                bar.unpause()
            failures += failed
            if failed:
                bar.set_postfix_str(f"{failures} failed", refresh=False)
            bar.update(count)

        yield advance
