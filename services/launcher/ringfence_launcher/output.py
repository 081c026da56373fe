"""What commands print: a table for people, the proto's own JSON for programs.

The rules:

- `-o json` prints exactly one JSON document on stdout (a stream prints one a line), in the JSON form of the proto, as
  grpcurl prints it, with fields that have their default value included; nothing else is ever on stdout;
- `-o table` may change from release to release and is not meant to be parsed;
- hints and progress go to stderr, and only in table mode;
- everything shown has been through `plain`: what an agent calls itself cannot move the cursor.
"""

import enum
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ringfence_launcher.plain_text import plain

MessageT = TypeVar("MessageT", bound=Message)

_PIPE_WIDTH = 10_000
"""Columns of a table that is piped: nobody's terminal ends there, so nothing is cut."""


class OutputFormat(enum.StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


def console(*, stderr: bool = False) -> Console:
    """Return a console on stdout or stderr. Piped, it neither wraps nor colours."""
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = _PIPE_WIDTH
    return made


class Output:
    """Where a command's results go."""

    def __init__(self, chosen: OutputFormat, *, stdout: Console | None = None, stderr: Console | None = None) -> None:
        self._format = chosen
        self.stdout = stdout or console()
        self.stderr = stderr or console(stderr=True)

    @property
    def is_json(self) -> bool:
        """Say whether a program reads this."""
        return self._format is OutputFormat.JSON

    def one(self, message: MessageT, view: Callable[[MessageT], RenderableType]) -> None:
        """Print one message."""
        self._print(lambda: as_json(message), lambda: view(message))

    def many(self, messages: Sequence[MessageT], view: Callable[[Sequence[MessageT]], RenderableType]) -> None:
        """Print a list of messages: a JSON array, or a table."""
        self._print(lambda: [as_json(message) for message in messages], lambda: view(messages))

    def event(self, message: MessageT, view: Callable[[MessageT], RenderableType]) -> None:
        """Print one event of a stream, on one line, at once."""
        if self.is_json:
            self._json(json.dumps(as_json(message), ensure_ascii=False))
        else:
            self.stdout.print(view(message))
        self.stdout.file.flush()

    def line(self, value: Mapping[str, Any], text: str) -> None:
        """Print one event that is no message, on one line, at once."""
        if self.is_json:
            self._json(json.dumps(value, ensure_ascii=False))
        else:
            self.verbatim(text)
        self.stdout.file.flush()

    def value(self, value: Mapping[str, Any] | Sequence[Any], view: Callable[[], RenderableType]) -> None:
        """Print what is no message: `value` as JSON, or what `view` makes of it. A `str` is never wrapped."""
        self._print(lambda: value, view)

    def _print(
        self, document: Callable[[], Mapping[str, Any] | Sequence[Any]], view: Callable[[], RenderableType]
    ) -> None:
        if self.is_json:
            self._json(json.dumps(document(), indent=2, ensure_ascii=False))
            return
        shown = view()
        if isinstance(shown, str):
            self.verbatim(shown)
        elif self.stdout.is_terminal:
            self.stdout.print(shown)
        else:
            self._piped(shown)

    def _piped(self, shown: RenderableType) -> None:
        """Print without the blanks that fill up the last column."""
        with self.stdout.capture() as captured:
            self.stdout.print(shown)
        lines = captured.get().removesuffix("\n").split("\n")
        self.stdout.out("\n".join(line.rstrip() for line in lines), highlight=False)

    def verbatim(self, text: str) -> None:
        """Print lines to be copied, for a person: whatever the terminal's width, they are not broken."""
        if not self.is_json:
            self.stdout.out(plain(text, keep="\n"), highlight=False)

    def raw(self, content: bytes) -> None:
        """Print bytes as they are, whatever the format: they are a document of their own."""
        self.stdout.file.flush()
        binary = getattr(self.stdout.file, "buffer", None)
        if binary is None:
            self.stdout.file.write(content.decode("utf-8", "replace"))
        else:
            binary.write(content)
            binary.flush()

    def hint(self, text: str) -> None:
        """Tell a person what they could do next; programs are told nothing."""
        if not self.is_json:
            self.stderr.print(Text(plain(text, keep="\n"), style="dim"))

    def _json(self, text: str) -> None:
        self.stdout.out(text, highlight=False)


def as_json(message: Message) -> dict[str, Any]:
    """Return the message in proto3 JSON, defaults included."""
    return MessageToDict(message, always_print_fields_with_no_presence=True)


def fields(rows: Iterable[tuple[str, str | Text]]) -> Table:
    """Return one thing as lines of `name  value`; what is empty is left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        if value:
            grid.add_row(_cell(name), _cell(value))
    return grid


def table(headers: Sequence[str], rows: Iterable[Sequence[str | Text]], *, empty: str) -> RenderableType:
    """Return many things as a table, or the sentence `empty` when there are none."""
    listed = list(rows)
    if not listed:
        return Text(empty)
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for header in headers:
        made.add_column(header, overflow="fold", justify="right" if header.startswith(">") else "left")
        made.columns[-1].header = header.removeprefix(">")
    for row in listed:
        made.add_row(*(_cell(value) for value in row))
    return made


def stacked(*parts: RenderableType | None) -> RenderableType:
    """Return parts one below the other, without those that are None."""
    return Group(*(part for part in parts if part is not None))


def _cell(value: str | Text) -> Text:
    return value if isinstance(value, Text) else Text(plain(value, keep="\n"))
