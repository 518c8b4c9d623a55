"""The process that runs models, with a program in the place of TensorFlow: it does at once what a model might do."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rehub.errors import DependencyError, StoreError
from rehub.server.app import build_app
from rehub.server.library import Library, PlainVersion, PublishedVersion
from rehub.server.options import HubOptions
from rehub.server.removal import remove
from rehub.server.trial import Trial
from rehub.server.trial_outcome import Failure, Outcome, Similarities
from rehub.server.trials import TrialLimits, Trials
from rehub.server.uploads import Uploads
from rehub.storage.bucket import BucketStore
from rehub.storage.folder import FolderStore
from rehub.storage.interface import ObjectStore
from tests.server.conftest import write_version
from tests.server.publishing import FILES, publish, published

TRIAL = Trial("text-embedding", "", "", "string", "", (), (0, 0), "", "")

# Answers with facts about itself, as if they were numbers; or does what the text says.
CHILD = """
import os, signal, sys, time
from pathlib import Path
from rehub.server.trial_frames import read_frame, write_frame

while (job := read_frame(sys.stdin.buffer)) is not None:
    (values, _), does = job, job[0]["texts"][0]
    if does == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    if does == "leave":
        sys.exit(3)
    if does == "hang":
        time.sleep(1000)
    if does == "babble":
        sys.stdout.buffer.write(b"x" * 100)
        sys.stdout.buffer.flush()
        sys.exit()
    folder = Path(values["folder"])
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    facts = [os.getpid(), dict(os.environ), os.getcwd(), sys.argv[1:], str(folder), files]
    write_frame(sys.stdout.buffer, {"matrix": [facts], "width": 1, "seconds": 0})
"""
COMMAND = (sys.executable, "-c", CHILD)

Run = Callable[..., Outcome]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    for number in (1, 2):
        write_version(tmp_path, f"acme/net/{number}")
    return FolderStore(tmp_path)


@pytest.fixture
def trials(store: FolderStore) -> Iterator[Trials]:
    trials = Trials(store, TrialLimits(), command=COMMAND)
    yield trials
    trials.close()


def ask(trials: Trials, store: ObjectStore, what: str = "", number: int = 1) -> Outcome:
    version = Library(store).version("acme/net", number)
    assert isinstance(version, (PublishedVersion, PlainVersion))
    return trials.run(version, TRIAL, [what])


def facts(outcome: Outcome) -> Any:
    """Process, environment, folder that it runs in, arguments, folder of the model, and its files."""
    assert isinstance(outcome, Similarities)
    return outcome.matrix[0]


def is_alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def test_run_keeps_a_process_for_the_next_question_about_the_same_files(trials: Trials, store: FolderStore) -> None:
    first, again = (facts(ask(trials, store))[0] for _ in range(2))
    other = facts(ask(trials, store, number=2))[0]

    assert first == again != other
    assert not is_alive(first)


def test_run_begins_anew_when_the_files_have_changed(trials: Trials, store: FolderStore, tmp_path: Path) -> None:
    before = facts(ask(trials, store))[0]
    (tmp_path / "acme/net/1/saved_model.pb").write_bytes(b"others")

    assert facts(ask(trials, store))[0] != before


def test_run_gives_the_process_no_secrets_and_a_folder_of_its_own(
    trials: Trials, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.setenv(name, "secret")

    _, environment, folder, arguments, *_ = facts(ask(trials, store))

    assert "secret" not in environment.values()
    assert environment["HOME"] == environment["TMPDIR"] == folder
    assert os.listdir(folder) == []  # noqa: PTH208
    assert arguments == [str(TrialLimits().memory_bytes)]
    trials.close()
    assert not Path(folder).exists()


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("die", "the signal SIGSEGV"),
        ("leave", "the exit code 3"),
        ("babble", "the exit code 0"),
    ],
)
def test_run_tells_that_a_process_has_died_and_goes_on(
    trials: Trials, store: FolderStore, does: str, reason: str
) -> None:
    found = ask(trials, store, does)

    assert isinstance(found, Failure)
    assert found.reason.startswith(f"It broke off with {reason}. It may need more than the 4.3 GB of memory")
    assert isinstance(ask(trials, store), Similarities)


def test_run_ends_what_takes_too_long(store: FolderStore) -> None:
    trials = Trials(store, TrialLimits(time_s=0.5), command=COMMAND)

    assert ask(trials, store, "hang") == Failure("It took more than 0.5 seconds, so this hub ended it.")
    trials.close()


def test_run_ends_a_process_that_nobody_asks(store: FolderStore) -> None:
    trials = Trials(store, TrialLimits(idle_s=0.01), command=COMMAND)
    process = facts(ask(trials, store))[0]

    while is_alive(process):
        threading.Event().wait(0.01)
    assert isinstance(ask(trials, store), Similarities)
    trials.close()


def test_close_ends_what_runs(trials: Trials, store: FolderStore) -> None:
    found: list[Outcome] = []
    thread = threading.Thread(target=lambda: found.append(ask(trials, store, "hang")))
    process = facts(ask(trials, store))[0]
    thread.start()

    trials.close()
    thread.join()

    assert isinstance(found[0], Failure)
    assert not is_alive(process)
    assert ask(trials, store) == Failure("This hub is about to stop.")


def test_run_copies_a_model_out_of_a_bucket(tmp_path: Path) -> None:
    bucket = BucketStore("memory://")
    publish(Uploads(Library(bucket)), version=1)
    trials = Trials(bucket, TrialLimits(), tmp_path, COMMAND)

    *_, folder, files = facts(ask(trials, bucket))

    assert files == sorted(FILES)
    assert Path(folder).is_relative_to(tmp_path)
    assert {name: Path(folder, name).read_bytes() for name in files} == FILES
    trials.close()
    assert list(tmp_path.iterdir()) == []


def test_run_refuses_a_copy_that_is_not_what_was_published(tmp_path: Path) -> None:
    bucket = BucketStore("memory://")
    publish(Uploads(Library(bucket)), version=1)
    bucket.put(published(Library(bucket), 1).file_key("assets/words.txt"), b"jello\n")
    trials = Trials(bucket, TrialLimits(), tmp_path, COMMAND)

    with pytest.raises(StoreError):
        ask(trials, bucket)
    assert list(tmp_path.iterdir()) == []


def test_run_reads_what_was_published_in_a_folder_where_it_lies(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    library = Library(store)
    publish(Uploads(library), version=1)
    version = published(library, 1)
    trials = Trials(store, TrialLimits(), command=COMMAND)

    assert facts(trials.run(version, TRIAL, [""]))[4] == str(store.local_path(f"{version.prefix}files"))
    trials.close()


def test_run_tells_that_a_version_was_removed(tmp_path: Path) -> None:
    bucket = BucketStore("memory://")
    publish(Uploads(Library(bucket)), version=1)
    version = published(Library(bucket), 1)
    remove(Library(bucket), "acme/net", 1, "wrong")
    trials = Trials(bucket, TrialLimits(), tmp_path, COMMAND)

    assert trials.run(version, TRIAL, [""]) == Failure("It has just been removed.")


def test_build_app_refuses_trials_without_tensorflow(store: FolderStore) -> None:
    with pytest.raises(DependencyError, match=r'pip install "rehub\[tensorflow\]"'):
        build_app(store, HubOptions(trials=TrialLimits()))
