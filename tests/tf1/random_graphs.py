"""Random TF1 graphs: a seed decides what they consist of, and how they nest it.

The same function adds a graph to a module and to a plain session, so that both can be compared.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tests.tf1 import modules
from tests.tf1.modules import values, variable

v1 = tf.compat.v1

WIDTH = 3
COLUMNS = 5
VARIANTS: tuple[tuple[frozenset[str], Mapping[str, Any]], ...] = (
    (frozenset(), {"training": False}),
    (frozenset({"train"}), {"training": True}),
)
# Loops within loops apply an expression dozens of times. It has to contract, forwards and backwards: else what differs
# in the last bit grows by orders of magnitude, and three steps of training end somewhere else on another processor.
SCALE = 0.4
WORDS = (b"red", b"green", b"blue", b"cyan", b"")

# From one tensor [rows, WIDTH] to another. Variables are made beforehand, outside of all loops.
Expression = Callable[[Any], Any]


def uses_control_flow_v2(seed: int) -> bool:
    """Whether the loops and conditions of this graph, outside of functions, are those of TensorFlow 2."""
    return seed % 2 == 1


def module_fn(seed: int, depth: int, folder: Path, hub: Any, training: bool) -> None:
    """Adds the graph and its signature; with ``training`` it normalises by the batch.

    Args:
        seed: Decides what the graph consists of.
        depth: How deep it may nest its loops, conditions and functions.
        folder: Has the files of ``modules.TEXTS``.
        hub: The library, or what takes its place.
        training: Which of the variants.
    """
    _Graph(seed, depth, folder, training).add_signature(hub)


def create_spec(seed: int, depth: int, folder: Path, hub: Any) -> Any:
    """The module spec of a library, with both variants."""
    modules.write_texts(folder)
    with modules.control_flow(v2=uses_control_flow_v2(seed)):
        return hub.create_module_spec(
            lambda training: module_fn(seed, depth, folder, hub, training),
            [(set(tags), dict(arguments)) for tags, arguments in VARIANTS],
        )


def inputs(seed: int) -> dict[str, Any]:
    """Values for the signature."""
    choose = random.Random(seed)
    rows = choose.randint(1, 5)
    cells = sorted((row, column) for row in range(rows) for column in range(COLUMNS) if choose.random() < 0.4)
    lengths = [choose.randint(0, 3) for _ in range(rows)]
    return {
        "x": values(rows, WIDTH, seed=seed),
        "words": np.array([choose.choice(WORDS) for _ in range(rows)], object),
        "count": np.int32(choose.randint(0, 3)),
        "numbers": v1.SparseTensorValue(
            np.array(cells, np.int64).reshape(-1, 2),
            values(len(cells), seed=seed + 1),
            np.array([rows, COLUMNS], np.int64),
        ),
        "lists": v1.ragged.RaggedTensorValue(
            values(sum(lengths), seed=seed + 2), np.cumsum([0, *lengths], dtype=np.int64)
        ),
    }


class _Graph:
    def __init__(self, seed: int, depth: int, folder: Path, training: bool) -> None:
        self.choose = random.Random(seed)
        self.depth = depth
        self.control_flow_v2 = uses_control_flow_v2(seed)
        self.folder = folder
        self.training = training
        self.variables = 0
        self.x = v1.placeholder(tf.float32, [None, WIDTH], "x")
        self.words = v1.placeholder(tf.string, [None], "words")
        self.count = v1.placeholder(tf.int32, [], "count")
        self.numbers = v1.sparse_placeholder(tf.float32, [None, COLUMNS], "numbers")
        self.lists = v1.ragged.placeholder(tf.float32, 1, [], "lists")

    def add_signature(self, hub: Any) -> None:
        """Joins the inputs in random ways, in random order."""
        tensor = self.x
        branches = [self.from_words, self.from_sparse, self.from_ragged, self.normalised, self.counted]
        for branch in self.choose.sample(branches, self.choose.randint(2, len(branches))):
            tensor = self.expression(depth=self.choose.randint(1, self.depth))(branch(tensor))
        outputs = {"default": tensor, "again": self.expression(depth=1)(tensor)}
        if self.flip():
            outputs["sparse"] = tf.sparse.from_dense(tf.nn.relu(tensor))
        if self.flip():
            outputs["ragged"] = self.lists.with_values(self.lists.values * tf.reduce_mean(tensor))
        if self.flip():
            outputs["labels"] = self.labels(tensor)
        names = ("x", "words", "count", "numbers", "lists")
        hub.add_signature(inputs={name: getattr(self, name) for name in names}, outputs=outputs)

    def flip(self) -> bool:
        return self.choose.random() < 0.5

    def variable(self, *shape: int, resource: bool | None = None) -> Any:
        """A tensor or a variable: of either kind, whole or in parts along any axis, with or without a loss."""
        self.variables += 1
        options: dict[str, Any] = {"use_resource": self.flip() if resource is None else resource}
        if len(shape) == 2 and self.choose.random() < 0.3:
            options["partitioner"] = v1.fixed_size_partitioner(2, axis=self.choose.randint(0, 1))
        if self.choose.random() < 0.3:
            options["regularizer"] = lambda tensor: 0.01 * tf.reduce_sum(tf.square(tensor))
        made = variable(f"v{self.variables}", SCALE * values(*shape, seed=self.variables), **options)
        return tf.convert_to_tensor(made) if "partitioner" in options else made

    # Inputs

    def from_words(self, tensor: Any) -> Any:
        lines = tf.lookup.TextFileIndex
        words = tf.lookup.TextFileInitializer(
            str(self.folder / "words.txt"), tf.string, lines.WHOLE_LINE, tf.int64, lines.LINE_NUMBER
        )
        buckets = self.choose.randint(1, 3)
        ids = tf.lookup.StaticVocabularyTable(words, buckets).lookup(self.words)
        return tensor + tf.nn.embedding_lookup(self.variable(3 + buckets, WIDTH), ids)

    def from_sparse(self, tensor: Any) -> Any:
        return tensor + v1.sparse_tensor_dense_matmul(self.numbers, tf.identity(self.variable(COLUMNS, WIDTH)))

    def from_ragged(self, tensor: Any) -> Any:
        sums = tf.reduce_sum(self.lists, 1)
        return tensor + sums[:, tf.newaxis] * self.variable(WIDTH)

    def normalised(self, tensor: Any) -> Any:
        mean = variable(f"mean{self.variables}", values(WIDTH, seed=7), trainable=False, use_resource=self.flip())
        if not self.training:
            return tensor - mean
        batch = tf.reduce_mean(tensor, 0)
        update = v1.assign_sub(mean, 0.1 * (tf.identity(mean) - batch))
        v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, update)
        return tensor - batch

    def counted(self, tensor: Any) -> Any:
        calls = variable(f"calls{self.variables}", np.int64(0), trainable=False, use_resource=True)
        with tf.control_dependencies([calls.assign_add(1)]):
            return tensor * 0.5 + 0.1 * tf.cast(calls.read_value(), tf.float32)

    def labels(self, tensor: Any) -> Any:
        lines = tf.lookup.TextFileIndex
        labels = tf.lookup.TextFileInitializer(
            str(self.folder / "labels.txt"), tf.int64, lines.LINE_NUMBER, tf.string, lines.WHOLE_LINE
        )
        return tf.lookup.StaticHashTable(labels, "none").lookup(tf.argmax(tensor, 1))

    # Expressions

    def expression(self, depth: int, around: str = "graph") -> Expression:
        """A random expression that nests at most so deep, inside of a graph, a loop or a function."""
        kinds: list[Callable[[int, str], Expression]] = [self.dense, self.sum]
        if depth:
            kinds = [self.condition, self.own_gradient, self.sum]
            # TensorFlow has no gradients of functions in loops of version 1, nor of loops in functions in these.
            if self.control_flow_v2 or around != "function":
                kinds += [self.loop, self.row_loop]
            if self.control_flow_v2 or around != "loop":
                kinds.append(self.function)
        return self.choose.choice(kinds)(depth, around)

    def dense(self, depth: int, around: str) -> Expression:
        # Functions cannot capture reference variables.
        kernel = self.variable(WIDTH, WIDTH, resource=True if around == "function" else None)
        activation = self.choose.choice([tf.tanh, tf.sin, tf.nn.elu])
        return lambda tensor: activation(tf.matmul(tensor, kernel))

    def sum(self, depth: int, around: str) -> Expression:
        one, other = (self.expression(depth - 1, around) if depth else tf.tanh for _ in range(2))
        return lambda tensor: 0.5 * (one(tensor) + other(tf.sin(tensor)))

    def condition(self, depth: int, around: str) -> Expression:
        yes, no = (self.expression(depth - 1, around) for _ in range(2))
        on_data, limit = self.flip(), self.choose.uniform(-1, 1)

        def apply(tensor: Any) -> Any:
            predicate = tf.reduce_sum(tensor) > limit if on_data else self.count > 1
            return v1.cond(predicate, lambda: yes(tensor), lambda: no(tensor))

        return apply

    def loop(self, depth: int, around: str) -> Expression:
        body = self.expression(depth - 1, "function" if around == "function" else "loop")
        shape = tf.TensorShape([None, WIDTH])

        def step(index: Any, tensor: Any) -> Any:
            return index + 1, tf.ensure_shape(body(tensor), shape)

        return lambda tensor: v1.while_loop(
            lambda index, _: index < self.count, step, (0, tensor), (tf.TensorShape([]), shape)
        )[1]

    def row_loop(self, depth: int, around: str) -> Expression:
        body = self.expression(depth - 1, "function" if around == "function" else "loop")

        def apply(tensor: Any) -> Any:
            size = tf.shape(tensor)[0]
            rows = tf.TensorArray(tf.float32, size, element_shape=[WIDTH])

            def step(index: Any, rows: Any, carry: Any) -> Any:
                carry = tf.ensure_shape(body(tensor[index : index + 1] + carry), [1, WIDTH])
                return index + 1, rows.write(index, carry[0]), carry

            rows = v1.while_loop(lambda index, *_: index < size, step, (0, rows, tf.zeros([1, WIDTH])))[1]
            return tf.ensure_shape(rows.stack(), [None, WIDTH])

        return apply

    def function(self, depth: int, around: str) -> Expression:
        body = self.expression(depth - 1, around="function")

        @tf.function(autograph=False)
        def function(tensor: Any) -> Any:
            return body(tensor)

        return function

    def own_gradient(self, depth: int, around: str) -> Expression:
        factor = self.choose.uniform(0.5, 0.9)

        @tf.custom_gradient
        def scaled_upstream(tensor: Any) -> Any:
            return tf.tanh(tensor), lambda upstream: upstream * factor

        body = self.expression(depth - 1, around)
        return lambda tensor: scaled_upstream(body(tensor))
