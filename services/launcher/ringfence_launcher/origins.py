"""Where content comes from, as typed: `tool_output` for all of it, `/body=agent` for one argument."""

import enum
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer
from ringfence.pdp.v1 import filter_pb2 as pb

from ringfence_launcher.words import number

OriginOption = Annotated[
    list[str] | None,
    typer.Option(
        "--origin", metavar="[POINTER=]ORIGIN", help="user, author, tool_output or agent; /to=user of one argument."
    ),
]


class Origin(enum.StrEnum):
    """Where a value comes from, as typed."""

    USER = "user"
    AUTHOR = "author"
    TOOL_OUTPUT = "tool_output"
    AGENT = "agent"


def origins_of(given: Sequence[str] | None) -> Iterator[tuple[str, Any]]:
    """Give each JSON Pointer with the number of its origin; or end with a usage error."""
    for text in given or ():
        pointer, _, origin = text.rpartition("=")
        if origin not in set(Origin) or (pointer and not pointer.startswith("/")):
            known = ", ".join(Origin)
            raise typer.BadParameter(f"--origin {text!r}: write one of {known}, or a JSON Pointer, = and one of them")
        yield pointer, number(pb.Origin, Origin(origin))
