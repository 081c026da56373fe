"""The audit log over any store, with keys that are the same every run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ringfence_kit.background import background
from ringfence_kit.clock import EPOCH, ManualClock
from ringfence_kit.log_keys import LogKeys, StoredCheckpoint
from ringfence_kit.sealed_keys import FileKeyStore
from ringfence_kit.sealing import Seal
from ringfence_telemetry.audit_keys import audit_keys
from ringfence_telemetry.audit_log import AuditLog, Draft, decision_key, ensure_head
from ringfence_telemetry.audit_reading import AuditReader
from ringfence_telemetry.decision_document import read_decision
from ringfence_telemetry.outcomes import Outcomes
from ringfence_telemetry.signals import Signal

from support.telemetry.decisions import decision_id
from support.telemetry.ingesting import FrailWriter
from support.telemetry.opened import BY_TELEMETRY, OpenedStore

ORIGIN = "log.example/audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Auditing:
    """The log at work."""

    log: AuditLog
    reader: AuditReader
    outcomes: Outcomes
    keys: LogKeys
    writer: FrailWriter
    opened: OpenedStore
    clock: ManualClock
    wakes: list[int] = field(default_factory=list)
    """One for each time signals may have been queued."""

    async def signals(self) -> list[Signal]:
        """Return the signals that wait for delivery."""
        return [each.signal for each in await self.opened.store.pending_signals(limit=1_000)]


def draft(number: int, body: bytes) -> Draft:
    """Return the entry of the `number`th decision."""
    decision, violations = read_decision(body, decision_id=decision_id(number), path="body")
    assert not violations
    return Draft(key=decision_key(decision_id(number)), body=body, decision=decision)


def open_keys(directory: Path, *, origin: str = ORIGIN, rotate: bool = False) -> LogKeys:
    """Return the keys kept in a directory; `rotate` makes a new signing key first."""
    store = FileKeyStore(directory / "keys", Seal.unsealed())
    if rotate:
        store.add_signer("audit-checkpoints", at=EPOCH)
    keys = audit_keys(origin)
    keys.open(store, at=EPOCH)
    return keys


@asynccontextmanager
async def auditing(opened: OpenedStore, directory: Path, *, rotate: bool = False) -> AsyncIterator[Auditing]:
    """Run the log with keys in `directory`."""
    clock, writer, keys = ManualClock(), FrailWriter(opened.writer), open_keys(directory, rotate=rotate)
    wakes: list[int] = []
    log = AuditLog(writer, keys, on_appended=lambda: wakes.append(1), clock=clock)
    await opened.writer.write(
        lambda tx: ensure_head(tx, keys=keys, at=clock.now()), mutation=BY_TELEMETRY, result=StoredCheckpoint
    )
    async with background(log.run()):
        yield Auditing(
            log=log,
            reader=AuditReader(opened.store),
            outcomes=Outcomes(writer, keys, on_appended=lambda: wakes.append(1)),
            keys=keys,
            writer=writer,
            opened=opened,
            clock=clock,
            wakes=wakes,
        )
