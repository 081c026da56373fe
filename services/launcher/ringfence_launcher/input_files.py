"""Reads the files commands are given, as bytes or as a message, with a Problem for what cannot be used."""

import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeVar

import yaml
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Problem

MessageT = TypeVar("MessageT", bound=Message)

MAX_BYTES = 8 << 20
"""No service takes more than this from one file; a mistyped path must not fill the memory."""


def read_bytes(file: Path) -> bytes:
    """Return the content of a file; `-` reads standard input."""
    try:
        if str(file) == "-":
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with file.open("rb") as opened:
                content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise unusable(file, error.strerror or str(error)) from error
    if len(content) > MAX_BYTES:
        raise unusable(file, f"it is larger than {MAX_BYTES} bytes")
    return content


def read_message(file: Path, message: MessageT, *, documents: Collection[str] = ()) -> MessageT:
    """Fill `message` from a YAML or JSON file in the proto's JSON form; an unknown field is a Problem.

    Members named in `documents` are JSON texts to the proto, and may stand in the file as what they say.
    """
    try:
        members = _mapping(read_bytes(file))
        for name in documents:
            if isinstance(members.get(name), dict):
                members[name] = json.dumps(members[name], ensure_ascii=False)
        ParseDict(members, message)
    except (yaml.YAMLError, ParseError, ValueError, TypeError, RecursionError) as error:
        raise unusable(file, " ".join(str(error).split())) from error
    return message


def unusable(file: Path, problem: str) -> Problem:
    """Return the Problem of a file that cannot be used."""
    return Problem(f"{file}: {problem}", code=ExitCode.CONFIGURATION, mend="correct the file, or name another")


_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _EachKeyOnce(yaml.SafeLoader):
    """YAML in which no key hides another: of two purposes in a certificate, neither is meant. Times stay texts, as they
    are in the proto's JSON form."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as its base declares it
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build one mapping."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the field {key!r} is there twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


def _mapping(content: bytes) -> dict[str, Any]:
    document = yaml.load(content, _EachKeyOnce)  # noqa: S506 - a SafeLoader with one more check
    if not isinstance(document, dict):
        raise TypeError("it must be a mapping of field names to values")
    return document
