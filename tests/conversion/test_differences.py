"""What counts as a difference between a model and what became of it."""

from __future__ import annotations

import numpy as np
import pytest

from rehub.conversion.differences import difference


def test_difference_is_relative_to_the_largest_value() -> None:
    assert difference({"y": [np.array([10.0, 101.0])]}, {"y": [np.array([10.0, 100.0])]}) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([np.nan, 2.0], [1.0, 2.0]),
        ([1.0, 2.0], [np.nan, 2.0]),
        ([np.inf, 2.0], [1.0, 2.0]),
        ([np.inf, 3.0], [np.inf, 2.0]),
        ([1.0], [1.0, 2.0]),
    ],
)
def test_difference_is_infinite_where_values_are_no_numbers(found: list[float], expected: list[float]) -> None:
    assert difference({"y": [np.array(found)]}, {"y": [np.array(expected)]}) == np.inf


def test_same_values_do_not_differ_even_if_they_are_no_numbers() -> None:
    values = np.array([np.nan, np.inf, 1.0])
    assert difference({"y": [values]}, {"y": [values.copy()]}) == 0.0


@pytest.mark.parametrize(("found", "expected"), [([2, 3], 0.5), ([2], np.inf), ([2, 3, 4], np.inf)])
def test_all_parts_of_an_output_count(found: list[float], expected: float) -> None:
    parts = [np.array([value]) for value in (2.0, 2.0)]
    assert difference({"y": [np.array([float(value)]) for value in found]}, {"y": parts}) == expected
