"""The structure of a JSON Schema beyond its keywords: where it leads, and what following it costs.

A tool's schema is complete in itself: nothing is ever fetched for it, so a reference leads into the same document or is
a fault. Whoever checks arguments against a schema follows references and in-place applicators at every value; one that
goes in circles there never ends, and one that doubles at each of thirty steps does not either, in practice.

Everything here takes time and memory in proportion to the document.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from ringfence_registry.cards.strict_json import JsonFault, JsonPath, JsonValue, pointer_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"

MOST_STEPS = 10_000
"""Subschemas one value may have to be compared with, every reference followed."""

# Keywords whose value is a schema, a list of schemas, or schemas by name (JSON Schema 2020-12 core 8.2.4, 10, 11).
_ONE = frozenset(
    {
        *("additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then"),
        *("unevaluatedItems", "unevaluatedProperties"),
    }
)
_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})

_IN_PLACE = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"})
"""Keywords whose schemas are applied to the same value (core 10.2)."""

_REFERENCES = ("$ref", "$dynamicRef")


@dataclass(slots=True)
class _Node:
    """One subschema that is an object."""

    schema: dict[str, JsonValue]
    path: JsonPath
    steps: "list[_Node]" = field(default_factory=list)
    """What else the same value is compared with."""
    cost: int = 0
    """Subschemas that is in all; 0 while it is not known."""
    entered: bool = False


class SchemaStructure:
    """One schema document."""

    def __init__(self, document: JsonValue) -> None:
        self._document = document
        self._nodes: dict[int, _Node] = {}
        """By the identity of the object, which the document keeps alive."""
        self._anchors: dict[str, JsonValue] = {}
        self._collect(document)

    def faults(self) -> Iterator[JsonFault]:
        """Yield what is wrong with how the schema hangs together."""
        for node in self._nodes.values():
            yield from self._faults_of(node)
        for node in self._nodes.values():
            if not node.cost and (fault := _endless(node)) is not None:
                yield fault
                return  # the others on the way are cut short by it, so nothing is known of them

    def _collect(self, document: JsonValue) -> None:
        pending: list[tuple[JsonValue, JsonPath, _Node | None]] = [(document, (), None)]
        while pending:
            schema, path, above = pending.pop()
            if not isinstance(schema, dict):
                continue  # true and false lead nowhere
            node = self._nodes[id(schema)] = _Node(schema, path)
            if above is not None:
                above.steps.append(node)
            for keyword in ("$anchor", "$dynamicAnchor"):
                if isinstance(anchor := schema.get(keyword), str):
                    self._anchors[anchor] = schema
            for keyword, below, child in _children(schema, path):
                pending.append((child, below, node if keyword in _IN_PLACE else None))

    def _faults_of(self, node: _Node) -> Iterator[JsonFault]:
        if node.schema.get("$schema", DIALECT) not in (DIALECT, f"{DIALECT}#"):
            yield _fault(node, "$schema", f"must be {DIALECT}, or left out")
        if node.path and "$id" in node.schema:
            yield _fault(node, "$id", "may stand only at the top: references below it would lead elsewhere")
        for keyword in _REFERENCES:
            if not isinstance(reference := node.schema.get(keyword), str):
                continue
            if not reference.startswith("#"):
                yield _fault(node, keyword, "leads out of the document, and nothing is fetched: put it under $defs")
                continue
            target = self._target(unquote(reference[1:]))
            if isinstance(target, dict) and id(target) in self._nodes:
                node.steps.append(self._nodes[id(target)])
            elif not isinstance(target, bool):
                yield _fault(node, keyword, "leads to no schema of this document")

    def _target(self, fragment: str) -> JsonValue:
        """Return what a fragment names (RFC 6901 6, or an anchor), or None when there is no such thing."""
        if not fragment:
            return self._document
        if not fragment.startswith("/"):
            return self._anchors.get(fragment)
        value = self._document
        for step in fragment[1:].split("/"):
            value = _member(value, step.replace("~1", "/").replace("~0", "~"))
        return value


def _member(value: JsonValue, name: str) -> JsonValue:
    match value:
        case dict():
            return value.get(name)
        case list() if name.isascii() and name.isdecimal() and len(name) < 6 and int(name) < len(value):
            return value[int(name)]
        case _:
            return None


def _children(schema: dict[str, JsonValue], path: JsonPath) -> Iterator[tuple[str, JsonPath, JsonValue]]:
    for keyword, value in schema.items():
        if keyword in _ONE:
            yield keyword, (path, keyword), value
        elif keyword in _LIST and isinstance(value, list):
            for index, each in enumerate(value):
                yield keyword, ((path, keyword), index), each
        elif keyword in _NAMED and isinstance(value, dict):
            for name, each in value.items():
                yield keyword, ((path, keyword), name), each


def _endless(start: _Node) -> JsonFault | None:
    """Reckon what `start` and all it leads to costs; return the first that never ends, or takes too many steps."""
    under_way = [(start, iter(start.steps))]
    start.entered = True
    while under_way:
        node, left = under_way[-1]
        step = next((step for step in left if not step.cost), None)
        if step is None:
            under_way.pop()
            node.cost = 1 + sum(step.cost for step in node.steps)
            if node.cost > MOST_STEPS:
                return _fault(node, "", f"takes more than {MOST_STEPS} steps to compare one value with")
        elif step.entered:
            return _fault(step, "", "leads back to itself without going down into a value")
        else:
            step.entered = True
            under_way.append((step, iter(step.steps)))
    return None


def _fault(node: _Node, keyword: str, problem: str) -> JsonFault:
    return JsonFault(pointer_of((node.path, keyword) if keyword else node.path), problem)
