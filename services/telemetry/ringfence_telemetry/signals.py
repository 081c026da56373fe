"""Evidence → trust signals: which decisions and outcomes speak for or against an agent, each said once.

Pure: a state, an observation, and out come the next state and the signals. Identity decides what they are worth. The
rules:

- a denial counts when it was the agent's doing: it asked for what policy, its ring or its tool list forbids, or passed
  on what a content filter finds hardly ever meant well. A kill switch, a stale feed, a missing bundle, a broken rule or
  a log that could not be written is not its doing;
- what filters merely flag, ask people about, or stop for where it comes from, says nothing about the agent: it may be
  the one that somebody tried to use;
- five such denials within ten minutes are probing, said once in those ten minutes;
- fifty allowed decisions in a row without such a denial are one clean run; then counting starts anew;
- an accepted or rejected piece of work is said once for each rater;
- that an error budget was used up is said of the agent that is most to blame, once in the objective's time;
- a signal's id follows from its evidence, so saying it again says nothing; its hash covers that evidence.
"""

import enum
import hashlib
from dataclasses import dataclass, replace

from ringfence_kit.clock import MINUTE, Instant, Millis

CLEAN_RUN = 50
PROBING_DENIALS = 5
PROBING_WINDOW: Millis = Millis(10 * MINUTE)

AGENTS_OWN_DOING = frozenset({"NO_MATCH", "RULE_DENIED", "RING_INSUFFICIENT", "TOOL_NOT_APPROVED", "CONTENT_DANGEROUS"})
"""The pdp's reasons for a denial that say something about the agent. ENVIRONMENT_MISMATCH is not among them: it says
that a credential was used elsewhere, and in which environment the agent should answer for it is not known here."""


class Effect(enum.Enum):
    """What was decided."""

    ALLOW = "ALLOW"
    REQUIRE_APPROVAL = "REQUIRE_APPROVAL"
    DENY = "DENY"


class SignalKind(enum.Enum):
    """What was observed, by the names identity gives it."""

    TASK_ACCEPTED = "TASK_ACCEPTED"
    TASK_REJECTED = "TASK_REJECTED"
    CLEAN_DECISIONS = "CLEAN_DECISIONS"
    ACTION_DENIED = "ACTION_DENIED"
    PROBING = "PROBING"
    SLO_BUDGET_EXHAUSTED = "SLO_BUDGET_EXHAUSTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One piece of evidence about one agent."""

    signal_id: str
    did: str
    environment: str
    kind: SignalKind
    rater: str = ""
    """Who judged; empty when our own services observed it."""
    evidence_hash: bytes
    evidence: str
    """Where the evidence is: `audit/42`."""
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A decision about an agent, as it stands in the audit log."""

    index: int
    leaf_hash: bytes
    decision_id: str
    did: str
    environment: str
    effect: Effect
    reason: str
    at: Instant


@dataclass(frozen=True, slots=True)
class Denial:
    """One denial that counted."""

    at: Instant
    leaf_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """What has to be remembered of an agent in an environment to judge its next decision."""

    did: str
    environment: str
    clean: int = 0
    """Allowed decisions since the last clean run or denial."""
    clean_digest: bytes = b""
    """SHA-256 over the one before it and the newest leaf hash: covers the run so far."""
    denials: tuple[Denial, ...] = ()
    """The latest, at most five, by time."""
    probing_at: Instant | None = None
    """The last denial of the probing last said."""


def observe(conduct: Conduct, seen: Observed) -> tuple[Conduct, tuple[Signal, ...]]:
    """Return the agent's conduct after a decision, and what to tell identity."""
    match seen.effect:
        case Effect.ALLOW:
            return _allowed(conduct, seen)
        case Effect.DENY if seen.reason in AGENTS_OWN_DOING:
            return _denied(conduct, seen)
        case _:
            return conduct, ()


def outcome_signal(
    *, did: str, environment: str, rater: str, work_id: str, accepted: bool, index: int, leaf_hash: bytes, at: Instant
) -> Signal:
    """Return what `rater`'s verdict on a piece of work says about the agent."""
    # Each part is hashed first: parts of fixed length cannot be shifted into each other.
    parts = b"".join(hashlib.sha256(part.encode()).digest() for part in (did, environment, rater, work_id))
    return Signal(
        signal_id=f"outcome-{hashlib.sha256(parts).hexdigest()[:32]}",
        did=did,
        environment=environment,
        kind=SignalKind.TASK_ACCEPTED if accepted else SignalKind.TASK_REJECTED,
        rater=rater,
        evidence_hash=leaf_hash,
        evidence=f"audit/{index}",
        at=at,
    )


def budget_signal(*, note_id: str, did: str, environment: str, index: int, leaf_hash: bytes, at: Instant) -> Signal:
    """Return what it says about an agent that an error budget was used up by it; `note_id` names the audit entry."""
    parts = b"".join(hashlib.sha256(part.encode()).digest() for part in (note_id, did, environment))
    return Signal(
        signal_id=f"slo-{hashlib.sha256(parts).hexdigest()[:32]}",
        did=did,
        environment=environment,
        kind=SignalKind.SLO_BUDGET_EXHAUSTED,
        evidence_hash=leaf_hash,
        evidence=f"audit/{index}",
        at=at,
    )


def _allowed(conduct: Conduct, seen: Observed) -> tuple[Conduct, tuple[Signal, ...]]:
    digest = hashlib.sha256(conduct.clean_digest + seen.leaf_hash).digest()
    if conduct.clean + 1 < CLEAN_RUN:
        return replace(conduct, clean=conduct.clean + 1, clean_digest=digest), ()
    return replace(conduct, clean=0, clean_digest=b""), (_signal(SignalKind.CLEAN_DECISIONS, "clean", seen, digest),)


def _denied(conduct: Conduct, seen: Observed) -> tuple[Conduct, tuple[Signal, ...]]:
    # By time, not by arrival: several pdps report, and a spool may deliver late.
    latest = sorted((*conduct.denials, Denial(seen.at, seen.leaf_hash)), key=lambda denial: denial.at)[
        -PROBING_DENIALS:
    ]
    after = replace(conduct, clean=0, clean_digest=b"", denials=tuple(latest))
    denied = _signal(SignalKind.ACTION_DENIED, "denied", seen, seen.leaf_hash)
    if not _is_probing(after):
        return after, (denied,)
    digest = hashlib.sha256(b"".join(denial.leaf_hash for denial in latest)).digest()
    probing = _signal(SignalKind.PROBING, "probing", seen, digest)
    return replace(after, probing_at=latest[-1].at), (denied, probing)


def _is_probing(conduct: Conduct) -> bool:
    denials = conduct.denials
    if len(denials) < PROBING_DENIALS or denials[-1].at - denials[0].at > PROBING_WINDOW:
        return False
    return conduct.probing_at is None or denials[-1].at - conduct.probing_at > PROBING_WINDOW


def _signal(kind: SignalKind, name: str, seen: Observed, evidence_hash: bytes) -> Signal:
    return Signal(
        signal_id=f"{name}-{seen.decision_id}",
        did=seen.did,
        environment=seen.environment,
        kind=kind,
        evidence_hash=evidence_hash,
        evidence=f"audit/{seen.index}",
        at=seen.at,
    )
