"""Reading the fields of a policy file: every problem is noted with its place, and reading goes on.

A reader asks a `View` for what it expects and always gets something back, even for a field that is not there, so that
one mistake does not hide the next. What was built from a file with problems is thrown away.
"""

import re
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, field

import msgspec
from ringfence_kit.errors import Violation

from ringfence_pdp.yaml_reader import Mapping, Mark, Node, Scalar, Sequence

PROBLEMS_MAX = 100
"""Problems that are reported at once."""


class Place(msgspec.Struct, frozen=True, order=True, gc=False):
    """Where something is written: file, line and column, and the path of the field."""

    file: str
    mark: Mark
    field: str

    def __str__(self) -> str:
        return f"{self.file}:{self.mark} {self.field}".rstrip()


class Problem(msgspec.Struct, frozen=True, order=True, gc=False):
    """One thing wrong with one field of one file."""

    place: Place
    problem: str
    remedy: str = ""

    def __str__(self) -> str:
        return self.problem + (f"; {self.remedy}" if self.remedy else "")

    def as_violation(self) -> Violation:
        """Return it as callers see it: `file:line:column field`."""
        return Violation(str(self.place), str(self))


@dataclass(slots=True)
class Report:
    """Problems found so far."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, place: Place, problem: str, remedy: str = "") -> None:
        """Note a problem."""
        self.note(Problem(place, problem, remedy))

    def note(self, problem: Problem) -> None:
        """Note a problem, unless there are enough."""
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)


class View(msgspec.Struct, frozen=True, gc=False):
    """A node of a file, the path of the field it is, and where to note what is wrong with it.

    The view of a field that is not there has no node; reading it gives something empty and notes nothing.
    """

    file: str
    node: Node | None
    mark: Mark
    path: str
    report: Report

    @property
    def present(self) -> bool:
        """Say whether the field is there."""
        return self.node is not None

    def wrong(self, problem: str, remedy: str = "", *, mark: Mark | None = None) -> None:
        """Note that this field is wrong, if it is there: that it is missing was noted where it was looked for."""
        if self.present:
            self.report.add(Place(self.file, mark or self.mark, self.path), problem, remedy)

    @property
    def place(self) -> Place:
        """Where this field is written."""
        return Place(self.file, self.mark, self.path)

    def fields(self, *, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> AnyMapping[str, "View"]:
        """Read a mapping; what is missing and what is not known is noted. The answer has a view for every name."""
        known = (*required, *optional)
        under = f"{self.path}." if self.path else ""
        there: dict[str, View] = {}
        if isinstance(self.node, Mapping):
            for entry in self.node.entries:
                view = View(self.file, entry.value, entry.value.mark, under + entry.key, self.report)
                if entry.key in known:
                    there[entry.key] = view
                else:
                    view.wrong(f"there is no field {entry.key!r}", f"known are {', '.join(known)}", mark=entry.mark)
            for name in required:
                if name not in there:
                    self.wrong(f"{name!r} is missing")
        else:
            self.wrong(f"expected fields, found {_kind(self.node)}", f"known are {', '.join(known)}")
        return {name: there.get(name) or View(self.file, None, self.mark, under + name, self.report) for name in known}

    def items(self, *, at_least: int = 1, at_most: int) -> tuple["View", ...]:
        """Read a list."""
        if not isinstance(self.node, Sequence):
            if self.present:
                self.wrong(f"expected a list, found {_kind(self.node)}", "write [a, b], or a dash before each item")
            return ()
        count = len(self.node.items)
        if not at_least <= count <= at_most:
            self.wrong(f"has {count} items", f"give {at_least} to {at_most}")
        return tuple(
            View(self.file, item, item.mark, f"{self.path}[{place}]", self.report)
            for place, item in enumerate(self.node.items)
        )

    def text(self, pattern: re.Pattern[str] | None = None, shape: str = "", *, at_most: int = 256) -> str:
        """Read a text that matches the whole pattern."""
        if not isinstance(self.node, Scalar):
            self.wrong(f"expected a text, found {_kind(self.node)}", shape)
            return ""
        text = self.node.text
        if len(text) > at_most:
            self.wrong(f"has {len(text)} characters", f"{at_most} at most")
        elif not text or (pattern is not None and pattern.fullmatch(text) is None):
            self.wrong(f"{text!r} is not {shape or 'a text'}" if text else "is empty", "" if text else shape)
        return text

    def one_of(self, *known: str) -> str:
        """Read one of a few words."""
        text = self.node.text if isinstance(self.node, Scalar) else ""
        if text not in known:
            found = f"{text!r} is not known" if text else f"expected a word, found {_kind(self.node)}"
            self.wrong(found, f"give {' or '.join(known)}")
        return text

    def integer(self, low: int, high: int) -> int:
        """Read a whole number between two bounds."""
        text = self.node.text if isinstance(self.node, Scalar) else ""
        if re.fullmatch(r"-?\d{1,9}", text, re.ASCII) and low <= int(text) <= high:
            return int(text)
        found = repr(text) if text else _kind(self.node)
        self.wrong(f"expected a whole number, found {found}", f"give {low} to {high}")
        return low

    def boolean(self) -> bool:
        """Read `true` or `false`; a field that is not there is false."""
        return self.present and self.one_of("true", "false") == "true"

    def json_object(self) -> dict[str, object]:
        """Read any fields as JSON."""
        if isinstance(self.node, Mapping):
            return {entry.key: as_json(entry.value) for entry in self.node.entries}
        self.wrong(f"expected fields, found {_kind(self.node)}")
        return {}


def distinct(views: tuple[View, ...]) -> None:
    """Note every item that repeats an earlier one."""
    seen: set[str] = set()
    for view in views:
        if isinstance(view.node, Scalar):
            if view.node.text in seen:
                view.wrong(f"{view.node.text!r} is there twice", "keep one")
            seen.add(view.node.text)


_WORDS: AnyMapping[str, object] = {"true": True, "false": False, "null": None, "": None}
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,14})", re.ASCII)
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?([eE][+-]?\d{1,2})?", re.ASCII)


def as_json(node: Node) -> object:
    """Return a node as JSON: what is unquoted and looks like a number, `true`, `false` or `null` is one."""
    match node:
        case Mapping():
            return {entry.key: as_json(entry.value) for entry in node.entries}
        case Sequence():
            return [as_json(item) for item in node.items]
        case Scalar(quoted=True):
            return node.text
    if _INTEGER.fullmatch(node.text):
        return int(node.text)
    return float(node.text) if _NUMBER.fullmatch(node.text) else _WORDS.get(node.text, node.text)


def _kind(node: Node | None) -> str:
    match node:
        case Scalar():
            return f"the text {node.text[:40]!r}" if node.text else "nothing"
        case Sequence():
            return "a list"
        case Mapping():
            return "fields"
        case None:
            return "nothing"
