"""Runs a model on rows and prints the largest resident set of this process in bytes.

``batch_command.py MODEL DATA OUT --workers=N --part-rows=N [--on-ray]``; with ``--on-ray`` one worker runs on Ray, too.
"""

from __future__ import annotations

import argparse
import resource
from pathlib import Path

from rehub.batch.options import Options
from rehub.batch.prediction import new_plan, run

parser = argparse.ArgumentParser()
parser.add_argument("model", type=Path)
parser.add_argument("data", type=Path)
parser.add_argument("out", type=Path)
parser.add_argument("--workers", type=int)
parser.add_argument("--part-rows", type=int)
parser.add_argument("--on-ray", action="store_true")
arguments = parser.parse_args()
plan = new_plan(arguments.data, arguments.model, arguments.out, Options(), arguments.part_rows)
if arguments.on_ray:
    from rehub.batch import cluster, journal

    journal.begin(plan)
    for _ in cluster.run(plan, [fragment.number for fragment in plan.fragments], arguments.workers, None):
        pass
else:
    run(plan, arguments.workers, None)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
