from __future__ import annotations

import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from rehub.errors import PublishError

DATA = Path(__file__).parent.parent / "data/tf1_hub"


class Trainer:
    """What the exporter uses of an Estimator."""

    config = None

    def __init__(self, model_dir: Path, build: Callable[[str], None]) -> None:
        self.model_dir = str(model_dir)
        self._build = build

    def model_fn(self, features: Any, labels: Any, mode: str, config: Any) -> None:
        assert (set(features), labels, config) == ({"x"}, None, None)
        self._build(mode)

    def latest_checkpoint(self) -> str | None:
        return tf.train.latest_checkpoint(self.model_dir)

    def save(self, value: float, step: int = 0) -> str:
        """Makes a checkpoint of the model, in which all variables have one value."""
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            self._build("train")
            for variable in tf.compat.v1.global_variables():
                session.run(variable.assign(tf.fill(variable.shape, value)))
            path: str = tf.compat.v1.train.Saver().save(session, f"{self.model_dir}/model.ckpt", global_step=step)
        return path


def build_one(mode: str) -> None:
    hub.register_module_for_export(hub.Module(DATA / "half_plus_two", name="half"), "half")


def build_two(mode: str) -> None:
    build_one(mode)
    with tf.compat.v1.variable_scope("tower"):
        tags = {"train"} if mode == "train" else None
        hub.register_module_for_export(hub.Module(DATA / "text_vocab", tags=tags), "text/embedding")
    if mode == "train":
        tf.compat.v1.get_variable("optimizer", [])


def exporter(**options: Any) -> hub.LatestModuleExporter:
    return hub.LatestModuleExporter("modules", receive, **options)


def receive() -> Any:
    return types.SimpleNamespace(features={"x": tf.compat.v1.placeholder(tf.float32, [None])})


def values(folder: str | Path) -> dict[str, Any]:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        module = hub.Module(folder)
        session.run(tf.compat.v1.global_variables_initializer())
        found: dict[str, Any] = session.run(dict(module.variable_map))
        return found


def test_export_writes_the_values_of_the_latest_checkpoint(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, build_one)
    trainer.save(1.0, step=1)
    trainer.save(7.0, step=2)
    before = int(time.time())
    folder = exporter().export(trainer, tmp_path / "export/modules")
    assert folder is not None
    assert Path(folder).parent == tmp_path / "export/modules"
    assert before <= int(Path(folder).name) <= time.time()
    assert values(f"{folder}/half") == {"a": 7.0, "b": 7.0}


def test_export_writes_the_values_of_a_chosen_checkpoint(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, build_one)
    first = trainer.save(1.0, step=1)
    trainer.save(7.0, step=2)
    folder = exporter().export(trainer, str(tmp_path / "out").encode(), first, {"loss": 1.0}, True)
    assert values(f"{folder}/half") == {"a": 1.0, "b": 1.0}


def test_export_writes_each_registered_module_with_all_its_graph_variants(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, build_two)
    trainer.save(3.0)
    folder = exporter().export(trainer, tmp_path / "out")
    assert values(f"{folder}/half") == {"a": 3.0, "b": 3.0}
    assert [np.unique(part).tolist() for part in values(f"{folder}/text/embedding")["embeddings"]] == [[3.0]] * 3
    assert {frozenset(tags) for tags in hub.load_module_spec(f"{folder}/text/embedding").get_tags()} == {
        frozenset(),
        frozenset({"train"}),
    }
    assert (Path(str(folder)) / "text/embedding/assets/tokens.txt").is_file()


def test_export_keeps_the_latest(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, build_one)
    trainer.save(1.0)
    out = tmp_path / "out"
    for name in ("5", "17", "notes", "temp-3"):
        (out / name).mkdir(parents=True)
    made = [exporter(exports_to_keep=2).export(trainer, out) for _ in range(2)]
    assert {path.name for path in out.iterdir()} == {"notes", "temp-3", *(Path(str(folder)).name for folder in made)}
    exporter(exports_to_keep=3).export(trainer, out)
    assert len(list(out.iterdir())) == 5
    exporter(exports_to_keep=None).export(trainer, out)
    assert len(list(out.iterdir())) == 6


def test_export_is_newer_than_those_before_when_the_clock_went_back(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, build_one)
    trainer.save(1.0)
    (tmp_path / "out/9999999999").mkdir(parents=True)
    folder = exporter(exports_to_keep=1).export(trainer, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["10000000000"] == [Path(str(folder)).name]


def test_export_writes_to_places_that_tensorflow_alone_can_open(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, build_one)
    trainer.save(4.0)
    base = f"ram://{tmp_path.name}/export"
    folders = [exporter(exports_to_keep=1).export(trainer, base) for _ in range(2)]
    assert [name.rstrip("/") for name in tf.io.gfile.listdir(base)] == [str(folders[1]).rpartition("/")[2]]
    assert values(f"{folders[1]}/half") == {"a": 4.0, "b": 4.0}


def test_export_says_so_when_no_module_is_registered(tmp_path: Path) -> None:
    def build_none(mode: str) -> None:
        tf.compat.v1.get_variable("v", [])

    trainer = Trainer(tmp_path, build_none)
    trainer.save(1.0)
    with pytest.warns(UserWarning, match="'modules' found no module to export; call hub.register_module_for_export"):
        assert exporter().export(trainer, tmp_path / "out") is None
    assert not (tmp_path / "out").exists()


def test_export_refuses_a_model_that_was_never_trained(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match=f"there is no checkpoint in '{tmp_path}'. Train the model"):
        exporter().export(Trainer(tmp_path, build_one), tmp_path / "out")


def test_export_names_variables_that_the_checkpoint_lacks(tmp_path: Path) -> None:
    path = Trainer(tmp_path, build_one).save(1.0)
    with pytest.raises(PublishError, match="tower/module/embeddings"):
        exporter().export(Trainer(tmp_path, build_two), tmp_path / "out", path)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("name", ["", "../out", "/out"])
def test_register_refuses_what_names_no_folder_below(name: str) -> None:
    with tf.Graph().as_default(), pytest.raises(PublishError, match="names no folder below"):
        hub.register_module_for_export(hub.Module(DATA / "half_plus_two"), name)


def test_register_refuses_a_name_that_is_taken() -> None:
    with tf.Graph().as_default():
        module = hub.Module(DATA / "half_plus_two")
        hub.register_module_for_export(module, "half")
        hub.register_module_for_export(module, "other")
        with pytest.raises(PublishError, match="already a module registered to be exported as 'half'"):
            hub.register_module_for_export(module, "half")


@pytest.mark.parametrize("number", [0, -1])
def test_exporter_refuses_to_keep_nothing(number: int) -> None:
    with pytest.raises(ValueError, match="must be a positive number, or None"):
        exporter(exports_to_keep=number)


def test_exporter_has_the_shape_that_estimator_asks_for() -> None:
    made = exporter()
    assert made.name == "modules"
    assert isinstance(made, hub.LatestModuleExporter)
    if hasattr(tf, "estimator"):
        assert isinstance(made, tf.estimator.Exporter)
