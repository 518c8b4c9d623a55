"""Models with more than one attribute needs, and all that functions can hang on."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import tensorflow as tf


class Part(tf.Module):
    """A variable behind a list and a dict, and a function of its own."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.parts = [{"kernel": tf.Variable([value, value + 1.0], name="kernel")}, tf.Variable(value, name="aside")]

    @tf.function(input_signature=[tf.TensorSpec([None, 2])])
    def encode(self, inputs: Any) -> Any:
        return inputs * self.parts[0]["kernel"]


@tf.custom_gradient
def doubled_gradient(inputs: Any) -> Any:
    """The identity, with a gradient that is twice the true one."""
    return tf.identity(inputs), lambda upstream: upstream * 2.0


class Rich(tf.Module):
    """Conditions, loops, a custom gradient, tables, parts, functions and variables that nothing calls."""

    def __init__(self, words: Path) -> None:
        super().__init__()
        self.part = Part(2.0)
        self.scale = tf.Variable(3.0, name="scale")
        self.steps = tf.Variable(2, trainable=False, name="steps")
        self.unused = tf.Variable([7.0], name="unused")
        self.variables_list = [self.part.parts[0]["kernel"], self.scale]
        self.trainable_variables_list = [self.scale]
        initializer = tf.lookup.TextFileInitializer(
            str(words), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
        )
        self.table = tf.lookup.StaticVocabularyTable(initializer, num_oov_buckets=1)
        self.counts = tf.lookup.experimental.DenseHashTable(
            tf.string, tf.float32, default_value=-1.0, empty_key="", deleted_key="-"
        )
        self.counts.insert(["a"], [5.0])
        self.regularization_losses = [tf.function(self._regularize, input_signature=[])]
        for training in (False, True):
            self.__call__.get_concrete_function(tf.TensorSpec([None, 2]), training=training)

    def _regularize(self) -> Any:
        return 0.5 * self.scale**2

    @tf.function
    def __call__(self, inputs: Any, training: bool = False) -> Any:
        outputs = doubled_gradient(self.part.encode(inputs)) * self.scale
        if training:
            self.steps.assign_add(1)
        for _ in tf.range(self.steps):
            outputs = outputs + 1.0
        if tf.reduce_sum(outputs) > 0.0:
            outputs = outputs * 2.0
        return outputs

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def look_up(self, words: Any) -> Any:
        return tf.cast(self.table.lookup(words), tf.float32) + self.counts.lookup(words) + self.unused

    @tf.function(input_signature=[tf.TensorSpec([None, 2])])
    def serve(self, inputs: Any) -> Any:
        return {"outputs": self(inputs)}


def write_rich(folder: Path) -> Path:
    """Writes a `Rich` model with the attributes of the reusable interface."""
    words = folder.with_name("words.txt")
    words.write_text("a\nb\n")
    model = Rich(words)
    saved = tf.train.Checkpoint(
        model=model,
        variables=model.variables_list,
        trainable_variables=model.trainable_variables_list,
        regularization_losses=model.regularization_losses,
        look_up=model.look_up,
        part=model.part,
    )
    saved.__call__ = model.__call__
    tf.saved_model.save(saved, str(folder), signatures={"serving_default": model.serve})
    return folder


class Node(tf.Module):
    """One of many modules that hang together anyhow; each calls those after it that it was given."""

    def __init__(self, place: int, others: list[Node]) -> None:
        super().__init__()
        self.kernel = tf.Variable(float(place + 1), name=f"kernel_{place}")
        self._others = tuple(others)

    @tf.function(input_signature=[tf.TensorSpec([None])])
    def __call__(self, inputs: Any) -> Any:
        return self.kernel * inputs + sum((other(inputs) for other in self._others), tf.zeros([]))


def random_tree(seed: int) -> Node:
    """Modules that hang on each other by attributes, lists and dicts, and call others than they hold."""
    choice = random.Random(seed)
    nodes: list[Node] = []
    for place in range(8):
        nodes.append(Node(place, choice.sample(nodes, min(len(nodes), choice.randrange(3)))))
    root = nodes[-1]
    for place, node in enumerate(nodes[:-1]):
        holder = choice.choice(nodes[place + 1 :])
        kind = choice.choice(["attribute", "list", "dict"])
        held = node if kind == "attribute" else [node] if kind == "list" else {"held": node}
        setattr(holder, f"{kind}_{place}", held)
    return root
