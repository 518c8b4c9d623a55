"""The parts of tensorflow_hub that programs use beside its public names."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from tests.sample import FILES, archive, read


def test_flag_names_the_cache_folder(hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from absl import flags

    monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)
    monkeypatch.setattr(flags.FLAGS["tfhub_cache_dir"], "value", str(tmp_path / "flag"))
    assert hub.resolver.tfhub_cache_dir() == str(tmp_path / "flag")


def test_flag_names_the_load_format(hub: Any) -> None:
    assert hub.resolver.ModelLoadFormat(hub.resolver.model_load_format()) is hub.resolver.ModelLoadFormat.AUTO


def test_download_is_made_once(hub: Any, tmp_path: Path) -> None:
    calls = []

    def download(handle: str, folder: str) -> None:
        calls.append(handle)
        (Path(folder) / "saved_model.pb").write_bytes(b"x")

    folder = str(tmp_path / "cache" / "model")
    for _ in range(2):
        assert hub.resolver.atomic_download("mine:model", download, folder) == folder
    assert calls == ["mine:model"]
    assert read(folder) == {"saved_model.pb": b"x"}
    assert (tmp_path / "cache" / "model.descriptor.txt").read_text().startswith("Module: mine:model\n")


def test_download_that_fails_leaves_no_folder(hub: Any, tmp_path: Path) -> None:
    def download(handle: str, folder: str) -> None:
        (Path(folder) / "half").write_bytes(b"x")
        raise ConnectionError

    with pytest.raises(ConnectionError):
        hub.resolver.atomic_download("mine:model", download, str(tmp_path / "model"))
    assert [path.name for path in tmp_path.iterdir()] == ["model.lock"]


def test_archive_is_unpacked(hub: Any, tmp_path: Path) -> None:
    hub.resolver.DownloadManager("https://x.test").download_and_uncompress(io.BytesIO(archive()), str(tmp_path / "new"))
    assert read(tmp_path / "new") == dict(FILES)


def test_damaged_archive_is_no_valid_module(hub: Any, tmp_path: Path) -> None:
    manager = hub.resolver.DownloadManager("https://x.test")
    with pytest.raises(OSError, match=r"https://x\.test does not appear to be a valid module\."):
        manager.download_and_uncompress(io.BytesIO(b"nothing"), str(tmp_path / "new"))


def test_archive_and_its_members_are_unpacked_with_their_sizes(hub: Any, tmp_path: Path) -> None:
    sizes: list[int] = []
    hub.file_utils.extract_tarfile_to_destination(io.BytesIO(archive()), str(tmp_path / "all"), sizes.append)
    assert sorted(sizes) == sorted(map(len, FILES.values()))
    with tarfile.open(fileobj=io.BytesIO(archive())) as tar:
        hub.file_utils.extract_file(tar, tar.getmember("./saved_model.pb"), str(tmp_path / "one"))
    assert (tmp_path / "one").read_bytes() == FILES["saved_model.pb"]


@pytest.mark.parametrize(
    ("relative", "expected"),
    [("a/b", "/to/a/b"), ("./a", "/to/a"), ("/a", "/to/a"), ("a/../b", "/to/b"), (".", "/to"), ("..x", "/to/..x")],
)
def test_relative_path_is_merged(hub: Any, relative: str, expected: str) -> None:
    assert hub.file_utils.merge_relative_path("/to", relative) == expected


@pytest.mark.parametrize("relative", ["../a", "a/../../b", ".."])
def test_relative_path_out_of_the_folder_is_refused(hub: Any, relative: str) -> None:
    with pytest.raises(ValueError, match="is invalid"):
        hub.file_utils.merge_relative_path("/to", relative)


@pytest.mark.parametrize(
    ("size", "include_b", "expected"),
    [(None, False, "None"), (5, False, "5"), (1000, True, "1000B"), (1500, True, "1.46kB"), (1 << 20, False, "1.00M")],
)
def test_size_is_readable(hub: Any, size: int | None, include_b: bool, expected: str) -> None:
    assert hub.tf_utils.bytes_to_readable_str(size, include_b) == expected


def test_file_is_written_whole_and_read(hub: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    hub.tf_utils.atomic_write_string_to_file(path, "one", overwrite=False)
    with pytest.raises(tf.errors.AlreadyExistsError):
        hub.tf_utils.atomic_write_string_to_file(path, "two", overwrite=False)
    assert hub.tf_utils.read_file_to_string(path) == "one"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_oldest_exports_are_removed(hub: Any, tmp_path: Path) -> None:
    for name in ("9", "10", "11", "other"):
        (tmp_path / name).mkdir()
    hub.tf_utils.garbage_collect_exports(str(tmp_path), 2)
    assert {path.name for path in tmp_path.iterdir()} == {"10", "11", "other"}
    new = hub.tf_utils.get_timestamped_export_dir(str(tmp_path)).decode()
    assert Path(new).name.isdigit()
    assert hub.tf_utils.get_temp_export_dir(new).decode() == str(tmp_path / f"temp-{Path(new).name}")


def test_composite_tensors_are_told_apart(hub: Any) -> None:
    ragged = tf.ragged.constant([[1], [2, 3]])
    spec = hub.tf_utils.get_composite_tensor_type_spec(ragged)
    assert hub.tf_utils.is_composite_tensor(ragged)
    assert not hub.tf_utils.is_composite_tensor(tf.constant(1))
    parts = tf.nest.flatten(ragged, expand_composites=True)
    assert hub.tf_utils.composite_tensor_from_components(spec, parts).to_list() == ragged.to_list()


def test_retired_name_says_what_to_use_when_it_is_used(hub: Any) -> None:
    with pytest.raises(
        RuntimeError, match=r"rehub has no tensorflow_hub\.meta_graph_lib\.prune_feed_map.*rehub\.convert"
    ):
        hub.meta_graph_lib.prune_feed_map(None, None)
    with pytest.raises(RuntimeError, match="ModuleImpl"):

        class Derived(hub.module_impl.ModuleImpl):
            pass


def test_messages_are_those_of_rehub(hub: Any) -> None:
    info = hub.image_module_info_pb2.ImageModuleInfo()
    info.default_image_size.height = 7
    assert hub.ImageModuleInfo.FromString(info.SerializeToString()).default_image_size.height == 7
    assert hub.module_def_pb2.ModuleDef().DESCRIPTOR.full_name == "tensorflow_hub.ModuleDef"


def test_tensor_infos_are_parsed_and_compared(hub: Any) -> None:
    message = tf.compat.v1.MetaGraphDef().signature_def["s"].inputs["x"]
    message.name, message.dtype = "x:0", tf.float32.as_datatype_enum
    infos = {"x": message}
    assert hub.tensor_info.parse_tensor_info_map(infos)["x"].dtype == tf.float32
    assert hub.tensor_info.tensor_info_proto_maps_match(infos, infos)
