"""Workers on Ray Data: a pool of actors, each with a model, that take fragments until all are done."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rehub.batch.plan import Plan
from rehub.batch.ray_session import ray_session
from rehub.batch.worker import Summary, Worker
from rehub.errors import DataError, HubError

_MOST_BLOCKS = 2_000


def run(plan: Plan, todo: Sequence[int], workers: int | None, address: str | None) -> Iterator[Summary]:
    """Runs fragments on workers; those of a worker that is lost are run again by others.

    Args:
        plan: What is done.
        todo: The numbers of the fragments.
        workers: How many; None for one for each GPU or machine.
        address: Of the cluster; None for this machine.

    Raises:
        HubError: What `Worker` raises.
    """
    with ray_session(address, workers or 1) as ray:
        pool = pool_options(ray, workers, most=len(todo), spare_cpus=0)
        blocks = min(len(todo), _MOST_BLOCKS)
        rows = ray.data.from_items([{"number": number} for number in todo], override_num_blocks=blocks).map_batches(
            FragmentRunner, fn_constructor_args=(plan, pool["num_cpus"]), batch_size=1, **pool
        )
        for row in rows.iter_rows():
            if row["error"]:
                raise pickle.loads(row["error"])  # noqa: S301 - our own worker wrote it
            yield Summary(row["rows"], row["failed"])


def pool_options(ray: Any, workers: int | None, most: int | None, spare_cpus: int) -> dict[str, Any]:
    """Returns how many actors ``map_batches`` starts, and how much of a machine each gets.

    Args:
        ray: Connected.
        workers: How many are wanted; None for one for each GPU or machine.
        most: How many there is work for; None where that is not known.
        spare_cpus: Of each machine, for other steps of the data set: these would wait for ever for the actors' CPUs.
    """
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    if not machines:
        raise DataError(
            "The Ray cluster has no machine with CPUs.", hint="Start one by 'ray start --address HOST:PORT'."
        )
    gpus = int(sum(machine.get("GPU", 0) for machine in machines))
    count = workers or gpus or len(machines)
    count = count if most is None else min(count, most)
    cpus_of_one = max(0.0, min(machine["CPU"] for machine in machines) - spare_cpus)
    each = cpus_of_one / -(-count // len(machines))
    cpus = float(int(each)) if each >= 1 else int(each * 1000) / 1000
    return {
        "compute": ray.data.ActorPoolStrategy(size=count, max_tasks_in_flight_per_actor=2),
        "num_cpus": cpus,
        "num_gpus": min(1, gpus / count) if gpus else None,
    }


class FragmentRunner:
    """What Ray runs: a worker, made with its first fragment, so that what is wrong with it comes back as it is."""

    def __init__(self, plan: Plan, cpus: float) -> None:
        self._plan = plan
        self._worker: Worker | None = None
        limit_threads(cpus)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Runs the model on fragments."""
        found: dict[str, list[Any]] = {"rows": [], "failed": [], "error": []}
        for number in batch["number"]:
            summary, problem = Summary(0, 0), b""
            try:
                self._worker = self._worker or Worker(self._plan)
                summary = self._worker.run(int(number))
            except Exception as error:  # noqa: BLE001 - told where the user is
                problem = _pickled(error)
            found["rows"].append(summary.rows)
            found["failed"].append(summary.failed)
            found["error"].append(problem)
        return found


def _pickled(error: Exception) -> bytes:
    try:
        return pickle.dumps(error)
    except Exception:  # noqa: BLE001 - it holds what no other process can have
        return pickle.dumps(HubError(f"{type(error).__name__}: {error}"))


def limit_threads(cpus: float) -> None:
    """Lets the workers of a machine share its CPUs: TensorFlow takes all for each otherwise."""
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(max(1, int(cpus))))
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
