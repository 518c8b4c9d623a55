"""What runs in each worker."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

from rehub import configuration
from rehub.batch import reading
from rehub.batch.part import counts, new_part
from rehub.batch.plan import Plan
from rehub.batch.predictor import Predictor


@dataclasses.dataclass(frozen=True)
class Summary:
    """What came of one fragment: how many rows, and how many that failed."""

    rows: int
    failed: int


class Worker:
    """Holds the model, and runs it on one fragment after the other.

    Args:
        plan: What is to be done.

    Raises:
        HubError: If the model cannot be loaded, or does not fit the data.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        with self._settings():
            self._predictor = Predictor(plan.lasting_handle, plan.options, plan.schema, plan.inputs.root)

    def run(self, number: int, advance: Callable[[int, int], object] = lambda rows, failed: None) -> Summary:
        """Runs the model on a fragment and writes what comes of it, unless that is there already.

        Args:
            number: Of the fragment.
            advance: Is told how many rows are done, and how many of these failed.
        """
        path = self._plan.part(number)
        if path.exists():
            return Summary(*counts(path))
        fragment = self._plan.fragments[number]
        with self._settings(), new_part(self._plan, number, self._predictor.fields) as part:
            chunks = reading.read(self._plan.inputs, fragment, self._plan.schema)
            for predicted in self._predictor.predict(chunks):
                before = part.rows, part.failed
                part.add(predicted)
                failed = part.failed - before[1]
                advance(part.rows - before[0] + failed, failed)
        return Summary(part.rows, part.failed)

    @contextlib.contextmanager
    def _settings(self) -> Iterator[None]:
        with configuration.settings(self._plan.settings):
            yield
