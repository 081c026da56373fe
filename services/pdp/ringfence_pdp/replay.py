"""Decides logged decisions again: from what they name, on facts and policies as they were, to the last byte.

Pure: bodies of log entries in, comparisons out. What limits and people did to an answer is not done again, since it
hung on counters and on people; it is taken over, and the verdict before them is what is compared. Replayed with another
bundle, a decision says what would have become of it.
"""

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import rfc8785
from ringfence_kit import records
from ringfence_kit.clock import Instant, Millis
from ringfence_kit.records import RecordUnreadable

from ringfence_pdp.asked_document import question
from ringfence_pdp.boundaries import Boundaries
from ringfence_pdp.bundle import PolicyFile, digest_of
from ringfence_pdp.case import Basis
from ringfence_pdp.compile import compile_files
from ringfence_pdp.compiled import CompiledBundle
from ringfence_pdp.decide import decide
from ringfence_pdp.decision_document import DECISION, VERSION, as_json, said, verdict_document
from ringfence_pdp.doors.refusal import UNREAD
from ringfence_pdp.errors import BundleInvalid
from ringfence_pdp.evidence import (
    FACT,
    AgentFact,
    BoundariesFact,
    BundleFact,
    CircumstancesFact,
    HealthFact,
    address_of,
    bundle_address,
)
from ringfence_pdp.facts import Facts, RegisteredTool
from ringfence_pdp.kill_switch import KillSwitches
from ringfence_pdp.model import CheckRequest, Decision, Reason

T = TypeVar("T")

SAID_AT_A_DOOR = frozenset(
    reason.name
    for reason in (
        Reason.DEADLINE,
        Reason.IDENTITY_AMBIGUOUS,
        Reason.HEADER_BODY_MISMATCH,
        Reason.BODY_TRUNCATED,
        Reason.BODY_MALFORMED,
        Reason.METHOD_UNKNOWN,
    )
)
"""Denials of calls that could not be read in one way: there is no question to decide again."""


class Outcome(enum.Enum):
    """What came of a replay."""

    SAME = "same"
    """The same bytes."""
    OTHER = "other"
    """Other bytes, though everything needed was there: the software decides or says it differently now."""
    INEXACT = "inexact"
    """The same answer, from a question of which something was left out of the log."""
    CHANGED = "changed"
    """Another bundle would have answered otherwise."""
    IMPOSSIBLE = "impossible"
    """Something needed is not in the log, or is left out of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One decision, and what came of deciding it again."""

    decision_id: str
    outcome: Outcome
    before: str = ""
    """The effect and the reason in the log."""
    after: str = ""
    rule: str = ""
    """The rule that would settle it now."""
    why: str = ""
    """What differs, or what lacks."""


class NotReplayable(Exception):  # noqa: N818 - named for what happened, like every failure
    """A decision cannot be decided again; the message says what lacks."""


@dataclass(slots=True)
class Evidence:
    """The facts that were found, by address. Nothing is believed that its address does not vouch for."""

    parts: dict[str, dict[int, str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    compiled: dict[str, CompiledBundle] = field(default_factory=dict)

    def take(self, entry: Mapping[str, Any]) -> None:
        """Keep an entry that is a part of a fact."""
        self.parts.setdefault(entry["address"], {})[entry["part"]] = entry["content"]
        self.counts[entry["address"]] = entry["parts"]

    def has(self, address: str) -> bool:
        """Say whether every part of a fact was found."""
        return len(self.parts.get(address, ())) == self.counts.get(address, -1)

    def fact(self, address: str, cls: type[T]) -> T:
        """Return a fact. Raises NotReplayable when it is not there, or is not what its address says."""
        if not self.has(address):
            raise NotReplayable(f"{address} is not in the log")
        found = self.parts[address]
        content = "".join(found[part] for part in sorted(found))
        kind = address.partition(":")[0]
        if cls is not BundleFact and address_of(kind, content) != address:
            raise NotReplayable(f"{address} is not what its address says")
        try:
            return records.decode(content.encode(), cls)
        except RecordUnreadable as unreadable:
            raise NotReplayable(f"{address} cannot be read: {unreadable.problem}") from None

    def bundle(self, digest: str) -> CompiledBundle:
        """Return the bundle with this digest, compiled once. Raises NotReplayable."""
        if digest not in self.compiled:
            written = self.fact(bundle_address(digest), BundleFact)
            files = [PolicyFile(path=path, content=text.encode()) for path, text in written.files]
            if digest_of(files) != digest:
                raise NotReplayable(f"the files of bundles/{digest} are not those its digest names")
            try:
                self.compiled[digest] = compile_files(files)
            except BundleInvalid as invalid:
                raise NotReplayable(f"bundles/{digest} does not compile any more: {invalid.message}") from None
        return self.compiled[digest]


def addresses(decision: Mapping[str, Any]) -> Sequence[str]:
    """Return what has to be found to replay a decision."""
    digest = decision.get("bundle_digest")
    return [*decision.get("evidence", ()), *([bundle_address(digest)] if digest else [])]


def read(body: bytes) -> Mapping[str, Any] | None:
    """Return an entry of the log as it reads, None when it is no JSON object."""
    try:
        entry = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return entry if isinstance(entry, dict) else None


def is_fact(entry: Mapping[str, Any]) -> bool:
    """Say whether an entry is a part of a fact."""
    return entry.get("type") == FACT


def is_decision(entry: Mapping[str, Any]) -> bool:
    """Say whether an entry is a decision."""
    return entry.get("type") == DECISION


def replay(body: bytes, evidence: Evidence) -> Replayed:
    """Decide a logged decision again and compare the bytes."""

    def compared(logged: dict[str, Any], decision: Decision, request: CheckRequest, basis: Basis) -> Replayed:
        again = _again(logged, decision, request, basis)
        made = rfc8785.dumps(as_json(again))
        exact = not logged.get("left_out")
        same = made == body if exact else _answer(again) == _answer(logged)
        return Replayed(
            decision_id=logged["decision_id"],
            outcome=_OUTCOMES[exact, same],
            before=_answer(logged),
            after=_answer(again),
            rule=_rule(decision),
            why=_left_out(logged) if not exact else "" if same else _difference(logged, again),
        )

    return _decided(body, evidence, None, compared)


_OUTCOMES = {
    (True, True): Outcome.SAME,
    (True, False): Outcome.OTHER,
    (False, True): Outcome.INEXACT,
    # Whether it was what is left out, or the software, nobody can say.
    (False, False): Outcome.IMPOSSIBLE,
}
"""By whether all of the question is in the log, and whether the same came out."""


def what_if(body: bytes, evidence: Evidence, bundle: CompiledBundle) -> Replayed:
    """Say what `bundle` would have made of a logged decision: before limits and people, as both were judged."""

    def compared(logged: dict[str, Any], decision: Decision, _: CheckRequest, __: Basis) -> Replayed:
        before, effect = _judged(logged), decision.effect.name
        changed = before["effect"] != effect
        return Replayed(
            decision_id=logged["decision_id"],
            outcome=Outcome.CHANGED if changed else Outcome.INEXACT if logged.get("left_out") else Outcome.SAME,
            before=f"{before['effect']} {before['reason']}",
            after=f"{effect} {decision.reason.name}",
            rule=_rule(decision),
            why=decision.verdict.message if changed else _left_out(logged),
        )

    return _decided(body, evidence, bundle, compared)


_Compare = Callable[[dict[str, Any], Decision, CheckRequest, Basis], Replayed]


def _decided(body: bytes, evidence: Evidence, bundle: CompiledBundle | None, compared: _Compare) -> Replayed:
    logged = dict(read(body) or {})
    decision_id = str(logged.get("decision_id", ""))
    try:
        _refuse_what_cannot_be(logged)
        request = _question(logged)
        basis = _basis(logged, evidence, bundle)
    except NotReplayable as lacks:
        return Replayed(decision_id=decision_id, outcome=Outcome.IMPOSSIBLE, before=_answer(logged), why=str(lacks))
    return compared(logged, decide(basis, request), request, basis)


def _refuse_what_cannot_be(logged: Mapping[str, Any]) -> None:
    if logged.get("version") != VERSION:
        raise NotReplayable(f"it is of version {logged.get('version')}, which does not say what was asked")
    if logged["reason"] in SAID_AT_A_DOOR or logged["action"] == UNREAD:
        raise NotReplayable("the call could not be read in one way, so there was no question to decide")
    credentials = {"delegation_token", "elevation_grants"} & set(logged.get("left_out", ()))
    if credentials:
        raise NotReplayable(f"it hangs on {' and '.join(sorted(credentials))}, which no log may hold")


def _question(logged: Mapping[str, Any]) -> CheckRequest:
    try:
        return question(
            logged["input"], action=logged["action"], tool=logged.get("tool"), environment=logged["environment"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NotReplayable(f"its question cannot be read: {error}") from None


def _basis(logged: Mapping[str, Any], evidence: Evidence, bundle: CompiledBundle | None) -> Basis:
    facts, circumstances = Facts(), CircumstancesFact((), (), (), "")
    for address in logged.get("evidence", ()):
        match address.partition(":")[0]:
            case "agent":
                known = evidence.fact(address, AgentFact)
                if known.identity is not None:
                    facts.put_identity(known.identity)
                if known.registered is not None:
                    facts.registered[known.registered.resource_name] = known.registered
            case "tool":
                tool = evidence.fact(address, RegisteredTool)
                facts.tools[tool.name] = tool
            case "boundaries":
                every = evidence.fact(address, BoundariesFact)
                facts.boundaries = Boundaries(every.boundaries, heard=every.heard)
            case "health":
                health = evidence.fact(address, HealthFact).health
                facts.health = {**facts.health, health.agent: health}
            case "circumstances":
                circumstances = evidence.fact(address, CircumstancesFact)
            case kind:
                raise NotReplayable(f"it stands on a {kind}, which this release does not know")
    digest, age = logged.get("bundle_digest", ""), logged["identity_age_ms"]
    if bundle is None and digest:
        bundle = evidence.bundle(digest)
    return Basis(
        bundle=bundle,
        kill_switches=KillSwitches({switch.name: switch for switch in circumstances.kill_switches}),
        facts=facts,
        now=Instant(logged["decide_time_ms"]),
        identity_age=None if age < 0 else Millis(age),
        gated_environments=frozenset(circumstances.gated_environments),
        audiences=frozenset(circumstances.audiences),
    )


def _again(logged: dict[str, Any], decision: Decision, request: CheckRequest, basis: Basis) -> dict[str, Any]:
    """Return the document as it would be written now."""
    identity = basis.facts.identity(request.did, request.agent, request.environment)
    made = said(decision, request, identity)
    kept = {name: value for name, value in logged.items() if name not in _SAID}
    if "judged" not in logged:
        return {**kept, **made}
    # The end of it was not up to the policy: that is taken over, and what came before is compared.
    end = {name: logged[name] for name in _SETTLED if name in logged}
    started = {name: value for name, value in made.items() if name not in _SETTLED}
    return {**kept, **started, **end, "judged": verdict_document(decision.verdict)}


_SETTLED = ("effect", "reason", "stage", "rules", "obligations")
_SAID = frozenset((*_SETTLED, "agent", "did", "ring", "score", "chain", "sides", "findings"))


def _judged(logged: Mapping[str, Any]) -> Mapping[str, Any]:
    judged: Mapping[str, Any] = logged.get("judged", logged)
    return judged


def _answer(document: Mapping[str, Any]) -> str:
    judged = _judged(document)
    return f"{judged.get('effect', '?')} {judged.get('reason', '?')}"


def _rule(decision: Decision) -> str:
    return decision.verdict.rules[0] if decision.verdict.rules else ""


def _difference(logged: Mapping[str, Any], again: Mapping[str, Any]) -> str:
    now = as_json(again)
    names = sorted(name for name in {*logged, *now} if logged.get(name) != now.get(name))
    return ", ".join(f"{name}: {logged.get(name)!r} then, {now.get(name)!r} now" for name in names) or "its spelling"


def _left_out(logged: Mapping[str, Any]) -> str:
    left_out = logged.get("left_out", ())
    return f"not in the log: {', '.join(left_out)}" if left_out else ""


def flips(replays: Iterable[Replayed]) -> Mapping[tuple[str, str, str], list[Replayed]]:
    """Return the replays that changed, by answer before, answer after and rule; the most frequent first."""
    found: dict[tuple[str, str, str], list[Replayed]] = {}
    for one in replays:
        if one.outcome is Outcome.CHANGED:
            found.setdefault((one.before, one.after, one.rule), []).append(one)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))
