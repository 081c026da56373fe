"""The arguments of a call as the texts filters look through, each with its type and its origin.

The rules:

- a type the tool's contract declares is taken at its word; any other is inferred (`argument_types.py`), and says so;
- a command that comes in pieces is put together first: `{"command": "rm", "args": ["-rf", "/"]}` is one command line;
- what is no text is there only when it is said to come from somebody untrusted;
- names of members are texts too when they are more than a plain name, because a text can hide there;
- what is too large or too deep is looked through as far as it goes, and the content says that this is not all of it;
- nothing here raises over what an agent sent.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from ringfence_pdp.filters.argument_types import ToolWords, inferred
from ringfence_pdp.filters.call_effects import effects_by_name, sends_out
from ringfence_pdp.filters.finding import Argument, ArgumentType, Content, Effects, Origin
from ringfence_pdp.filters.pointers import Said, below

BYTES_MAX: Final = 65_536
VALUES_MAX: Final = 4_096
DEPTH_MAX: Final = 64
TEXTS_MAX: Final = 400
"""Different texts. Each costs 0.1 to 0.5 ms to look through, however short it is, and decisions wait meanwhile."""

TOO_LARGE: Final = "the arguments are more than 64 KiB"
TOO_MANY: Final = "the arguments are more than 4,096 values"
TOO_MANY_TEXTS: Final = "the arguments are more than 400 different texts"
TOO_DEEP: Final = "the arguments are nested more than 64 deep"
NOT_JSON: Final = "the arguments hold a value JSON does not have"

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,39}|[0-9]{1,6}", re.ASCII)
_PROGRAM = ("command", "cmd", "program", "executable", "binary")
_PROGRAM_ARGUMENTS = ("args", "arguments", "argv", "parameters", "params", "flags", "options")
_NEEDS_QUOTES = re.compile(r"[\s'\"\\;&|<>()$`]")


class Contract(Protocol):
    """What the registry says of a tool, as far as filters ask: `facts.RegisteredTool` is one."""

    @property
    def argument_types(self) -> Mapping[str, ArgumentType]:
        """By JSON Pointer, `*` for every item of a list."""
        ...

    @property
    def external_sink(self) -> bool:
        """Whether what is passed to it leaves the mesh."""
        ...

    @property
    def effects(self) -> Effects:
        """What calling it does to the world."""
        ...

    @property
    def external_systems(self) -> Sequence[str]:
        """What it reaches outside the mesh."""
        ...


_NO_TYPES: Mapping[str, ArgumentType] = {}
_NO_ORIGINS: Mapping[str, Origin] = {}


def content_of(
    arguments: Mapping[str, object],
    *,
    action: str = "",
    tool: str = "",
    contract: Contract | None = None,
    origins: Mapping[str, Origin] = _NO_ORIGINS,
    types: Mapping[str, ArgumentType] = _NO_TYPES,
) -> Content:
    """Return what filters look through for a call. `types`: of arguments the contract says nothing of."""
    declared = {**types, **contract.argument_types} if contract is not None else types
    walk = _Walk(ToolWords.of(action, tool))
    walk.go(arguments, Said.of(declared), Said.of(origins))
    found = tuple(walk.found)
    if contract is None or contract.effects is Effects.UNKNOWN:
        # A contract that says nothing of it is none: else leaving it out would close the way out to everybody's eyes.
        effects = effects_by_name(action, tool)
        is_sink = sends_out(action, tool, effects, found)
    else:
        effects, is_sink = contract.effects, False
    if contract is not None:
        changes = effects in (Effects.REVERSIBLE, Effects.IRREVERSIBLE)
        is_sink = is_sink or contract.external_sink or (changes and bool(contract.external_systems))
    return Content(found, action, tool, effects, is_sink, walk.problem)


def content_of_text(text: str, *, type: ArgumentType | None = None, origin: Origin = Origin.UNKNOWN) -> Content:  # noqa: A002 - what it is
    """Return what filters look through for a text that stands alone; its type is inferred unless it is said."""
    shown, problem = text, ""
    if _bytes(text) > BYTES_MAX:
        shown, problem = _cut(text, BYTES_MAX), "the text is more than 64 KiB"
    known = inferred("", shown, ToolWords()) if type is None else type
    return Content((Argument("", shown, known, type is not None, origin),), problem=problem)


class _Step(NamedTuple):
    """A value that is still to be looked at."""

    value: object
    pointer: str
    name: str
    """Of the nearest member it belongs to."""
    depth: int
    types: Said[ArgumentType]
    origins: Said[Origin]


class _Walk:
    """One pass through arguments, without recursion: how deep they are is the agent's choice."""

    def __init__(self, words: ToolWords) -> None:
        self.found: list[Argument] = []
        self.problem = ""
        self._words = words
        self._bytes_left = BYTES_MAX
        self._values = 0
        self._texts: set[tuple[str, ArgumentType]] = set()

    def go(self, arguments: Mapping[str, object], types: Said[ArgumentType], origins: Said[Origin]) -> None:
        """Collect every text in `arguments`, in their order."""
        waiting = [_Step(arguments, "", "", 0, types, origins)]
        while waiting:
            if self._bytes_left <= 0:
                self.problem = TOO_LARGE
                return
            step = waiting.pop()
            self._values += 1
            if self._values > VALUES_MAX:
                self.problem = TOO_MANY
                return
            match step.value:
                case str():
                    self._text(step, step.value)
                case None | bool() | int() | float() as value:
                    self._bare(step, value)
                case Mapping() | list() | tuple() if step.depth >= DEPTH_MAX:
                    self.problem = TOO_DEEP
                case Mapping():
                    waiting += self._members(step, step.value)
                case list() | tuple():
                    waiting += self._items(step, step.value)
                case _:
                    self.problem = NOT_JSON

    def _members(self, step: _Step, members: Mapping[object, object]) -> list[_Step]:
        if len(members) + self._values > VALUES_MAX:
            self.problem = TOO_MANY
        together = _command_line(members)
        steps = []
        for name, value in list(members.items())[:VALUES_MAX]:
            text = name if isinstance(name, str) else str(name)
            inner = _Step(
                together.get(text, value),
                below(step.pointer, text),
                text,
                step.depth + 1,
                step.types.at(text),
                step.origins.at(text),
            )
            if not _PLAIN_NAME.fullmatch(text):
                self._put(inner, text, inferred("", text, self._words), is_declared=False)
            steps.append(inner)
        steps.reverse()
        return steps

    def _items(self, step: _Step, items: Sequence[object]) -> list[_Step]:
        if len(items) + self._values > VALUES_MAX:
            self.problem = TOO_MANY
        if self._is_command(step, items):
            return [step._replace(value=_joined(items))]
        steps = [
            _Step(
                value,
                below(step.pointer, str(place)),
                step.name,
                step.depth + 1,
                step.types.at(str(place)),
                step.origins.at(str(place)),
            )
            for place, value in enumerate(items[:VALUES_MAX])
        ]
        steps.reverse()
        return steps

    def _is_command(self, step: _Step, items: Sequence[object]) -> bool:
        if len(items) < 2 or not all(isinstance(item, str) and "\n" not in item for item in items):
            return False
        known = step.types.value
        if known is None:
            known = inferred(step.name, _joined(items), self._words)
        # A list of whole command lines has spaces in its first item; the words of one command have none there.
        return known is ArgumentType.SHELL and " " not in str(items[0]).strip()

    def _text(self, step: _Step, text: str) -> None:
        declared = step.types.value
        known = inferred(step.name, text, self._words) if declared is None else declared
        self._put(step, text, known, is_declared=declared is not None)

    def _bare(self, step: _Step, value: float | None) -> None:
        # Nothing can be said with it, so it is only there for who asks where it comes from: an amount, an account.
        origin = step.origins.value
        if origin is not None and origin.is_untrusted:
            text = str(value)
            self._bytes_left -= len(text)
            self.found.append(Argument(step.pointer, text, ArgumentType.IDENTIFIER, False, origin))

    def _put(self, step: _Step, text: str, known: ArgumentType, *, is_declared: bool) -> None:
        size = _bytes(text)
        if size > self._bytes_left:
            text, self.problem = _cut(text, self._bytes_left), TOO_LARGE
        self._bytes_left -= size
        # Where a text is passed again nothing new is in it: it costs nothing, and is there for who asks for origins.
        if text and len(self._texts) == TEXTS_MAX and (text, known) not in self._texts:
            self.problem = TOO_MANY_TEXTS
        elif text:
            self._texts.add((text, known))
            origin = step.origins.value or Origin.UNKNOWN
            self.found.append(Argument(step.pointer, text, known, is_declared, origin))


def _command_line(members: Mapping[object, object]) -> Mapping[str, object]:
    """Return the whole command line under the name of its program, if `members` spell one in pieces."""
    program = next((name for name in _PROGRAM if isinstance(members.get(name), str)), None)
    if program is None:
        return {}
    for name in _PROGRAM_ARGUMENTS:
        rest = members.get(name)
        if isinstance(rest, str) and rest:
            return {program: f"{members[program]} {rest}"}
        if isinstance(rest, list | tuple) and rest and all(isinstance(item, str | int | float) for item in rest):
            return {program: f"{members[program]} {_joined(rest)}"}
    return {}


def _joined(words: Sequence[object]) -> str:
    """Return the words of a command as a shell would be given them."""
    return " ".join(_quoted(str(word)) for word in words)


def _quoted(word: str) -> str:
    if word and not _NEEDS_QUOTES.search(word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _cut(text: str, size: int) -> str:
    """Return the beginning of `text` that is at most `size` bytes."""
    if text.isascii():
        return text[:size]
    return text.encode("utf-8", "surrogatepass")[:size].decode("utf-8", "ignore")
