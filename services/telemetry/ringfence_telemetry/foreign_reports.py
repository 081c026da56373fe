"""Reports in the name of agents that the reporter does not speak for: told, and provable, and nothing else.

The rules:

- such a report moves no score, no budget and no objective; that somebody made it is an entry of the audit log and an
  alert, in the transaction that stores it;
- there is one entry of a reporter, an agent and a day, however much is reported: what a flood writes into a log that is
  kept for ever is bounded by the names of agents a reporter may bring a day (`labels.py`);
- the alert ends when its reporter was not noted for two days; a day it goes on begins with a note;
- only mesh identities count: what a framework calls the parts inside an agent is nobody's name.

Who reports honestly costs nothing here: ledgers that are not believed are told by the length of their keys.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ringfence_kit.clock import DAY, HOUR, Instant, Millis

from ringfence_telemetry.alerts.book import fire, resolve
from ringfence_telemetry.alerts.draft import AlertDraft, AlertKind
from ringfence_telemetry.audit_trail import AuditNotes, Note
from ringfence_telemetry.reporters import Reporter, is_identity
from ringfence_telemetry.store import NewPart, TelemetryTx
from ringfence_telemetry.trace_keys import is_trusted, trace_id_of

NOTE = "reported-for-another"
QUIET = Millis(2 * DAY)
"""After which it is over."""
_KNOWN_MAX = 100_000


@dataclass(frozen=True, slots=True)
class ForeignReport:
    """Somebody's report for an agent, the first of a batch."""

    reporter: str
    """The principal."""
    agent: str
    trace_id: bytes


class SaysWhoReported(Protocol):
    """What was rolled up, as far as it matters here."""

    @property
    def parts(self) -> Sequence[NewPart]:
        """What is kept of traces, each under its reporter's digest."""
        ...

    @property
    def reporters(self) -> Mapping[str, Reporter]:
        """Digest → reporter."""
        ...


class ForeignReports:
    """Notes them."""

    def __init__(self, notes: AuditNotes) -> None:
        self._notes = notes
        self._known: set[str] = set()
        """Ids of notes that are in the log for certain: read there, so a transaction that failed leaves none here."""
        self._hour = 0
        """In which alerts were looked through last."""

    def draw(self, tx: TelemetryTx, rolled: SaysWhoReported, at: Instant) -> None:
        """Note every report for another's agent that is not noted yet, and tell of its reporter."""
        if at // HOUR != self._hour:
            self._hour = at // HOUR
            _end_quiet_ones(tx, at)
        for found in foreign_reports(rolled.parts, rolled.reporters):
            note = _note_of(found, day=at // DAY)
            if note.id in self._known:
                continue
            entry = self._notes.note(tx, note, at=at)
            if entry.appended_at < at:
                self._remember(note.id)
            else:
                fire(tx, _alert_of(found, entry.index), at=at)

    def _remember(self, note_id: str) -> None:
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        self._known.add(note_id)


def foreign_reports(parts: Iterable[NewPart], reporters: Mapping[str, Reporter]) -> Iterator[ForeignReport]:
    """Give who reported for whom, each pair once."""
    seen: set[tuple[str, str]] = set()
    for kept in parts:
        if is_trusted(kept.trace):
            continue
        reporter = reporters[kept.part.reporter]
        for fact in kept.part.facts:
            if (reporter.principal, fact.agent) in seen or not _speaks_for_another(reporter, fact.agent):
                continue
            seen.add((reporter.principal, fact.agent))
            yield ForeignReport(reporter.principal, fact.agent, trace_id_of(kept.trace))


def _end_quiet_ones(tx: TelemetryTx, at: Instant) -> None:
    for alert in tx.firing_alerts():
        if alert.kind is AlertKind.UNTRUSTED_REPORTER and at - alert.seen_at >= QUIET:
            resolve(tx, alert.key, at=at)


def _speaks_for_another(reporter: Reporter, agent: str) -> bool:
    return is_identity(agent) and not reporter.speaks_for_all and agent not in reporter.agents


def _note_of(found: ForeignReport, *, day: int) -> Note:
    told_apart = f"{found.reporter}\x00{found.agent}\x00{day}"
    return Note(
        kind=NOTE,
        id=hashlib.sha256(told_apart.encode()).hexdigest()[:32],
        subject=found.agent,
        principal=found.reporter,
        facts={"trace_id": found.trace_id.hex()},
    )


def _alert_of(found: ForeignReport, entry: int) -> AlertDraft:
    return AlertDraft(
        key=f"untrusted-reporter/{hashlib.sha256(found.reporter.encode()).hexdigest()[:32]}",
        kind=AlertKind.UNTRUSTED_REPORTER,
        message=(
            f"a reporter sends telemetry in the name of {found.agent}, for which its credential does not speak. It is "
            "kept apart and moves nothing. Bind the credential to the agent if it may, or find out who uses it."
        ),
        agent=found.agent,
        evidence={"audit_index": str(entry)},
        trace_ids=(found.trace_id.hex(),),
    )
