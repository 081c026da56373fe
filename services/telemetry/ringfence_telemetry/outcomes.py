"""What became of a piece of work, as the one who consumed it says: an entry in the audit log and a trust signal.

The rules:

- who judges is who the credential says; only a gateway or a service reports for somebody else, a gateway only for the
  agents bound to it, and for people;
- nobody judges its own work;
- an outcome is credited to an agent that left a trace: a decision about it, or usage reported by someone who may;
- each judge gives one verdict on a piece of work: the same again changes nothing, another is refused;
- the log is kept for ever, so people stand in it as salted digests.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from ringfence.proofs.merkle import leaf_hash
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Instant
from ringfence_kit.errors import NotPermitted
from ringfence_kit.log_keys import LogKeys
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.audit_log import Draft, append_entries
from ringfence_telemetry.decision_document import canonical
from ringfence_telemetry.errors import AgentNotFound, OutcomeConflict
from ringfence_telemetry.signals import outcome_signal
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.store.workflows import NotedOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeReport:
    """A checked report."""

    did: str
    environment: str
    accepted: bool
    work_id: str
    on_behalf_of: str = ""
    trace_id: bytes = b""


class Outcomes:
    """Takes reports."""

    def __init__(self, writer: Writer[TelemetryTx], keys: LogKeys, *, on_appended: Callable[[], None]) -> None:
        """`on_appended` is called when a signal may have been stored."""
        self._writer = writer
        self._keys = keys
        self._on_appended = on_appended

    async def report(self, report: OutcomeReport, *, caller: Caller, mutation: Mutation) -> int:
        """Return the place of the outcome's entry. Raises NotPermitted, AgentNotFound, OutcomeConflict."""
        _check_speaker(report, caller)
        keys = self._keys
        rater, reporter = keys.in_the_log(report.on_behalf_of or caller.principal), keys.in_the_log(caller.principal)

        def work(tx: TelemetryTx) -> int:
            return _enter(tx, report, rater=rater, reporter=reporter, keys=keys, at=mutation.at)

        index = await self._writer.write(work, mutation=mutation, result=int)
        self._on_appended()
        return index


def _check_speaker(report: OutcomeReport, caller: Caller) -> None:
    judge = report.on_behalf_of or caller.principal
    itself = report.did in (judge, caller.principal)
    if itself or (judge == caller.principal and caller.speaks_for(report.did)):
        raise NotPermitted(
            principal=caller.principal, action=f"judge the work of {report.did}", needed="another party's verdict"
        )
    if not report.on_behalf_of or caller.has(Role.SERVICE, Role.PLATFORM_ADMIN):
        return
    is_agent = report.on_behalf_of.startswith("did:")
    if not caller.has(Role.GATEWAY) or (is_agent and not caller.speaks_for(report.on_behalf_of)):
        raise NotPermitted(
            principal=caller.principal,
            action=f"report for {report.on_behalf_of}",
            needed="to be its gateway, or a service",
        )


def _enter(tx: TelemetryTx, report: OutcomeReport, *, rater: str, reporter: str, keys: LogKeys, at: Instant) -> int:
    key = _key(report, rater)
    verdict = "ACCEPTED" if report.accepted else "REJECTED"
    there = tx.entries_of([key]).get(key)
    if there is not None:
        if _verdict(there.body) != verdict:
            raise OutcomeConflict(work_id=report.work_id, index=there.index)
        return there.index
    if tx.conduct(report.did, report.environment) is None and not tx.has_usage(report.did):
        raise AgentNotFound(did=report.did, environment=report.environment)
    body = canonical(
        {
            "type": "outcome",
            "version": 1,
            "did": report.did,
            "environment": report.environment,
            "outcome": verdict,
            "work_id": report.work_id,
            "rater": rater,
            "reporter": reporter,
            "trace_id": report.trace_id.hex(),
            "report_time_ms": at,
        }
    )
    appended = append_entries(tx, [[Draft(key=key, body=body)]], keys=keys, at=at)
    (index,) = appended.calls[0].indexes
    signal = outcome_signal(
        did=report.did,
        environment=report.environment,
        rater=rater,
        work_id=report.work_id,
        accepted=report.accepted,
        index=index,
        leaf_hash=leaf_hash(body),
        at=at,
    )
    tx.queue_signals([signal])
    tx.note_outcome(
        NotedOutcome(
            index=index,
            did=report.did,
            accepted=report.accepted,
            work_id=report.work_id,
            trace_id=report.trace_id,
        )
    )
    return index


def _verdict(body: bytes) -> str:
    found: str = json.loads(body)["outcome"]
    return found


def _key(report: OutcomeReport, rater: str) -> str:
    parts = (report.did, report.environment, rater, report.work_id)
    digest = hashlib.sha256(b"".join(hashlib.sha256(part.encode()).digest() for part in parts)).hexdigest()
    return f"outcome:{digest}"
