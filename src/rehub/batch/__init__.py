"""Bulk inference: a model on all rows of a data set, on one machine or on a Ray cluster."""

from __future__ import annotations

from rehub.batch.prediction import predict
from rehub.batch.result import Prediction

__all__ = ["Prediction", "predict"]
