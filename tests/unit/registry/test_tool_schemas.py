"""The schemas of tools: what is one, what is not and where, and what the hash says."""

import hashlib
import json
import socket
import time
from typing import Any

import pytest
from ringfence_registry.errors import ToolSchemaInvalid
from ringfence_registry.tools.schema_structure import DIALECT, MOST_STEPS
from ringfence_registry.tools.schemas import SCHEMA_LIMITS, read_schemas

SOON_S = 1.0
"""Far more than anything of this size may take."""


def refused(schema: Any, output: str = "") -> dict[str, str]:
    """Return what is wrong with an input schema, by its place."""
    text = schema if isinstance(schema, str) else json.dumps(schema)
    with pytest.raises(ToolSchemaInvalid) as caught:
        read_schemas(text, output)
    return {violation.field.partition("#")[2]: violation.problem for violation in caught.value.violations}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        True,
        False,
        {"type": "object", "properties": {"table": {"type": "string", "minLength": 1}}, "required": ["table"]},
        {"$schema": DIALECT, "$id": "https://tools.example.com/export", "type": "object"},
        {"$schema": f"{DIALECT}#"},
        {"$defs": {"row": {"type": "array", "items": {"$ref": "#/$defs/cell"}}, "cell": {}}, "$ref": "#/$defs/row"},
        {"definitions": {"cell": True}, "properties": {"a": {"$ref": "#/definitions/cell"}}},
        {"$defs": {"a": {"$anchor": "here"}}, "$ref": "#here"},
        {"$defs": {"a/b~c": {"type": "null"}}, "$ref": "#/$defs/a~1b~0c"},
        {"$defs": {"a b": {"type": "null"}}, "$ref": "#/$defs/a%20b"},
        {"properties": {"next": {"$ref": "#"}}},
        {"anyOf": [{"type": "null"}, {"type": "array", "items": {"$ref": "#"}}]},
        {"prefixItems": [{"$ref": "#/prefixItems/1"}, {"type": "string"}]},
        {"x-vendor": {"$ref": "this is no schema"}, "const": {"$ref": "https://nor.this.example.com"}},
        {"properties": {"$ref": {"type": "string"}}},
        {"maximum": 1e300, "minimum": -1.5, "multipleOf": 0.01},
    ],
)
def test_a_schema_is_taken(schema: Any) -> None:
    text = json.dumps(schema)
    read = read_schemas(text, text)
    assert (read.input, read.output) == (text, text)


@pytest.mark.parametrize(
    ("schema", "where", "said"),
    [
        ([], "", 'is not of types "boolean", "object"'),
        ("null", "", "is not of types"),
        ({"type": "objekt"}, "/type", "is none of what JSON Schema 2020-12 allows here"),
        ({"properties": {"a": {"minLength": -1}}}, "/properties/a/minLength", "is less than the minimum of 0"),
        ({"required": "table"}, "/required", 'is not of type "array"'),
        ({"properties": {"a/b": 3}}, "/properties/a~1b", 'is not of types "boolean", "object"'),
        ({"$defs": {"a": {"$ref": 5}}}, "/$defs/a/$ref", 'is not of type "string"'),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema", f"must be {DIALECT}, or left out"),
        ({"properties": {"a": {"$id": "https://x.example.com"}}}, "/properties/a/$id", "only at the top"),
        ({"$ref": "#/$defs/a"}, "/$ref", "leads to no schema of this document"),
        ({"$ref": "#here"}, "/$ref", "leads to no schema of this document"),
        ({"$ref": "#/x", "x": {"type": "string"}}, "/$ref", "leads to no schema of this document"),
        ({"$ref": "#/allOf/7", "allOf": [{}]}, "/$ref", "leads to no schema of this document"),
        ({"$dynamicRef": "other.json#a"}, "/$dynamicRef", "leads out of the document"),
        ('{"type": "object", "type": "string"}', "/type", "is given more than once"),
        ("{", "", "is not JSON"),
        ("", "", "is empty"),
        ('{"maximum": 1e999}', "/maximum", "is not a finite number"),
        ('{"maximum": 9007199254740993}', "", "beyond 2^53"),
        ('{"const": "\\ud800"}', "/const", "lone surrogate"),
    ],
)
def test_a_fault_is_named_with_its_place(schema: Any, where: str, said: str) -> None:
    found = refused(schema)
    assert said in found[where]


def test_every_fault_is_named_up_to_a_bound() -> None:
    assert set(refused({"type": 1, "required": 2, "allOf": []})) == {"/type", "/required", "/allOf"}
    assert len(refused({"properties": {f"p{number}": 5 for number in range(5_000)}})) <= 16


def test_the_schema_that_is_wrong_is_named() -> None:
    with pytest.raises(ToolSchemaInvalid) as caught:
        read_schemas("{}", '{"type": 1}')
    assert [violation.field for violation in caught.value.violations] == ["tool.output_schema#/type"]


def test_no_fault_repeats_what_was_sent() -> None:
    secret = "hunter2" * 3
    with pytest.raises(ToolSchemaInvalid) as caught:
        read_schemas(json.dumps({"type": secret, "minLength": secret, "$ref": f"https://{secret}"}), "")
    assert secret not in str(caught.value)


# The hash


def test_the_hash_is_over_the_canonical_form_of_both() -> None:
    described = b'{"input":{"a":1.5,"type":"object"},"output":null}'
    expected = f"sha256-{hashlib.sha256(described).hexdigest()}"
    assert read_schemas('{ "type":"object", "a": 1.50 }', "").hash == expected
    assert read_schemas('{"a":15e-1,\n"type":"\\u006fbject"}', "").hash == expected


def test_what_the_model_reads_is_in_the_hash_where_there_is_any() -> None:
    described = '{"description":"Exports a table: café.","input":{},"output":null}'.encode()
    expected = f"sha256-{hashlib.sha256(described).hexdigest()}"
    assert read_schemas("{}", "", "Exports a table: café.").hash == expected
    assert read_schemas("{}", "", "").hash == read_schemas("{}", "").hash


def test_another_schema_has_another_hash() -> None:
    texts = ["{}", "true", '{"type":"object"}', '{"type":["object"]}', '{"description":"a"}', '{"description":"A"}']
    pairs = [(takes, returns) for takes in texts for returns in ["", *texts]]
    assert len({read_schemas(*pair).hash for pair in pairs}) == len(pairs)


# Attacks


def test_remote_references_are_refused_and_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("a schema made the registry call somebody")

    monkeypatch.setattr(socket, "socket", no_network)
    monkeypatch.setattr(socket, "create_connection", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    for reference in (
        "http://169.254.169.254/latest/meta-data",
        "https://internal.example.com/schema.json#/$defs/a",
        "file:///etc/passwd",
        "//127.0.0.1/x",
        "other.json",
        "?x#/a",
        DIALECT,
        "urn:example:a",
    ):
        for keyword in ("$ref", "$dynamicRef"):
            found = refused({"properties": {"a": {"items": {keyword: reference}}}})
            assert "leads out of the document" in found[f"/properties/a/items/{keyword}"]
    based = {"$id": "http://169.254.169.254/", "$ref": "http://169.254.169.254/#/$defs/a", "$defs": {"a": {}}}
    assert "leads out of the document" in refused(based)["/$ref"]


def test_a_reference_cannot_be_moved_by_a_base_below_the_top() -> None:
    moved = {"$defs": {"a": {"$id": "http://127.0.0.1/", "$ref": "#/$defs/b"}, "b": {}}}
    assert "/$defs/a/$id" in refused(moved)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}]},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"},
        {"$defs": {"a": {"$anchor": "a", "if": {"$dynamicRef": "#a"}}}},
        {"dependentSchemas": {"x": {"$ref": "#"}}},
    ],
)
def test_a_schema_that_never_ends_is_refused(schema: Any) -> None:
    assert any("leads back to itself" in problem for problem in refused(schema).values())


def test_a_schema_that_doubles_at_every_step_is_refused() -> None:
    doubling: dict[str, Any] = {f"s{step}": {"allOf": [{"$ref": f"#/$defs/s{step + 1}"}] * 2} for step in range(40)}
    found = refused({"$defs": {**doubling, "s40": {"type": "string"}}, "$ref": "#/$defs/s0"})
    assert any(f"more than {MOST_STEPS} steps" in problem for problem in found.values())
    few = {name: doubling[name] for name in ("s0", "s1", "s2")}
    read_schemas(json.dumps({"$defs": {**few, "s3": {}}, "$ref": "#/$defs/s0"}), "")


def nested(depth: int) -> str:
    return '{"items":' * depth + "{}" + "}" * depth


def wide(count: int) -> str:
    return json.dumps({"allOf": [{} for _ in range(count)]})


def long_paths() -> str:
    """One name of half the document, and many schemas below it."""
    return json.dumps({"properties": {"x" * 30_000: {"properties": {f"{n}": {"$ref": "#/a"} for n in range(1_400)}}}})


@pytest.mark.parametrize(
    "text",
    [
        "[" * 60_000,
        '{"not":' * 9_000,
        nested(SCHEMA_LIMITS.depth + 1),
        wide(18_000),
        long_paths(),
        json.dumps({"anyOf": [{"$ref": "#/" + "a/" * 100} for _ in range(280)]}),
        json.dumps({"properties": {f"p{n}": {"type": "x"} for n in range(2_800)}}),
        '{"minimum": 1' + "0" * 60_000 + "}",
        '{"a": "' + "x" * SCHEMA_LIMITS.size + '"}',
    ],
    ids=["brackets", "unclosed", "deep", "wide", "paths", "pointers", "faults", "digits", "size"],
)
def test_a_bomb_is_refused_at_once(text: str) -> None:
    began = time.thread_time()
    assert refused(text)
    assert time.thread_time() - began < SOON_S


@pytest.mark.parametrize(
    "text",
    [
        nested(SCHEMA_LIMITS.depth - 1),
        wide(9_000),
        json.dumps({"properties": {f"p{n}": {"type": "string"} for n in range(2_000)}}),
        json.dumps({"properties": {f"p{n}": {"$ref": "#/$defs/a"} for n in range(1_500)}, "$defs": {"a": {}}}),
        json.dumps({"pattern": "(a+)+$" * 1_000}),
    ],
    ids=["deep", "wide", "many", "references", "pattern"],
)
def test_a_large_honest_schema_is_read_at_once(text: str) -> None:
    began = time.thread_time()
    read_schemas(text, text)
    assert time.thread_time() - began < SOON_S
