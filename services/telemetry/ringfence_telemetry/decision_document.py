"""The document a decision is logged as: JSON in RFC 8785 form, whose bytes are stored, hashed and shown as they are.

Pure. README.md lists the members. The rules:

- one decision has one spelling: bytes that are not their own canonical form are refused, so a hash stands for what was
  decided and not for how it was written down;
- the members that are judged by (who, what came of it, when) are checked; all others are kept and covered by the hash;
- what a decision stood on (`fact`), what people said about it (`approval`) and who vouched for it (`upload`) are
  documents of their own, which say nothing about an agent.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import rfc8785
from ringfence_kit.clock import Instant
from ringfence_kit.errors import Violation
from ringfence_kit.names import is_resource_id

from ringfence_telemetry.signals import Effect

BODY_MAX = 64 * 1024
VERSIONS = {"decision": (1, 2), "fact": (1,), "approval": (1,), "upload": (1,)}
"""By type, the versions that are taken."""

DID_MAX = 1_024
ENVIRONMENT_MAX = 63
REASON_MAX = 128
_INTEGER_MAX = 2**53 - 1
_TIME_MAX_MS = 253_402_300_799_999
"""The end of the year 9999: a google.protobuf.Timestamp says nothing later."""
_sorted = msgspec.json.Encoder(order="sorted").encode
_TRACE_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_REASON = re.compile(r"[A-Z][A-Z0-9_]*")
DID_PATTERN = re.compile(r"did:[a-z0-9]+:([A-Za-z0-9._:-]|%[0-9A-Fa-f]{2})+")  # DID 1.0, 3.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a decision document says to us."""

    decision_id: str
    did: str
    """Empty when the agent is not known; not checked further, since what was asked is logged as it was asked."""
    environment: str
    effect: Effect
    reason: str
    decided_at: Instant
    trace_id: bytes = b""
    """The trace it was made in, 16 bytes; empty when it names none."""

    @property
    def names_an_agent(self) -> bool:
        """Whether it is about an agent that could be: one with a DID, in an environment with a name."""
        return DID_PATTERN.fullmatch(self.did) is not None and is_resource_id(self.environment)


def canonical(document: dict[str, Any]) -> bytes:
    """Return a document of ours in RFC 8785 form."""
    return rfc8785.dumps(document)


def read_decision(body: bytes, *, decision_id: str, path: str) -> tuple[Decision | None, list[Violation]]:
    """Return the decision in `body`, or what is wrong with it; `path` is the field `body` came in.

    A document that belongs to decisions and is none gives neither.
    """
    if len(body) > BODY_MAX:
        return None, [Violation(path, f"is longer than {BODY_MAX} bytes")]
    document = _parse(body)
    if not isinstance(document, dict):
        return None, [Violation(path, "is not a JSON object in RFC 8785 form (canonical, UTF-8, no duplicate member)")]
    members = _Members(document, path)
    type_ = members.one_of("type", tuple(VERSIONS))
    members.one_of("version", VERSIONS.get(type_, (1, 2)))
    members.one_of("decision_id", (decision_id,))
    if type_ not in ("", "decision"):
        return None, members.violations
    decided_at = members.integer("decide_time_ms", at_most=_TIME_MAX_MS)
    did = members.text("did", max_bytes=DID_MAX)
    environment = members.text("environment", max_bytes=ENVIRONMENT_MAX)
    reason = members.text("reason", max_bytes=REASON_MAX, pattern=_REASON)
    effect = members.effect("effect")
    if members.violations or effect is None:
        return None, members.violations
    decision = Decision(
        decision_id=decision_id,
        did=did,
        environment=environment,
        effect=effect,
        reason=reason,
        decided_at=Instant(decided_at),
        trace_id=_trace_id(document),
    )
    return decision, []


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedDecision:
    """What is shown of a decision beside the work it was made in."""

    index: int
    decision_id: str
    did: str
    agent: str
    """Its resource name; empty when that was not known."""
    effect: str
    reason: str
    action: str
    decided_at: Instant


def read_logged(body: bytes, *, index: int) -> LoggedDecision:
    """Return the decision in an entry that was checked when it was appended."""
    document: dict[str, Any] = msgspec.json.decode(body)
    agent, action = document.get("agent"), document.get("action")
    return LoggedDecision(
        index=index,
        decision_id=document["decision_id"],
        did=document["did"],
        agent=agent if isinstance(agent, str) else "",
        effect=document["effect"],
        reason=document["reason"],
        action=action if isinstance(action, str) else "",
        decided_at=Instant(document["decide_time_ms"]),
    )


def _trace_id(document: dict[str, Any]) -> bytes:
    """Return the trace a decision names, as it was sent: a member of version 1, of what was asked in version 2."""
    asked = document.get("input")
    named = asked.get("trace_id") if isinstance(asked, dict) else document.get("trace_id")
    if not isinstance(named, str) or _TRACE_ID.fullmatch(named) is None:
        return b""
    return bytes.fromhex(named)


def _parse(body: bytes) -> object:
    """Return the JSON object whose one canonical spelling `body` is, None when it is none's."""
    try:
        document: object = msgspec.json.decode(body)
        if not isinstance(document, dict):
            return None
        canonical_body = _sorted(document) if _is_plain(document) else rfc8785.dumps(document)
    except (ValueError, RecursionError):
        # The errors of JSON, of UTF-8 and of RFC 8785 (NaN, integers beyond 53 bits) are all ValueErrors.
        return None
    return document if canonical_body == body else None


def _is_plain(document: object) -> bool:
    """Say whether RFC 8785 asks no more of a document than sorted members without spaces: no fractions, whose spelling
    is an art, no integers a double cannot hold, no names whose order in UTF-16 is another than by code point."""
    waiting = [document]
    while waiting:
        match waiting.pop():
            case dict() as members:
                if not all(name.isascii() for name in members):
                    return False
                waiting += members.values()
            case list() as values:
                waiting += values
            case float():
                return False
            case int() as number if abs(number) > _INTEGER_MAX:
                return False
            case _:
                pass
    return True


class _Members:
    """The members of a document, and what is wrong with them."""

    def __init__(self, document: dict[str, Any], path: str) -> None:
        self._document = document
        self._path = path
        self.violations: list[Violation] = []

    def one_of(self, name: str, expected: Sequence[str | int]) -> str:
        """Return a member that has to be one of few values as text; empty when it is none."""
        found = self._document.get(name)
        if isinstance(found, bool) or not isinstance(found, str | int) or found not in expected:
            self._wrong(name, f"must be {' or '.join(map(json.dumps, expected))}")
            return ""
        return str(found)

    def integer(self, name: str, *, at_most: int) -> int:
        found = self._document.get(name)
        if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= at_most:
            return found
        self._wrong(name, f"must be an integer from 0 to {at_most}")
        return 0

    def text(self, name: str, *, max_bytes: int, pattern: re.Pattern[str] | None = None) -> str:
        found = self._document.get(name)
        if not isinstance(found, str) or "\x00" in found:
            self._wrong(name, "must be a string without NUL")
            return ""
        if len(found.encode()) > max_bytes:
            self._wrong(name, f"is longer than {max_bytes} bytes of UTF-8")
        elif pattern is not None and pattern.fullmatch(found) is None:
            self._wrong(name, f"must have the form {pattern.pattern}")
        return found

    def effect(self, name: str) -> Effect | None:
        found = self._document.get(name)
        if isinstance(found, str) and found in Effect.__members__:
            return Effect[found]
        self._wrong(name, f"must be one of {', '.join(Effect.__members__)}")
        return None

    def _wrong(self, name: str, problem: str) -> None:
        self.violations.append(Violation(f"{self._path}.{name}", problem))
