"""Modules of every kind that the TF1 Hub format has to carry, built with whichever library is handed in.

All variables start from fixed values, so a module, its export and the same graph without any library agree.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tests.tf1 import applications
from tests.tf1.measurement import Measurement, measure

v1 = tf.compat.v1

TEXTS = {
    "words.txt": "red\ngreen\nblue\n",
    "labels.txt": "zero\none\ntwo\nthree\n",
    "scores.tsv": "red\t0.5\nblue\t-2.0\n",
}


@dataclasses.dataclass(frozen=True)
class Case:
    """One application: of the variant with ``tags``, by a signature, to these values."""

    inputs: Mapping[str, Any]
    signature: str = "default"
    tags: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class Kind:
    """A module and how to apply it.

    Attributes:
        name: Of its folder.
        module_fn: Takes the library, a folder with the files of ``TEXTS``, and the arguments of a variant.
        cases: Applications that together use all it has.
        variants: As ``tags_and_args``.
        control_flow_v2: Whether its loops and conditions become functions.
        peer_trains: Whether tensorflow_hub 0.15 gets its gradients on TensorFlow 2. It fails in loops of TensorFlow 1
            and with custom gradients, and gets zero for variables that are read in a function, or in a loop in a loop.
        keras_2: Whether it takes layers that are missing beside Keras 3.
    """

    name: str
    module_fn: Callable[..., None]
    cases: tuple[Case, ...]
    variants: tuple[tuple[frozenset[str], Mapping[str, Any]], ...] = ((frozenset(), {}),)
    control_flow_v2: bool = True
    peer_trains: bool = True
    keras_2: bool = False

    def create_spec(self, hub: Any, folder: Path, **options: Any) -> Any:
        """The module spec that a library makes of it; ``folder`` is for its assets, and kept."""
        write_texts(folder)

        def module_fn(**arguments: Any) -> None:
            self.module_fn(hub, folder, **arguments)

        with control_flow(v2=self.control_flow_v2):
            variants = [(set(tags), dict(arguments)) for tags, arguments in self.variants]
            return hub.create_module_spec(module_fn, variants, **options)


@contextlib.contextmanager
def control_flow(*, v2: bool) -> Iterator[None]:
    """Whether loops and conditions that are built here become functions."""
    before = v1.control_flow_v2_enabled()
    switch = {True: v1.enable_control_flow_v2, False: v1.disable_control_flow_v2}
    switch[v2]()
    try:
        yield
    finally:
        switch[before]()


def write_texts(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in TEXTS.items():
        (folder / name).write_text(text)


def export(hub: Any, spec: Any, path: Path) -> Path:
    """Exports a module with the values of its initializers."""
    with tf.Graph().as_default():
        module = hub.Module(spec)
        with v1.Session() as session:
            session.run([v1.global_variables_initializer(), v1.tables_initializer()])
            module.export(str(path), session)
    return path


def export_large(hub: Any, kernel: Any, path: Path) -> Path:
    """Exports a module with one kernel, whose value its graph does not hold."""

    def module_fn() -> None:
        x = v1.placeholder(tf.float32, [None, kernel.shape[0]])
        made = v1.get_variable("kernel", kernel.shape, initializer=v1.zeros_initializer())
        hub.add_signature(inputs=x, outputs=tf.matmul(x, made))

    with tf.Graph().as_default():
        module = hub.Module(hub.create_module_spec(module_fn))
        with v1.Session() as session:
            module.variable_map["kernel"].load(kernel, session)
            module.export(str(path), session)
    return path


def values(*shape: int, seed: int = 0) -> Any:
    """float32 of about 0.5 in magnitude."""
    return np.random.RandomState(seed).uniform(-1, 1, shape).astype(np.float32)


def variable(name: str, value: Any, **options: Any) -> Any:
    """``get_variable`` with an initial value, under a partitioner too."""

    def initializer(shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        part = value
        if partition_info is not None:
            begin = partition_info.var_offset
            part = value[tuple(slice(at, at + size) for at, size in zip(begin, shape, strict=True))]
        return tf.constant(part, dtype)

    return v1.get_variable(name, value.shape, tf.as_dtype(value.dtype), initializer, **options)


def _l2(tensor: Any) -> Any:
    return 0.01 * tf.reduce_sum(tf.square(tensor))


def _partitioned(hub: Any, folder: Path, axis: int = 0) -> None:
    ids = v1.placeholder(tf.int64, [None], "ids")
    x = v1.placeholder(tf.float32, [None, 5], "x")
    split = v1.fixed_size_partitioner(3, axis=axis)
    with v1.variable_scope("net", regularizer=_l2):
        table = variable("table", values(7, 5, seed=1), partitioner=v1.fixed_size_partitioner(3))
        kernel = variable("kernel", values(5, 4, seed=2), partitioner=split)
        old = variable("old", values(5, 4, seed=3), partitioner=split, use_resource=False)
        one = variable("one", values(4, seed=4), partitioner=v1.fixed_size_partitioner(1))
    rows = tf.nn.embedding_lookup(table, ids) if axis == 0 else tf.gather(table, ids)
    hub.add_signature(inputs={"ids": ids}, outputs=tf.matmul(rows, tf.convert_to_tensor(kernel)))
    hub.add_signature("dense", {"x": x}, tf.matmul(x, tf.convert_to_tensor(old)) + tf.convert_to_tensor(one))


def _mixed_variables(hub: Any, folder: Path) -> None:
    x = v1.placeholder(tf.float32, [None, 3])
    kernel = variable("kernel", values(3, 2, seed=1), use_resource=False)
    bias = variable("bias", values(2, seed=2), use_resource=True)
    scale = variable("scale", values(2, seed=3), use_resource=False)
    total = variable("total", values(2, seed=4), use_resource=True, trainable=False)
    seen = variable("seen", np.int32(2), use_resource=False, trainable=False)
    y = scale * (tf.matmul(x, kernel) + bias)
    for update in (v1.assign_add(seen, tf.shape(x)[0], use_locking=True), total.assign_sub(tf.reduce_mean(y, 0))):
        v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, update)
    hub.add_signature(inputs=x, outputs={"default": y, "seen": tf.identity(seen)})


def _control_flow(hub: Any, folder: Path) -> None:
    x = v1.placeholder(tf.float32, [None, 3], "x")
    count = v1.placeholder(tf.int32, [], "count")
    kernel = variable("kernel", 0.5 * values(3, 3, seed=1))
    old = variable("old", 0.5 * values(3, seed=2), use_resource=False)

    def row(index: Any, rows: Any, carry: Any) -> Any:
        state = tf.tanh(tf.matmul(x[index : index + 1], kernel) + carry)
        state = v1.cond(
            tf.reduce_sum(state) > 0,
            lambda: v1.cond(count > 2, lambda: state * 2.0, lambda: state - old),
            lambda: v1.while_loop(
                lambda n, _: n < count, lambda n, s: (n + 1, tf.sin(tf.matmul(s, kernel)) * old), (0, state)
            )[1],
        )
        state.set_shape([1, 3])
        return index + 1, rows.write(index, state[0]), state

    size = tf.shape(x)[0]
    rows = tf.TensorArray(tf.float32, size, element_shape=[3])
    _, rows, last = v1.while_loop(lambda i, *_: i < size, row, (0, rows, tf.zeros([1, 3])))
    hub.add_signature(inputs={"x": x, "count": count}, outputs={"default": rows.stack(), "last": last})


def _rnn(hub: Any, folder: Path) -> None:
    x = v1.placeholder(tf.float32, [None, None, 3], "x")
    lengths = v1.placeholder(tf.int32, [None], "lengths")
    with (
        warnings.catch_warnings(),
        v1.variable_scope("net", initializer=lambda shape, *_, **__: tf.constant(0.5 * values(*shape, seed=1))),
    ):
        warnings.simplefilter("ignore")  # these cells and layers are deprecated, which modules are not
        outputs, state = v1.nn.dynamic_rnn(v1.nn.rnn_cell.BasicLSTMCell(4), x, lengths, dtype=tf.float32)
        top = v1.layers.dense(state.h, 2)
    hub.add_signature(inputs={"x": x, "lengths": lengths}, outputs={"default": top, "sequence": outputs})


def _nested(hub: Any, folder: Path) -> None:
    def inner_fn() -> None:
        x = v1.placeholder(tf.float32, [None, 3])
        kernel = variable("kernel", values(3, 2, seed=1), regularizer=_l2)
        total = variable("total", values(2, seed=2), trainable=False)
        y = tf.matmul(x, kernel)
        v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, total.assign_add(tf.reduce_sum(y, 0)))
        hub.add_signature(inputs=x, outputs=y)

    def words_fn() -> None:
        words = tf.lookup.TextFileInitializer(str(folder / "words.txt"), tf.string, 0, tf.int64, -1, delimiter="\t")
        text = v1.placeholder(tf.string, [None])
        hub.add_signature(inputs=text, outputs=tf.lookup.StaticVocabularyTable(words, 2).lookup(text))

    x = v1.placeholder(tf.float32, [None, 3])
    text = v1.placeholder(tf.string, [None])
    inner = hub.Module(hub.create_module_spec(inner_fn), trainable=True, name="inner")
    ids = hub.Module(hub.create_module_spec(words_fn), name="words")(text)
    kernel = variable("kernel", values(2, 2, seed=3))
    y = tf.matmul(inner(x), kernel) + inner(2.0 * x)
    hub.add_signature(inputs=x, outputs=y)
    hub.add_signature("ids", text, ids)


def _custom_gradient(hub: Any, folder: Path) -> None:
    @tf.custom_gradient
    def log1pexp(x: Any) -> Any:
        e = tf.exp(x)
        return tf.math.log(1 + e), lambda upstream: upstream * (1 - 1 / (1 + e))

    x = v1.placeholder(tf.float32, [None, 3])
    kernel = variable("kernel", values(3, 2, seed=1))
    hub.add_signature(inputs=x, outputs=log1pexp(tf.matmul(x, kernel)))


def _training_switch(hub: Any, folder: Path) -> None:
    x = v1.placeholder(tf.float32, [None, 3])
    training = v1.placeholder_with_default(False, [], "training")
    kernel = variable("kernel", values(3, 2, seed=1))
    mean = variable("mean", values(2, seed=2), trainable=False)
    y = tf.matmul(x, kernel)
    batch_mean = tf.reduce_mean(y, 0)
    y = y - v1.cond(training, lambda: batch_mean, lambda: tf.identity(mean))
    step = mean.assign_sub(v1.cond(training, lambda: 0.5 * (mean - batch_mean), lambda: tf.zeros([2])))
    v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, step)
    hub.add_signature(inputs=x, outputs=y)
    hub.add_signature("with_switch", {"x": x, "training": training}, y)


def _counter(hub: Any, folder: Path) -> None:
    x = v1.placeholder(tf.float32, [None, 2])
    calls = variable("calls", np.int64(7), trainable=False)
    old_calls = variable("old_calls", np.int32(3), trainable=False, use_resource=False)
    kernel = variable("kernel", values(2, 2, seed=1))
    with tf.control_dependencies([calls.assign_add(1), v1.assign_add(old_calls, 2)]):
        y = tf.matmul(x, kernel.read_value())
        counts = tf.stack([calls.read_value(), tf.cast(old_calls.read_value(), tf.int64)])
    hub.add_signature(inputs=x, outputs={"default": y, "counts": counts})


def _functions(hub: Any, folder: Path, factor: float = 1.0) -> None:
    """Bodies under the names that every such module uses, which differ by the factor."""
    x = v1.placeholder(tf.float32, [None, 3], "x")
    kernel = variable("kernel", values(3, 3, seed=1))

    @tf.function
    def inner(y: Any) -> Any:
        return tf.nn.elu(y) * factor

    @tf.function
    def body(y: Any) -> Any:
        for _ in tf.range(2):
            y = inner(tf.matmul(y, kernel))
        return y + factor

    hub.add_signature(inputs=x, outputs=body(x))


def _scopes(hub: Any, folder: Path) -> None:
    """A variable, a scope with that name and ops with the names of outputs and of applications."""
    x = v1.placeholder(tf.float32, [None, 2], "module")
    outer = variable("net", values(2, 2, seed=1))
    with v1.variable_scope("net"):
        kernel = variable("net", values(2, 2, seed=2))
        inner = variable("net_1", values(2, seed=3))
    with tf.name_scope("module_apply_default"):
        y = tf.matmul(tf.matmul(x, outer, name="default"), kernel, name="kernel") + inner
    hub.add_signature(inputs=x, outputs={"default": y, "net": tf.identity(y, "net/net")})


def _batch_norm(hub: Any, folder: Path, training: bool = False) -> None:
    x = v1.placeholder(tf.float32, [None, 4, 4, 2])
    kernel = variable("kernel", 0.3 * values(3, 3, 2, 3, seed=1), regularizer=_l2)
    y = v1.nn.conv2d(x, kernel, 1, "SAME")
    gamma, beta = variable("gamma", 1 + 0.1 * values(3, seed=2)), variable("beta", values(3, seed=3))
    mean = variable("mean", 0.1 * values(3, seed=4), trainable=False)
    variance = variable("variance", 1 + 0.1 * values(3, seed=5), trainable=False)
    statistics = {} if training else {"mean": mean, "variance": variance}
    y, batch_mean, batch_variance = v1.nn.fused_batch_norm(y, gamma, beta, is_training=training, **statistics)
    if training:
        for old, new in ((mean, batch_mean), (variance, batch_variance)):
            v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, old.assign_sub(0.1 * (old - new)))
    hub.add_signature(inputs={"images": x}, outputs=tf.reduce_mean(tf.nn.relu(y), [1, 2]))


def _colocated(hub: Any, folder: Path) -> None:
    x = v1.placeholder(tf.float32, [None, 2])
    kernel = variable("kernel", values(2, 2, seed=1), use_resource=False)
    bias = variable("bias", values(2, seed=2))
    with v1.colocate_with(kernel.op):
        y = tf.matmul(x, kernel)
    with v1.colocate_with(x), v1.device("/cpu:0"):
        z = tf.add(y, bias)
    with v1.colocate_with(bias.handle):
        z = tf.identity(z)
    hub.add_signature(inputs=x, outputs={"default": z, "input": tf.identity(x)})


def _ends(hub: Any, folder: Path) -> None:
    kernel = variable("kernel", values(4, 2, seed=1))
    numbers = v1.sparse_placeholder(tf.float32, [None, 4], "numbers")
    words = v1.ragged.placeholder(tf.string, 1, [], "words")
    offset = v1.placeholder(tf.float32, [None, 2], "offset")
    product = v1.sparse_tensor_dense_matmul(numbers, kernel) + offset
    outputs = {"default": product, "doubled": numbers * 2.0, "positive": tf.sparse.from_dense(tf.nn.relu(product))}
    hub.add_signature("sparse", {"numbers": numbers, "offset": offset}, outputs)
    lengths = words.with_values(tf.strings.length(words.values))
    outputs = {"default": words.row_lengths(), "lengths": lengths, "reversed": words[:, ::-1]}
    hub.add_signature("ragged", {"words": words}, outputs)
    hub.add_signature("both", {"words": words, "numbers": numbers}, {"default": _product(words, numbers)})


def _product(words: Any, numbers: Any) -> Any:
    """A dense tensor that needs both."""
    return tf.cast(words.row_lengths(), tf.float32)[:, tf.newaxis] * tf.sparse.to_dense(numbers)


def _tables(hub: Any, folder: Path) -> None:
    text = v1.placeholder(tf.string, [None], "text")
    ids = v1.placeholder(tf.int64, [None], "ids")

    def from_file(name: str, *columns: Any) -> Any:
        return tf.lookup.TextFileInitializer(str(folder / name), *columns)

    whole, line = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
    word_ids = tf.lookup.StaticVocabularyTable(from_file("words.txt", tf.string, whole, tf.int64, line), 3)
    labels = tf.lookup.StaticHashTable(from_file("labels.txt", tf.int64, line, tf.string, whole), "unknown")
    scores = tf.lookup.StaticHashTable(from_file("scores.tsv", tf.string, 0, tf.float32, 1), 9.0)
    pairs = tf.lookup.KeyValueTensorInitializer(["red", "cyan"], tf.constant([5, 6], tf.int64))
    colours = tf.lookup.StaticHashTable(pairs, -1)
    weights = variable("weights", values(6, 2, seed=1))
    vectors = tf.nn.embedding_lookup(weights, word_ids.lookup(text))
    outputs = {"default": vectors, "scores": scores.lookup(text), "colours": colours.lookup(text)}
    hub.add_signature(inputs=text, outputs=outputs)
    hub.add_signature("labels", ids, labels.lookup(ids))


_TRAIN = frozenset({"train"})
_X = values(4, 3, seed=10)
_LOOPS = tuple(Case({"x": values(4, 3, seed=36), "count": np.int32(count)}) for count in (2, 3))
_SEQUENCE = {"x": values(3, 5, 3, seed=12), "lengths": np.array([5, 2, 0], np.int32)}
_SPARSE = v1.SparseTensorValue(
    np.array([[0, 1], [0, 3], [2, 0]], np.int64), values(3, seed=13), np.array([3, 4], np.int64)
)
_RAGGED = v1.ragged.RaggedTensorValue(
    np.array([b"one", b"fourteen", b"", b"x"], object), np.array([0, 2, 2, 4], np.int64)
)
_WORDS = np.array([b"green", b"red", b"cyan", b"blue"], object)

KINDS = (
    Kind(
        "partitioned",
        _partitioned,
        (Case({"ids": np.array([0, 3, 6, 3])}), Case({"x": values(2, 5, seed=9)}, "dense")),
    ),
    Kind("mixed_variables", _mixed_variables, (Case({"default": _X}),)),
    Kind("loops_v1", _control_flow, _LOOPS, control_flow_v2=False, peer_trains=False),
    Kind("loops_v2", _control_flow, _LOOPS, peer_trains=False),
    Kind("rnn_v1", _rnn, (Case(_SEQUENCE),), control_flow_v2=False, peer_trains=False, keras_2=True),
    Kind("rnn_v2", _rnn, (Case(_SEQUENCE),), keras_2=True),
    Kind("nested", _nested, (Case({"default": _X}), Case({"default": _WORDS}, "ids"))),
    Kind("custom_gradient", _custom_gradient, (Case({"default": _X}),), peer_trains=False),
    Kind(
        "training_switch",
        _training_switch,
        (
            Case({"default": _X}),
            Case({"x": _X, "training": np.bool_(True)}, "with_switch"),
            Case({"x": _X, "training": np.bool_(False)}, "with_switch"),
        ),
    ),
    Kind("counter", _counter, (Case({"default": _X[:, :2]}),)),
    Kind(
        "functions_a",
        _functions,
        (Case({"default": _X}),),
        ((frozenset(), {"factor": 0.5}),),
        peer_trains=False,
    ),
    Kind(
        "functions_b",
        _functions,
        (Case({"default": _X}), Case({"default": _X}, tags=_TRAIN)),
        ((frozenset(), {"factor": -1.5}), (_TRAIN, {"factor": 0.25})),
        peer_trains=False,
    ),
    Kind("scopes", _scopes, (Case({"default": _X[:, :2]}),)),
    Kind(
        "batch_norm",
        _batch_norm,
        tuple(Case({"images": values(5, 4, 4, 2, seed=14)}, tags=tags) for tags in (frozenset(), _TRAIN)),
        ((frozenset(), {}), (_TRAIN, {"training": True})),
    ),
    Kind("colocated", _colocated, (Case({"default": _X[:, :2]}),)),
    Kind(
        "ends",
        _ends,
        (
            Case({"numbers": _SPARSE, "offset": values(3, 2, seed=15)}, "sparse"),
            Case({"words": _RAGGED}, "ragged"),
            Case({"words": _RAGGED, "numbers": _SPARSE}, "both"),
        ),
    ),
    Kind("tables", _tables, (Case({"default": _WORDS}), Case({"default": np.array([3, 0, 9])}, "labels"))),
)

# tensorflow_hub neither exports nor applies it.
SPLIT_COLUMNS = Kind(
    "split_columns",
    _partitioned,
    (Case({"ids": np.array([0, 3, 6, 3])}), Case({"x": values(2, 5, seed=9)}, "dense")),
    ((frozenset(), {"axis": 1}),),
)


def measure_plain(kind: Kind, case: Case, folder: Path) -> Measurement:
    """What a case gives in a graph without any library; ``folder`` is for the texts."""
    write_texts(folder)
    add = functools.partial(kind.module_fn, folder=folder, **dict(kind.variants)[case.tags])
    with control_flow(v2=kind.control_flow_v2):
        return measure(lambda: applications.of_plain_graph(add, case.inputs, case.signature))
