"""What a comparison looks like: as text, in a notebook, for a program, as a picture."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import pytest

from rehub.comparison.result import Comparison, ModelFailure, ModelScore
from rehub.errors import DependencyError, SignatureError, UsageError


def _row(name: str, score: float, latency_s: float, size_bytes: int) -> ModelScore:
    return ModelScore(
        name=name,
        handle=f"https://hub.invalid/acme/{name}/1",
        options={"output_key": "pooled"},
        score=score,
        standard_error=0.01,
        fold_scores=(score - 0.02, score + 0.02),
        size_bytes=size_bytes,
        parameters=size_bytes // 4,
        width=1280,
        latency_s=latency_s,
        load_s=1.25,
    )


@pytest.fixture
def comparison() -> Comparison:
    return Comparison(
        rows=(
            _row("efficientnet_v2_b3", 0.934, 0.021, 58_000_000),
            _row("resnet_v2_50", 0.921, 0.019, 98_000_000),
            _row("mobilenet_v3_large", 0.912, 0.0042, 22_000_000),
            _row("mobilenet_v2_100", 0.911, 0.0041, 13_000_000),
        ),
        failures=(ModelFailure("<b>bad</b>", "/bad", {}, SignatureError("takes texts.", hint="Pass texts.")),),
        metric="accuracy",
        chance=0.25,
        examples=1200,
        classes=("a", "b", "c"),
        folds=2,
        seed=0,
        batch_size=32,
    )


def test_text_is_a_table_that_fits_a_terminal(comparison: Comparison) -> None:
    lines = str(comparison).splitlines()

    assert lines[0].split() == ["MODEL", "ACCURACY", "LATENCY", "SIZE", "PARAMS", "WIDTH", "LOAD"]
    assert "0.934 ±0.010   21.0 ms   58.0 MB   14.5 M   1,280   1.25 s" in lines[1]
    assert lines[5].split() == ["<b>bad</b>", "failed"]
    assert lines[6] == "1,200 examples of 3 classes; the commonest is 0.250 of them."
    assert lines[-1] == "<b>bad</b> failed: takes texts. Pass texts."
    assert max(map(len, lines)) <= 80


def test_notebook_shows_a_table_without_obeying_names(comparison: Comparison) -> None:
    html = comparison._repr_html_()

    assert html.count("<tr>") == 6
    assert "&lt;b&gt;bad&lt;/b&gt;" in html
    assert "<b>bad" not in html


def test_json_has_everything(comparison: Comparison) -> None:
    found = json.loads(json.dumps(comparison.to_json()))

    assert [row["name"] for row in found["rows"]] == [row.name for row in comparison.rows]
    assert found["rows"][0]["options"] == {"output_key": "pooled"}
    assert found["rows"][0]["fold_scores"] == list(comparison.best.fold_scores)
    assert found["failures"][0]["error"] == "takes texts. Pass texts."
    assert (found["metric"], found["classes"], found["folds"]) == ("accuracy", ["a", "b", "c"], 2)


def test_plot_draws_names_that_cover_nothing(comparison: Comparison, tmp_path: Path) -> None:
    figure = comparison.plot(tmp_path / "models.png")

    assert (tmp_path / "models.png").read_bytes()[:4] == b"\x89PNG"
    axes = figure.axes[0]
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert [text.get_text() for text in axes.texts] == [row.name for row in comparison.rows]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    points = [axes.transData.transform((row.latency_s * 1e3, row.score)) for row in comparison.rows]
    assert not any(box.contains(*point) for box in boxes for point in points)
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["10 MB", "40 MB", "100 MB"]


def test_plot_says_where_it_cannot_write(comparison: Comparison, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        comparison.plot(tmp_path / "nowhere" / "models.png")
    with pytest.raises(UsageError, match=r"Name a file that ends in \.png"):
        comparison.plot(tmp_path / "models.xyz")


def test_plot_says_what_to_install(comparison: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(DependencyError, match=r"pip install 'rehub\[plot\]'"):
        comparison.plot()
