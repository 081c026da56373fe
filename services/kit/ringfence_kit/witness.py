"""A service as a witness of telemetry's audit log: it follows the log's heads, keeps the last it believed, and cosigns.

What is believed and what is not is `ringfence.proofs.log_witness`. The rules here:

- what is believed is on disk before it is signed, and is signed only then (C2SP tlog-witness);
- heads are checked at most every `every`, the newest of those that came: it vouches for those between;
- a split view is logged as an error, kept as evidence, and told by metric and as an impairment for as long as the
  evidence lies there. The service goes on: what it has to do does not depend on the log;
- telemetry that is away is waited for, ever longer; a witness whose key telemetry does not know goes on watching.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from ringfence.audited_log import ShownHead
from ringfence.backoff import Backoff
from ringfence.errors import InvalidArgumentError, OutOfRangeError, RingfenceError, UnavailableError
from ringfence.proofs.cosignature import Cosigner
from ringfence.proofs.log_witness import Believed, Doubt, HeadDoubted, Shown, believe, doubt_of, look_at
from ringfence.proofs.merkle import Digest
from ringfence.proofs.signed_note import NoteInvalid, VerifierKey, is_key_name, parse_checkpoint, parse_note

from ringfence_kit.background import background
from ringfence_kit.clock import SECOND, Clock, Instant, Millis
from ringfence_kit.config import Secret, setting
from ringfence_kit.key_files import open_key_file, seal_of
from ringfence_kit.readiness import Readiness
from ringfence_kit.sealing import Seal
from ringfence_kit.witness_files import WitnessFiles
from ringfence_kit.witness_keys import publish_witness_key

SIGNING_KEYS = "audit-witness"
IMPAIRED = "audit log"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessConfig:
    """How a service watches over telemetry's audit log."""

    enabled: bool = setting(True, doc="Whether the log's checkpoints are followed and compared.")
    name: str = setting("", doc="The name before signatures; empty takes <service>.witness.ringfence.internal.")
    log_key: str = setting(
        "", doc="The log's verifier key, from somebody you trust; empty believes the one seen first."
    )
    key_file: Path | None = setting(
        None, doc="Where the sealed key is kept; absent means <service>-witness.keys in the data directory."
    )
    seal: Secret = setting(
        Secret(""),
        doc="What seals the key file: 32 bytes in base64, or a passphrase; empty takes the service's own. "
        "With neither, only --dev signs; others compare.",
    )
    every: Millis = setting(
        Millis(5 * SECOND), doc="How often a checkpoint is checked and signed, at most.", at_least=100
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the name and the key."""
        if self.name and not is_key_name(self.name):
            yield "name", "must be without spaces and without +, such as registry.example.com/witness"
        try:
            self.pinned()
        except NoteInvalid as error:
            yield "log_key", str(error)

    def pinned(self) -> VerifierKey | None:
        """Return the log's key when it was configured."""
        return VerifierKey.parse(self.log_key) if self.log_key else None


def witness_seal(config: WitnessConfig, own: Secret, *, setting: str, dev: bool) -> Seal | None:
    """Return what seals the key of the witness of a service whose own secret is `own`; None when nothing does.

    `setting` is the one of the witness (`pdp.witness.seal`).
    """
    secret = config.seal or own
    return seal_of(secret, setting=setting, dev=dev) if secret or dev else None


class WitnessedLog(Protocol):
    """The log, as `ringfence.audited_log.AuditedLog` is one."""

    def heads(self) -> AsyncIterator[ShownHead]:
        """Yield the newest head, and then every one that is told of."""
        ...

    async def consistency(self, first: int, second: int) -> Sequence[Digest]:
        """Return what the log says proves that its first entries stayed what they were."""
        ...

    async def cosign(self, size: int, line: str) -> None:
        """Leave a signature beneath the head of this size."""
        ...


class LogWitness:
    """The witness of one service, at work inside `async with witness.watching()`."""

    def __init__(
        self,
        service: str,
        config: WitnessConfig,
        *,
        log: Callable[[], WitnessedLog],
        data: Path,
        seal: Seal | None,
        clock: Clock,
        readiness: Readiness,
    ) -> None:
        """`seal` is what seals the key of the witness; without one it compares and does not sign."""
        self._service = service
        self._config = config
        self._log = log
        self._data = data
        self._seal = seal
        self._clock = clock
        self._readiness = readiness
        self._files = WitnessFiles(data, service)
        self._cosigner: Cosigner | None = None
        self._cosigned_size = -1
        self.believed: Believed | None = None
        """The last head that was believed."""
        self.believed_at: Instant | None = None
        """When the log was last seen to be as believed, or to go on from it."""
        self.cosigned = 0
        self.doubted = 0
        """Heads that were not believed."""
        self.cosigning_problem = ""
        """Why the last signature was not taken; empty when it was."""

    @property
    def split(self) -> bool:
        """Whether the log was seen to have two histories."""
        return self._files.has_evidence

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Follow the log beside the block. Raises StartRefused when what was believed, or the key, cannot be read."""
        if not self._config.enabled:
            yield
            return
        self._open()
        async with background(self._run()):
            yield

    def _open(self) -> None:
        self.believed = self._files.read()
        if self.split:
            self._alarm()
        if self._seal is None:
            return
        path = self._config.key_file or self._data / f"{self._service}-witness.keys"
        signer = open_key_file(path, self._seal).ensure_signers(SIGNING_KEYS, at=self._clock.now())[-1]
        name = self._config.name or f"{self._service}.witness.ringfence.internal"
        self._cosigner = Cosigner(name, signer)
        publish_witness_key(self._data, self._service, self._cosigner.witness)

    async def _run(self) -> None:
        backoff = Backoff(first=0.5, cap=30.0)
        while True:
            try:
                await self._follow(self._log(), backoff)
            except RingfenceError as error:
                if not backoff.failures:
                    _log.info("audit_log_away", service=self._service, problem=str(error))
            except Exception:  # noqa: BLE001 - a witness that cannot go on must not end the service it is part of
                _log.exception("audit_log_unreadable", service=self._service)
            await self._clock.sleep(Millis(int(backoff.next_wait() * SECOND)))

    async def _follow(self, log: WitnessedLog, backoff: Backoff) -> None:
        newest = _Newest()
        async with background(newest.read(log.heads())):
            while True:
                await self._take(await newest.next(), log)
                backoff.reset()
                await self._clock.sleep(self._config.every)

    async def _take(self, head: ShownHead, log: WitnessedLog) -> None:
        try:
            pinned = self._config.pinned()
            shown = look_at(head.note, said_key=head.verifier_key, believed=self.believed, pinned=pinned)
            if shown.is_news:
                await self._believe(shown, log)
        except HeadDoubted as doubted:
            await self._doubt(doubted)
            return
        except OSError as error:
            _log.error("audit_head_not_kept", service=self._service, problem=str(error))
            return  # what is not on disk is not believed, and not signed
        self.believed_at = self._clock.now()
        if not self.split:
            self._readiness.repaired(IMPAIRED)
        await self._cosign(log)

    async def _believe(self, shown: Shown, log: WitnessedLog) -> None:
        proof: Sequence[Digest] = ()
        if shown.needs_proof and shown.since is not None:
            proof = await self._proof(shown.since.size, shown, log)
        believed = believe(shown, proof, believed=self.believed)
        await asyncio.to_thread(self._files.keep, believed)
        self.believed = believed

    async def _proof(self, first: int, shown: Shown, log: WitnessedLog) -> Sequence[Digest]:
        try:
            return await log.consistency(first, shown.checkpoint.size)
        except (InvalidArgumentError, OutOfRangeError) as error:
            # Not away: it does not stand by the head it has just shown.
            problem = f"asked for a proof of the head it showed, the log answers {error}"
            raise doubt_of(shown, Doubt.REWRITTEN, problem, believed=self.believed) from None

    async def _cosign(self, log: WitnessedLog) -> None:
        if self._cosigner is None or self.believed is None:
            return
        note = parse_note(self.believed.note)
        size = parse_checkpoint(note.text).size
        if size == self._cosigned_size:
            return
        line = self._cosigner.cosign(note.text, seconds=self._clock.now() // SECOND)
        try:
            await log.cosign(size, line)
        except RingfenceError as error:
            if str(error) != self.cosigning_problem:
                _log.warning("cosignature_not_taken", service=self._service, tree_size=size, problem=str(error))
            self.cosigning_problem = str(error)
            return
        self.cosigning_problem = ""
        self._cosigned_size = size
        self.cosigned += 1

    async def _doubt(self, doubted: HeadDoubted) -> None:
        _log.error(
            "audit_log_split" if doubted.doubt.is_split else "audit_head_doubted",
            service=self._service,
            doubt=doubted.doubt.value,
            problem=doubted.problem,
            evidence=str(self._files.evidence_file) if doubted.doubt.is_split else "",
        )
        if doubted.doubt.is_split:
            try:
                await asyncio.to_thread(self._files.keep_evidence, doubted)
            except OSError as error:
                _log.error("evidence_not_kept", service=self._service, shown=doubted.shown, problem=str(error))
            self._alarm()
        self.doubted += 1

    def _alarm(self) -> None:
        self._readiness.impair(
            IMPAIRED, why=f"the audit log showed two histories; the evidence is {self._files.evidence_file}"
        )


class _Newest:
    """The newest head of a stream; those that were not taken in time are passed over."""

    def __init__(self) -> None:
        self._head: ShownHead | None = None
        self._came = asyncio.Event()

    async def read(self, heads: AsyncIterator[ShownHead]) -> None:
        """Read the stream to its end, which is a failure: it has none."""
        async for head in heads:
            self._head = head
            self._came.set()
        raise UnavailableError("the stream of heads ended")

    async def next(self) -> ShownHead:
        """Return the newest head once there is one that was not returned."""
        while self._head is None:
            await self._came.wait()
            self._came.clear()
        head, self._head = self._head, None
        return head


class WitnessMetrics(Collector):
    """What a service tells Prometheus of its witness; `prefix` is the service's, `ringfence_pdp`."""

    def __init__(self, prefix: str, witness: LogWitness, clock: Clock) -> None:
        self._prefix = f"{prefix}_audit_witness"
        self._witness = witness
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """Yield every metric as it stands."""
        witness, prefix = self._witness, self._prefix
        size = -1 if witness.believed is None else witness.believed.checkpoint.size
        yield GaugeMetricFamily(f"{prefix}_tree_size", "Entries of the last audit log believed; -1: none.", value=size)
        yield GaugeMetricFamily(
            f"{prefix}_split_view",
            "1 while there is evidence that the audit log has two histories.",
            value=witness.split,
        )
        yield CounterMetricFamily(f"{prefix}_doubted", "Heads of the audit log not believed.", value=witness.doubted)
        yield CounterMetricFamily(f"{prefix}_cosigned", "Heads of the audit log signed.", value=witness.cosigned)
        yield GaugeMetricFamily(
            f"{prefix}_cosigning_fails",
            "1 while telemetry does not take signatures.",
            value=witness.cosigning_problem != "",
        )
        if witness.believed_at is not None:
            age = max(0, self._clock.now() - witness.believed_at) / SECOND
            yield GaugeMetricFamily(f"{prefix}_age_seconds", "Time since the audit log was found in order.", value=age)
