"""Heads are trained to the end, and folds are fair."""

from __future__ import annotations

import numpy as np
import pytest

from rehub.comparison import folds
from rehub.comparison.cross_validation import cross_validate
from rehub.comparison.heads import LogisticHead, RidgeHead, Space


def _features(examples: int, width: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = np.arange(examples) % classes
    centres = random.normal(size=(classes, width))
    return centres[labels] + random.normal(0, 1.5, (examples, width)), labels


@pytest.mark.parametrize(("examples", "width"), [(90, 5), (30, 50)])
@pytest.mark.parametrize("strength", [1e-1, 1e-3, 1e-5])
def test_logistic_head_is_the_best_there_is(examples: int, width: int, strength: float) -> None:
    features, labels = _features(examples, width, 3)
    space = Space.of(features)
    head = LogisticHead(space, labels)
    train = np.arange(examples) % 5 != 0
    weights = head.fit(train, strength, None)

    def objective(weights: np.ndarray) -> float:
        return head.loss(train, weights) + float(np.sum(space.penalty(strength) * weights**2)) / 2

    # Convex: if nowhere nearby is better, then nowhere is.
    random, least = np.random.default_rng(1), objective(weights)
    scale = 0.1 * np.abs(weights).mean()
    assert all(objective(weights + random.normal(0, scale, weights.shape)) > least for _ in range(20))
    from_elsewhere = head.fit(train, strength, random.normal(0, 1, weights.shape).astype(np.float32))
    assert objective(from_elsewhere) == pytest.approx(least, abs=1e-4)


def test_ridge_head_solves_what_least_squares_solves() -> None:
    features, _ = _features(60, 4, 2)
    labels = features @ [1.0, -2.0, 0.5, 0.0] + 7 + np.random.default_rng(2).normal(size=60)
    everything = np.ones(60, bool)
    head = RidgeHead(Space.of(features), labels)

    design = np.hstack([features, np.ones((60, 1))])
    residuals = labels - design @ np.linalg.lstsq(design, labels, rcond=None)[0]
    weights = head.fit(everything, 1e-9, None)
    assert head.loss(everything, weights) == pytest.approx(np.mean(residuals**2), rel=1e-4)
    assert head.score(everything, weights) == pytest.approx(1 - residuals.var() / labels.var(), rel=1e-4)


@pytest.mark.parametrize("regression", [False, True])
def test_scores_do_not_change_when_features_are_scaled_turned_and_moved(*, regression: bool) -> None:
    features, labels = _features(90, 6, 3)
    target = features[:, 0] + labels if regression else labels
    fold_of = folds.assign(target, 5, 0)
    turned = 1000 * features @ np.linalg.qr(np.random.default_rng(3).normal(size=(6, 6)))[0] + 50

    assert cross_validate(turned, target, fold_of) == pytest.approx(cross_validate(features, target, fold_of), abs=0.06)


def test_noise_is_not_learned() -> None:
    features = np.random.default_rng(4).normal(size=(400, 300))
    labels = np.arange(400) % 2

    assert 0.4 < np.mean(cross_validate(features, labels, folds.assign(labels, 5, 0))) < 0.6
    assert -0.1 < np.mean(cross_validate(features, labels / 3, folds.assign(labels, 5, 0))) < 0.1


def test_features_that_never_vary_give_the_commonest_class() -> None:
    labels = np.array([0] * 20 + [1] * 10)

    assert cross_validate(np.ones((30, 3)), labels, folds.assign(labels, 5, 0)) == pytest.approx([2 / 3] * 5)


@pytest.mark.parametrize("number", [2, 3, 5])
def test_folds_share_out_each_class_evenly(number: int) -> None:
    labels = np.repeat([0, 1, 2], [7, 20, 31])
    fold_of = folds.assign(labels, number, 0)

    for label in (0, 1, 2):
        counts = np.bincount(fold_of[labels == label], minlength=number)
        assert counts.max() - counts.min() <= 1
    counts = np.bincount(fold_of)
    assert counts.max() - counts.min() <= 1
    assert (fold_of != folds.assign(labels, number, 1)).any()


def test_folds_of_numbers_reach_from_low_to_high() -> None:
    labels = np.random.default_rng(9).permutation(np.arange(100.0))
    fold_of = folds.assign(labels, 5, 0)

    for fold in range(5):
        assert (np.sort(labels[fold_of == fold]) // 5 == np.arange(20)).all()
    assert (fold_of != folds.assign(labels, 5, 1)).any()


def test_spread_keeps_the_share_of_each_class() -> None:
    labels = np.repeat([0, 1], [90, 10])
    chosen = folds.spread(labels, 20, 0)

    assert (np.bincount(labels[chosen]) == [18, 2]).all()
    assert (np.diff(chosen) > 0).all()
    assert len(folds.spread(labels, 1000, 0)) == 100
