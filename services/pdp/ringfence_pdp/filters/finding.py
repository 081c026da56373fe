"""What content filters look at and what they find: plain values, the same for every filter and every door.

The numbers of the enumerations are those of `ringfence.pdp.v1`; a test holds the two together. A filter is a function
of what it is given: the same content and the same rules give the same findings, in the same order.
"""

import enum
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable


class ArgumentType(enum.IntEnum):
    """What an argument is written in. Which rules look at it follows from this."""

    FREE_TEXT = 1
    SQL = 2
    SHELL = 3
    PATH = 4
    URL = 5
    IDENTIFIER = 6
    CODE = 7
    SECRET = 8

    @property
    def word(self) -> str:
        """The type as rules and policies write it."""
        return self.name.lower()


class Origin(enum.IntEnum):
    """Where the value of an argument comes from."""

    UNKNOWN = 0
    USER = 1
    AUTHOR = 2
    TOOL_OUTPUT = 3
    AGENT = 4

    @property
    def is_untrusted(self) -> bool:
        """Whether somebody may have written it who has no say here."""
        return self in (Origin.TOOL_OUTPUT, Origin.AGENT)

    @property
    def word(self) -> str:
        """The origin as messages and the log write it."""
        return self.name.lower()


class Kind(enum.IntEnum):
    """What kind of filter found something."""

    RULE = 1
    ANALYSIS = 2
    INTENT = 3
    ORIGIN = 4
    REMOTE = 5
    FAILURE = 6


class Severity(enum.IntEnum):
    """How bad a finding is, before any policy has its say."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3

    @property
    def word(self) -> str:
        """The severity as rules and policies write it."""
        return self.name.lower()


class Action(enum.IntEnum):
    """What a policy makes of a finding."""

    NONE = 0
    """Nobody asked for a decision."""
    FLAG = 1
    REQUIRE_APPROVAL = 2
    DENY = 3


class Argument(NamedTuple):
    """One text among what is passed on."""

    pointer: str
    """JSON Pointer (RFC 6901) into the arguments; empty for a text that stands alone."""
    text: str
    type: ArgumentType = ArgumentType.FREE_TEXT
    is_declared: bool = False
    """Whether the tool's contract says the type; otherwise it is inferred from the name."""
    origin: Origin = Origin.UNKNOWN


class Effects(enum.IntEnum):
    """What the call does to the world, by the tool's contract or, without one, by the action's name."""

    UNKNOWN = 0
    NONE = 1
    READ = 2
    REVERSIBLE = 3
    IRREVERSIBLE = 4


class Content(NamedTuple):
    """What filters look through: the texts of one call, and what is known of the call."""

    arguments: tuple[Argument, ...]
    """Every text in the arguments, in their order; names of members that are long enough to say something too."""
    action: str = ""
    tool: str = ""
    effects: Effects = Effects.UNKNOWN
    is_sink: bool = False
    """Whether what is passed on leaves the mesh."""
    problem: str = ""
    """Why the arguments could not be looked through as a whole (too large, too deep), in a sentence; mostly empty."""


class Ngram(NamedTuple):
    """A piece of text and its weight; above 0 speaks for danger."""

    text: str
    weight: float


class Finding(NamedTuple):
    """Something a filter found. `ringfence.pdp.v1.Finding` documents each member."""

    kind: Kind
    id: str
    category: str
    severity: Severity
    message: str
    argument: str = ""
    argument_type: ArgumentType | None = None
    views: tuple[str, ...] = ()
    start: int = 0
    end: int = 0
    snippet: str = ""
    """What stands there, secrets masked; see `masking.py`."""
    p_value: float | None = None
    ngrams: tuple[Ngram, ...] = ()
    frame: Mapping[str, str] = {}
    model: str = ""
    origin: Origin = Origin.UNKNOWN
    action: Action = Action.NONE


@runtime_checkable
class Rating(Protocol):
    """What can say of any content how rare it is, also where it finds nothing."""

    def p_value(self, content: Content) -> float | None:
        """Return one in how many ordinary calls looks as dangerous; None when nobody can say."""
        ...


class Filter(Protocol):
    """Looks through content. Never raises over what it is given: what it cannot judge is a finding of kind FAILURE."""

    @property
    def digest(self) -> str:
        """`sha256-` and 64 hex digits over what it judges by."""
        ...

    def findings(self, content: Content) -> Sequence[Finding]:
        """Return what it finds, the worst first."""
        ...
