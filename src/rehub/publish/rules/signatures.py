"""Rules about signatures, and about the graph variants of TensorFlow 1."""

from __future__ import annotations

from collections.abc import Iterator

from rehub.publish.rules.rule import Found, Rule
from rehub.publish.rules.subject import Subject
from rehub.publish.rules.ways import ways

_SERVING = "serving_default"
_DEFAULT = "default"


def _serving(subject: Subject) -> list[Found] | str:
    names = sorted({signature.name for graph in subject.info.meta_graphs for signature in graph.signatures})
    if not names and not any(graph.functions for graph in subject.info.meta_graphs):
        return "nothing of the model can be called"
    if _SERVING in names:
        return []
    known = ", ".join(names) or "none"
    what = f"there is no signature '{_SERVING}', which TensorFlow Serving calls; there are: {known}"
    return [Found("signatures", what, "Pass signatures={'serving_default': ...} to tf.saved_model.save.")]


def _default(subject: Subject) -> Iterator[Found]:
    for graph in subject.info.meta_graphs:
        names = [signature.name for signature in graph.signatures]
        if _DEFAULT not in names:
            yield Found(
                f"the graph {sorted(graph.tags)}",
                f"it has no signature '{_DEFAULT}', by which hub.Module calls it; it has: {', '.join(names) or 'none'}",
                "Call add_signature without a name for what most users want.",
            )
    for graph in subject.info.meta_graphs:
        for signature in graph.signatures:
            outputs = [output.name for output in signature.outputs]
            if signature.name == _DEFAULT and _DEFAULT not in outputs:
                yield Found(
                    f"the signature '{_DEFAULT}'",
                    f"it has no output '{_DEFAULT}', which a call returns; it has: {', '.join(outputs) or 'none'}",
                    "Name the main output 'default', or pass a single tensor to add_signature.",
                )
                return


def _variants(subject: Subject) -> Iterator[Found] | str:
    return _differences(subject) if len(subject.info.meta_graphs) > 1 else "there is only one graph"


def _differences(subject: Subject) -> Iterator[Found]:
    first, *others = subject.info.meta_graphs
    for graph in others:
        where = f"the graph {sorted(graph.tags)}"
        names, known = ({str(each) for each in one.signatures} for one in (graph, first))
        if names != known:
            different = "; ".join(sorted(names ^ known))
            yield Found(where, f"its signatures are not those of the others: {different}", "Add the same to all.")
        variables, known = ({each.name for each in one.variables} for one in (graph, first))
        if variables != known:
            different = ", ".join(sorted(variables ^ known)[:3])
            yield Found(
                where,
                f"its variables are not those of the others: {different}",
                "Make the same variables in all graph variants: they share their values.",
            )


def _plain(subject: Subject) -> Iterator[Found]:
    if frozenset() not in subject.info.tag_sets:
        tags = ", ".join(str(sorted(tags)) for tags in subject.info.tag_sets)
        yield Found(
            "the graphs",
            f"none is without tags, which is the one that is loaded by default: {tags}",
            "Add (set(), {...}) to tags_and_args.",
        )


def _batch(subject: Subject) -> Iterator[Found] | str:
    known = ways(subject)
    if not known:
        return "the model has no function with a known input"
    return _fixed(subject)


def _fixed(subject: Subject) -> Iterator[Found]:
    told = set[str]()
    for way in ways(subject):
        is_free = any(spec.shape is None or spec.shape[:1] == (None,) for spec in way.inputs.values())
        fixed = {name: spec for name, spec in way.inputs.items() if spec.shape}
        if fixed and not is_free and way.where not in told:
            told.add(way.where)
            listed = ", ".join(f"{spec.name or name}: {spec}" for name, spec in fixed.items())
            yield Found(
                way.where,
                f"it takes {listed}, which is one number of examples and no other",
                "Trace it with None as the first size.",
            )


RULES = (
    Rule("W301", f"There is the signature `{_SERVING}`.", _serving, ("saved_model_1", "saved_model_2")),
    Rule("E302", f"There is the signature `{_DEFAULT}`, and in it the output `{_DEFAULT}`.", _default, ("tf1_hub",)),
    Rule("E303", "All graph variants have the same signatures and variables.", _variants, ("tf1_hub",)),
    Rule("E304", "One graph variant has no tags.", _plain, ("tf1_hub",)),
    Rule("W305", "Inputs take any number of examples.", _batch),
)
