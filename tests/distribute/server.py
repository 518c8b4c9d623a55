"""Servers of a cluster in one process: ``python -m tests.distribute.server CLUSTER JOB:INDEX…``."""

from __future__ import annotations

import json
import sys

import tensorflow as tf


def main(cluster: str, *tasks: str) -> None:
    servers = []
    for task in tasks:
        job, _, index = task.partition(":")
        servers.append(tf.distribute.Server(json.loads(cluster), job_name=job, task_index=int(index)))
    servers[0].join()


if __name__ == "__main__":
    main(*sys.argv[1:])
