"""A tool's schemas: read, checked against JSON Schema 2020-12, and hashed.

- Read strictly (RFC 7493), of bounded size and depth: two readers of a schema never see two things.
- Compared with the meta-schema by a library that gets nothing but the document; it resolves and fetches nothing.
- Formats and regular expressions are not judged: both are the business of whoever checks arguments.
- The hash is over what a schema means as JSON, so white space and the order of members do not change it; and over the
  description, which is what makes a model call the tool, and how.
"""

import hashlib
import itertools
from collections.abc import Iterator
from functools import cache

from jsonschema_rs import Draft202012Validator, ValidationError, ValidationErrorKind
from ringfence.proofs.canonical_json import CanonicalFormError, canonical

from ringfence_registry.cards.strict_json import (
    MAX_FAULTS,
    JsonFault,
    JsonLimits,
    JsonPath,
    JsonValue,
    StrictJsonError,
    pointer_of,
    read_strict_json,
)
from ringfence_registry.errors import ToolSchemaInvalid
from ringfence_registry.tools.model import ToolSchema
from ringfence_registry.tools.schema_structure import DIALECT, SchemaStructure

SCHEMA_LIMITS = JsonLimits(size=65_536, depth=64)


def read_schemas(given_input: str, given_output: str, description: str = "") -> ToolSchema:
    """Return the schemas with their hash, or raise `ToolSchemaInvalid` with every fault and its JSON pointer.

    An empty output schema promises nothing. `description` is the tool's; without one it is no part of the hash.
    """
    takes = _read(given_input, "tool.input_schema")
    returns = _read(given_output, "tool.output_schema") if given_output else None
    told: dict[str, JsonValue] = {"description": description} if description else {}
    described = canonical({**told, "input": takes, "output": returns})
    schema_hash = f"sha256-{hashlib.sha256(described).hexdigest()}"
    return ToolSchema(input=given_input, output=given_output, hash=schema_hash)


def _read(text: str, field: str) -> JsonValue:
    try:
        document = read_strict_json(text.encode(), SCHEMA_LIMITS)
        canonical(document)
    except StrictJsonError as error:
        raise ToolSchemaInvalid(field, error.faults) from None
    except CanonicalFormError:
        fault = JsonFault("", "holds a whole number beyond 2^53, which JSON readers disagree about", "RFC 7493 2.2")
        raise ToolSchemaInvalid(field, (fault,)) from None
    faults = dict.fromkeys(itertools.islice(_faults_in(document), MAX_FAULTS))
    if faults:
        raise ToolSchemaInvalid(field, faults)
    return document


def _faults_in(document: JsonValue) -> Iterator[JsonFault]:
    wrong = False
    for error in _meta_schema().iter_errors(document):
        wrong = True
        yield JsonFault(_pointer(error), _problem(error))
    if not wrong:  # what is no schema has no structure to speak of
        yield from SchemaStructure(document).faults()


@cache
def _meta_schema() -> Draft202012Validator:
    # `mask`: a message never repeats a value, which may be a megabyte or a secret.
    return Draft202012Validator({"$ref": DIALECT}, mask="the value")


def _pointer(error: ValidationError) -> str:
    path: JsonPath = ()
    for step in error.instance_path:
        path = (path, step)
    return pointer_of(path)


def _problem(error: ValidationError) -> str:
    if isinstance(error.kind, ValidationErrorKind.AnyOf):
        return "is none of what JSON Schema 2020-12 allows here"
    return error.message.removeprefix("the value ")
