"""A classifier of one's own from one's own examples and a published model, by one call."""

from rehub.train.image_classifier import image_classifier
from rehub.train.result import Result
from rehub.train.text_classifier import text_classifier

__all__ = ["Result", "image_classifier", "text_classifier"]
