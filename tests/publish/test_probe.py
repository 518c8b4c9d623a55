"""What comes of running a model: the rules about it are each broken by one model, and by none of the good ones."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

import rehub as hub
from rehub.formats.card import Card
from rehub.publish.check import check, examine, judge
from rehub.publish.check_report import CheckReport
from rehub.publish.probe import Limits, probe
from rehub.publish.probe_child import observe
from rehub.publish.probe_facts import Facts, Stage, collect
from rehub.publish.text_embeddings import Embedding, export_text_embeddings
from tests import sample
from tests.publish.reusable_models import SPEC, computing, save
from tests.publish_static import models

DATA = Path(__file__).parents[1] / "data"


def run_here(folder: Path, card: Card | None = None) -> CheckReport:
    """A check that runs the model in this process, which is quicker than in another one."""
    subject = examine(folder)
    parts = [part.path for part in subject.parts if part.path]
    lifts = subject.info.format != "saved_model_2"
    events = observe(folder, sorted(subject.main_graph.tags), parts, lifts=lifts)
    return judge(dataclasses.replace(subject, card=card or subject.card, facts=collect(events)))


def codes(report: CheckReport) -> set[str]:
    """What running found."""
    return {finding.code for finding in report.findings if finding.code[1] == "5"}


@tf.custom_gradient
def with_endless_gradient(values: Any) -> Any:
    return values, lambda upstream: upstream / 0.0


def blocked(obj: Any, inputs: Any) -> Any:
    return tf.stop_gradient(tf.matmul(inputs, obj.kernel))


def for_three_only(obj: Any, inputs: Any) -> Any:
    return tf.matmul(tf.reshape(inputs, [-1, 2 * 4])[:, :4], obj.kernel)


def one_row(obj: Any, inputs: Any) -> Any:
    return tf.reduce_sum(tf.matmul(inputs, obj.kernel), 0, keepdims=True)


def failing(obj: Any, inputs: Any) -> Any:
    with tf.control_dependencies([tf.debugging.assert_less(inputs, -1.0, "only for cold days")]):
        return tf.matmul(inputs, obj.kernel)


def not_a_number(obj: Any, inputs: Any) -> Any:
    return tf.matmul(inputs, obj.kernel) / tf.zeros([3])


def endless(obj: Any, inputs: Any) -> Any:
    return with_endless_gradient(tf.matmul(inputs, obj.kernel))


def second_kernel(obj: Any) -> None:
    obj.other = tf.Variable(tf.ones([4, 3]), name="other")
    obj.variables = [obj.kernel, obj.offset, obj.other]
    obj.trainable_variables = [obj.kernel, obj.other]


def half_blocked(obj: Any, inputs: Any) -> Any:
    return tf.matmul(inputs, obj.kernel) + tf.stop_gradient(tf.matmul(inputs, obj.other))


def frozen(obj: Any) -> None:
    obj.trainable_variables = []


def endless_loss(obj: Any) -> None:
    obj.regularization_losses = [tf.function(lambda: tf.reduce_sum(obj.kernel) / 0.0, input_signature=[])]


def vector_loss(obj: Any) -> None:
    obj.regularization_losses = [tf.function(lambda: obj.kernel[0], input_signature=[])]


@pytest.mark.parametrize(
    ("code", "problem", "options"),
    [
        ("E504", "only for cold days", {"make_call": computing(failing)}),
        ("E505", "1 example", {"make_call": computing(for_three_only)}),
        ("E505", "its output has 1 rows", {"make_call": computing(one_row)}),
        ("W506", "not finite", {"make_call": computing(not_a_number)}),
        ("E507", "not finite", {"adjust": endless_loss}),
        ("E507", "it returns float32[3]", {"adjust": vector_loss}),
        ("E508", "any of its 1 trainable", {"make_call": computing(blocked)}),
        ("W509", "arrives at 'other:0'", {"make_call": computing(half_blocked), "adjust": second_kernel}),
        ("E510", "'kernel:0' are not finite", {"make_call": computing(endless)}),
        ("W511", "no variables to train", {"adjust": frozen}),
    ],
)
def test_running_finds_just_what_is_wrong(code: str, problem: str, options: dict[str, Any], tmp_path: Path) -> None:
    report = run_here(save(tmp_path / "model", **options))
    found = [finding for finding in report.findings if finding.code == code]
    also = {"E508"} if code == "E504" else {"E510"} if code == "W506" else set()  # what fails cannot be trained
    assert codes(report) - also == {code}
    assert any(problem in finding.what for finding in found)


GOOD = [
    *(DATA / "saved_models" / name for name in ("keras2", "keras2_exported", "keras3", "module")),
    DATA / "models" / "half_plus_two",
    *(DATA / "saved_models" / name for name in ("estimator", "graphs")),
    *(DATA / "tf1_hub" / name for name in ("half_plus_two", "image", "rich", "sparse_ragged", "text_vocab")),
    DATA / "tf1_kinds" / "batch_norm",
]


@pytest.mark.parametrize("folder", GOOD, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_running_finds_nothing_wrong_with_real_exports(folder: Path) -> None:
    report = run_here(folder)
    assert [finding for finding in report.findings if finding.code[1] == "5"] == []


def test_running_says_that_a_model_without_variables_cannot_be_trained(tmp_path: Path) -> None:
    assert codes(run_here(DATA / "saved_models" / "no_variables")) == {"W511"}
    assert codes(run_here(DATA / "saved_models" / "no_variables", Card(fine_tunable=False))) == set()


def test_running_trains_text_embeddings_on_words_of_their_vocabulary(tmp_path: Path) -> None:
    """Without a bucket for other words: a text of these alone would leave the variables as they are."""
    (tmp_path / "words.txt").write_text("red 1 2\nblue 3 4\n")
    export_text_embeddings(tmp_path / "words.txt", tmp_path / "model", Embedding(oov_buckets=0), ["saved-model"])
    assert codes(run_here(tmp_path / "model")) == set()


def test_running_passes_an_image_to_what_decodes_images(tmp_path: Path) -> None:
    obj = tf.train.Checkpoint()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def brightness(image_bytes):
        decoded = tf.map_fn(lambda each: tf.io.decode_jpeg(each)[0, 0, 0], image_bytes, fn_output_signature=tf.uint8)
        return {"brightness": tf.cast(decoded, tf.float32)}

    tf.saved_model.save(obj, str(tmp_path / "model"), {"serving_default": brightness})

    assert "E504" not in codes(run_here(tmp_path / "model"))


def test_running_calls_named_sub_objects(tmp_path: Path) -> None:
    def adjust(obj: Any) -> None:
        obj.encoder = tf.train.Checkpoint()
        obj.encoder.variables = [obj.kernel]
        obj.encoder.__call__ = tf.function(lambda inputs: tf.matmul(inputs, obj.kernel) / 0.0, input_signature=[SPEC])

    (finding,) = (each for each in run_here(save(tmp_path / "model", adjust=adjust)).findings if each.code == "W506")
    assert finding.where == "encoder.__call__(inputs=float32[?, 4])"


def test_running_says_why_a_model_cannot_be_loaded(tmp_path: Path) -> None:
    folder = models.copy(DATA / "models" / "half_plus_two", tmp_path / "model", card="")
    models.edit(folder, lambda graph: models.body(graph).node_def.add(name="added", op="NoSuchOp"))
    report = run_here(folder)
    assert codes(report) == {"E502"}


def test_running_leaves_the_model_as_it_is(tmp_path: Path) -> None:
    folder = save(tmp_path / "model")
    before = sample.read(folder)
    assert codes(run_here(folder)) == set()
    assert sample.read(folder) == before


def limited(folder: Path, **limits: Any) -> Facts:
    return probe(folder, (), (), lifts=False, limits=Limits(**limits))


def test_probe_ends_a_model_that_takes_too_long() -> None:
    facts = limited(DATA / "models" / "half_plus_two", time_s=0.2)
    assert facts.crash.startswith("it took more than 0.2 s and was ended while ")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is watched on Linux")
def test_probe_ends_a_model_that_takes_too_much_memory() -> None:
    facts = limited(DATA / "models" / "half_plus_two", memory_bytes=1 << 20)
    assert facts.crash.startswith("it took more than 1,048,576 bytes of memory and was ended while ")


def test_probe_tells_the_last_words_of_a_process_without_the_news_of_tensorflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [
        "out of luck",
        "I0000 00:00:1795313334.2 port.cc:153] on.",
        "2026-01-31 12:00:00.1: W tensorflow/x.cc:1] odd",
    ]
    code = f"import os, sys; sys.stderr.write({chr(10).join(said)!r}); sys.stderr.flush(); os._exit(3)"
    (tmp_path / "sitecustomize.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))  # which the process is given, and runs before all else

    facts = limited(DATA / "models" / "half_plus_two")
    assert facts.crash == "it ended with the exit code 3 while starting Python (out of luck)"


@pytest.mark.slow
def test_check_goes_on_when_a_model_ends_the_process(tmp_path: Path) -> None:
    def make_call(obj: Any) -> Callable[..., Any]:
        def call(inputs: Any, training: bool = False) -> Any:
            ends = [tf.raw_ops.Abort(error_msg="good bye", exit_without_error=False)] if training else []
            with tf.control_dependencies(ends):
                return tf.matmul(inputs, obj.kernel) + obj.offset

        return call

    report = check(save(tmp_path / "model", make_call))
    (finding,) = (each for each in report.findings if each.code == "E503")

    assert "it was ended by SIGABRT while calling __call__(inputs=float32[?, 4], training=True)" in finding.what
    assert "W404" in {each.code for each in report.findings}


@pytest.mark.slow
def test_command_checks_a_module_of_tensorflow_1_in_a_process_of_its_own(tmp_path: Path) -> None:
    shutil.copytree(DATA / "tf1_hub" / "image", tmp_path / "model")
    command = [sys.executable, "-m", "rehub", "publish", "check", "--json", str(tmp_path / "model")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    report = json.loads(done.stdout)

    assert done.returncode == 0
    assert [finding["code"] for finding in report["findings"]] == ["W601"]
    assert not [each for each in report["skipped"] if each["reason"] == "the model was not run"]


def test_events_tell_what_is_done_before_it_is_done(tmp_path: Path) -> None:
    folder = save(tmp_path / "model")
    events = list(observe(folder, ["serve"], [], lifts=False))
    stages = [event.what for event in events if isinstance(event, Stage)]
    assert stages[:2] == ["importing TensorFlow", "loading it"]
    assert stages[-1] == "training it by one step"
    assert (
        f"calling __call__(inputs={hub.inspect(folder).meta_graphs[0].signatures[0].inputs[0]}, training=False)"
        in stages
    )
