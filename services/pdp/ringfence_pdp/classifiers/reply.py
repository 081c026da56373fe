"""What a classifier elsewhere is asked and what it answers, as plain values, and how that becomes findings.

The rules:

- secrets are never sent, and content without any other text is not asked about: there is nothing to look at;
- what it answers is taken whole or not at all; what makes no sense is no reply;
- every finding says by which certificate the classifier was known and which model it named; secrets in its words are
  masked: it saw the texts.
"""

import enum
import hashlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ringfence_pdp.filters.finding import Argument, ArgumentType, Content, Finding, Kind, Origin, Severity
from ringfence_pdp.filters.masking import masked

TEXT_BYTES_MAX = 256 * 1024
"""More than a call may carry: names of members count beside their values."""


class Question(NamedTuple):
    """The texts of one call."""

    texts: tuple[Argument, ...]
    action: str
    tool: str

    @property
    def digest(self) -> bytes:
        """What two questions share that get the same answer: everything that is sent."""
        parts = [self.action, self.tool]
        for text in self.texts:
            parts += [text.pointer, text.type.word, text.origin.word, text.text]
        written = "".join(f"{len(part)}:{part}" for part in parts)
        return hashlib.sha256(written.encode("utf-8", "surrogatepass")).digest()

    @property
    def size(self) -> int:
        """How many characters its texts have."""
        return sum(len(text.text) for text in self.texts)


def question_of(content: Content) -> Question | None:
    """Return what is asked about `content`; None when there is nothing to ask."""
    texts = tuple(one for one in content.arguments if one.type is not ArgumentType.SECRET and one.text)
    return Question(texts, content.action, content.tool) if texts else None


class Label(NamedTuple):
    """One thing a classifier found."""

    name: str
    severity: Severity
    argument: str
    """JSON Pointer of one of the texts; empty for the call as a whole."""
    message: str


class Reply(NamedTuple):
    """What it found, and which model it says did."""

    labels: Sequence[Label]
    model: str


class Cause(enum.Enum):
    """Why there is no reply, as metrics count it."""

    LATE = "late"
    AWAY = "away"
    NONSENSE = "nonsense"
    BUSY = "busy"
    RESTING = "resting"
    TOO_LARGE = "too_large"
    DEFECT = "defect"


class NoReply(Exception):  # noqa: N818 - an outcome that policies decide about, not an error of the program
    """There is no reply that could be used. The message says why, for people; it names no content."""

    def __init__(self, cause: Cause, why: str) -> None:
        super().__init__(why)
        self.cause = cause


class Line(Protocol):
    """The way to one classifier."""

    @property
    def peer(self) -> str:
        """By which name its certificate is known; `loopback` for a process on this machine without one."""
        ...

    async def classify(self, question: Question) -> Reply:
        """Return the reply, however long it takes. Raises NoReply, and nothing else."""
        ...

    async def speaking(self) -> None:
        """Carry questions and answers until it is cancelled."""
        ...


def findings_of(classifier: str, peer: str, question: Question, reply: Reply) -> list[Finding]:
    """Return a reply as findings, the worst first."""
    meant = {text.pointer: text for text in question.texts}
    judged_by = hashlib.sha256(f"{peer}\n{reply.model}".encode()).hexdigest()
    found = []
    for label in sorted(reply.labels, key=lambda label: -label.severity):
        text = meant.get(label.argument)
        found.append(
            Finding(
                kind=Kind.REMOTE,
                id=f"remote.{classifier}.{label.name}",
                category=label.name,
                severity=label.severity,
                message=masked(label.message) or f"classifier {classifier!r} found {label.name}",
                argument=label.argument,
                argument_type=text.type if text is not None else None,
                origin=text.origin if text is not None else Origin.UNKNOWN,
                end=len(text.text) if text is not None else 0,
                frame={"peer": peer, "model": masked(reply.model)},
                model=f"sha256-{judged_by}",
            )
        )
    return found
