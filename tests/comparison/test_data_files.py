"""Examples that are read from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rehub.comparison.data_files import read_data
from rehub.errors import ComparisonError


@pytest.mark.parametrize(("name", "separator"), [("data.csv", ","), ("data.tsv", "\t")])
def test_table_gives_texts_and_labels(name: str, separator: str, tmp_path: Path) -> None:
    lines = [("number", "label", "text"), ("1", "a", '"one\ntwo"'), ("2", "b", "")]
    path = tmp_path / name
    path.write_text("\ufeff" + "\n".join(separator.join(line) for line in lines), encoding="utf-8")

    texts, labels = read_data(path)
    assert (texts, list(labels)) == (["one\ntwo", ""], ["a", "b"])
    assert read_data(path, text_column="label", label_column="number")[1].dtype.kind == "i"


@pytest.mark.parametrize(("labels", "kind"), [("12", "i"), (("1", "2.5"), "f"), (("1", "one"), "U")])
def test_labels_of_a_table_are_numbers_if_all_are(labels: Any, kind: str, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("text,label\n" + "".join(f"x,{label}\n" for label in labels))

    assert read_data(tmp_path / "data.csv")[1].dtype.kind == kind


def test_arrays_are_read_by_their_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.array(["one", "two"]), y=[1, 2], z=0)

    inputs, labels = read_data(tmp_path / "data.npz")
    assert (list(inputs), list(labels)) == (["one", "two"], [1, 2])


def test_folder_gives_images_by_class(tmp_path: Path) -> None:
    for name, colour in (("b/1.png", (1, 2, 3)), ("a/2.PNG", (4, 5, 6)), ("a/10.jpg", (9, 9, 9))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (5, 4), colour).save(tmp_path / name)
    Image.new("L", (3, 3), 7).save(tmp_path / "a" / "3.png")
    (tmp_path / "a" / "notes.txt").write_text("no image")

    images, labels = read_data(tmp_path)
    assert labels == ["a", "a", "a", "b"]
    assert [image.shape for image in images] == [(4, 5, 3), (4, 5, 3), (3, 3, 3), (4, 5, 3)]
    assert (images[3].dtype, images[3][0, 0].tolist(), images[2][0, 0].tolist()) == (np.uint8, [1, 2, 3], [7, 7, 7])


def test_photographs_are_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right
    (tmp_path / "a").mkdir()
    Image.new("RGB", (5, 4)).save(tmp_path / "a" / "held.jpg", exif=exif)

    images, _ = read_data(tmp_path)

    assert images[0].shape == (5, 4, 3)


def test_damaged_image_is_named_when_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "broken.png").write_bytes(b"\x89PNG")
    images, _ = read_data(tmp_path)

    with pytest.raises(ComparisonError, match=r"broken\.png' is no image"):
        images[0]


def _write(path: Path, content: Any) -> None:
    if isinstance(content, dict):
        np.savez(path, **content)
    else:
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"sentence,label\nx,1\n", "no column 'text'; it has 'sentence', 'label'.*--text-column"),
        ("a.csv", b"text,sentiment\nx,1\n", "no column 'label'"),
        ("a.csv", b"", "no column 'text'; it has none"),
        ("a.csv", b"label,text\n1,one\n2\n", "line 3, has fewer columns"),
        ("a.csv", b"text,label\n\xff,1\n", "cannot be read"),
        ("a.npz", {"x": [1]}, "no array 'y'; it has 'x'"),
        ("a.npz", {"x": np.array(["one"], object), "y": [1]}, "not of objects"),
        ("a.npz", b"", "cannot be read"),
        ("a.npz", b"PK\x03\x04", "cannot be read"),
        ("a.txt", b"", "none of the files that are read here"),
    ],
)
def test_file_of_another_kind_says_what_is_wanted(name: str, content: Any, message: str, tmp_path: Path) -> None:
    _write(tmp_path / name, content)

    with pytest.raises(ComparisonError, match=message):
        read_data(tmp_path / name)


def test_folder_without_images_says_where_they_are_expected(tmp_path: Path) -> None:
    with pytest.raises(ComparisonError, match="has no images"):
        read_data(tmp_path)
