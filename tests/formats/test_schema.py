"""The compiled schema is what its source says. The source is read here by a reader of its own, without protoc."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import resources

import pytest

from rehub.formats import schema

TOKEN = re.compile(r'"[^"]*"|[\w.]+|[{}=;<>,]')
SCALARS = {1: "double", 2: "float", 3: "int64", 5: "int32", 7: "fixed32", 8: "bool", 9: "string", 12: "bytes"}
SCALARS[13], SCALARS[18] = "uint32", "sint64"

Facts = set[tuple[str, str]]


def source_facts() -> Facts:
    """One (scope, statement) pair for each field and enum value, one without statement for each message and enum."""
    facts: Facts = set()
    files = [file for file in resources.files(schema).iterdir() if file.name.endswith(".proto")]
    for file in files:
        tokens = TOKEN.findall(re.sub(r"//.*", "", file.read_text()))
        scope, statement = [], []
        package = tokens[tokens.index("package") + 1]
        for token in tokens:
            if token == "{":
                scope.append((statement[0], statement[1]))
                statement = []
                if scope[-1][0] != "oneof":
                    facts.add((".".join([package, *(name for _, name in scope)]), ""))
            elif token == "}":
                scope.pop()
            elif token != ";":
                statement.append(token)
            else:
                if scope:
                    where = [name for kind, name in scope if kind != "oneof"]
                    oneof = [name for kind, name in scope if kind == "oneof"]
                    text = " ".join(statement[:-2]) + f" = {statement[-1]}" + (f" in {oneof[0]}" if oneof else "")
                    facts.add((".".join([package, *where]), text))
                statement = []
    return facts


def compiled_facts() -> Facts:
    facts: Facts = set()
    waiting = []
    for file in resources.files(schema).iterdir():
        if file.name.endswith(".proto"):
            descriptor = schema.pool().FindFileByName(file.name)
            waiting.extend(descriptor.message_types_by_name.values())
            facts |= enum_facts(descriptor.enum_types_by_name.values())
    while waiting:
        descriptor = waiting.pop()
        waiting.extend(kind for kind in descriptor.nested_types if not kind.GetOptions().map_entry)
        facts |= enum_facts(descriptor.enum_types) | {(descriptor.full_name, "")}
        for field in descriptor.fields:
            oneof = f" in {field.containing_oneof.name}" if field.containing_oneof else ""
            facts.add((descriptor.full_name, f"{field_type(field)} {field.name} = {field.number}{oneof}"))
    return facts


def enum_facts(enums) -> Facts:
    values = {(enum.full_name, f"{value.name} = {value.number}") for enum in enums for value in enum.values}
    return values | {(enum.full_name, "") for enum in enums}


def field_type(field) -> str:
    kind = field.message_type or field.enum_type
    if field.message_type and field.message_type.GetOptions().map_entry:
        key, value = kind.fields
        return f"map < {field_type(key)} , {field_type(value)} >"
    plain = kind.full_name if kind else SCALARS[field.type]
    is_repeated = field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED
    return f"repeated {plain}" if is_repeated else plain


def test_compiled_schema_is_what_the_source_says() -> None:
    compiled = compiled_facts()
    names = {scope for scope, _ in compiled}

    def absolute(scope: str, text: str) -> tuple[str, str]:
        def find(match: re.Match[str]) -> str:
            parts = scope.split(".")
            candidates = [".".join([*parts[:length], match[0]]) for length in range(len(parts), 0, -1)]
            return next((name for name in candidates if name in names), match[0])

        if not text:
            return scope, text
        kind, equals, number = text.partition(" = ")
        words = kind.split(" ")
        typed = " ".join(re.sub(r"^[A-Z][\w.]*", find, word) for word in words[:-1])
        return scope, f"{typed} {words[-1]}".strip() + equals + number

    assert {absolute(*fact) for fact in source_facts()} == compiled


def test_message_refuses_a_name_that_is_not_in_the_schema() -> None:
    with pytest.raises(KeyError, match="Nonsense"):
        schema.message("tensorflow.Nonsense")


def test_parse_refuses_invalid_text_in_every_implementation_of_protobuf() -> None:
    code = """
from google.protobuf.message import DecodeError
from rehub.formats import schema
try:
    schema.parse("tensorflow.NodeDef", b"\\x0a\\x01\\xff")
except DecodeError:
    print("refused")
"""
    for implementation in ("python", "upb"):
        environment = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
        assert done.stdout == "refused\n", done.stderr
