"""`LocalPdp`: the pdp's decisions inside another program, made on its snapshot, without a call.

    async with LocalPdp("pdp:7403", data=Path("/var/lib/gateway"), options=options) as pdp:
        await pdp.ready()
        answer = pdp.check(request)                  # microseconds; on the event loop that entered the block
        answer = await pdp.check_or_ask(request)     # the same, or the pdp's answer where only it can give one

The rules:

- an answer is the one the pdp would have given, to the byte, but for what belongs to one asking;
- what needs one place for all is not decided here: `check` says so (DecidedElsewhere), and `check_or_ask` asks the pdp;
- before the snapshot is whole, and when it was not confirmed for `stale_after`, everything is denied (FACTS_STALE);
- every decision is on disk under `data` a few milliseconds later, and is handed to the pdp until the audit log has it,
  after a restart too. When the disk is full the pdp's own rule holds: rings 0 and 1 are denied, or nothing is answered;
- failures are those of a call: InvalidArgumentError, UnavailableError.

Whoever has it sees every agent and writes into the audit log, so the credential needs the role `decider`.
"""

import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from ringfence.channel import ChannelOptions, open_aio_channel
from ringfence.errors import error_of
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceStub
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Clock, Millis, SystemClock
from ringfence_kit.errors import Failure
from ringfence_kit.feeds import FeedReport
from ringfence_kit.ids import NewId, random_ids
from ringfence_kit.status import code_of, trailers_of

from ringfence_pdp.answer import Answer
from ringfence_pdp.convert.answer_bytes import response_bytes
from ringfence_pdp.convert.audit import UPLOAD, AuditWire
from ringfence_pdp.convert.decisions import response_to_proto
from ringfence_pdp.convert.question_bytes import Asked, asked, asked_of
from ringfence_pdp.convert.snapshots import snapshot_watch, take_snapshot
from ringfence_pdp.decision_delivery import delivering
from ringfence_pdp.decision_log import DecisionLog
from ringfence_pdp.decision_record import DecisionRecords
from ringfence_pdp.decisions import Decisions
from ringfence_pdp.evidence import EvidenceKeeper
from ringfence_pdp.limits.metering import Metering
from ringfence_pdp.masks import Masks
from ringfence_pdp.reckoning import Reckoning, Unsettled
from ringfence_pdp.rollout.trial import Trials
from ringfence_pdp.snapshots.elsewhere import (
    AskedElsewhere,
    CountedElsewhere,
    DecidedElsewhere,
    refuse_sessions,
    refuse_unsettled,
)
from ringfence_pdp.snapshots.following import STALE_AFTER, SnapshotFollower
from ringfence_pdp.snapshots.shipped import Settings

if TYPE_CHECKING:
    from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceAsyncStub

__all__ = ["STALE_AFTER", "DecidedElsewhere", "LocalPdp"]

SPOOL_BYTES: Final = 256 << 20
"""How much of decisions may wait on disk while the pdp is away, where nothing else is said."""

_OURSELVES: Final = Caller(principal="local-pdp", roles=frozenset({Role.DECIDER}))
"""Asks about every agent, as whoever holds the snapshot may."""


class LocalPdp:
    """Decides inside `async with`, on the event loop that entered it."""

    def __init__(
        self,
        address: str,
        *,
        data: Path,
        options: ChannelOptions | None = None,
        stale_after: Millis = STALE_AFTER,
        spool_bytes: int = SPOOL_BYTES,
        clock: Clock | None = None,
        new_id: NewId = random_ids,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """`address` is the pdp's standard port, `data` a folder nobody else uses. `on_change` hears of every news."""
        self._address = address
        self._data = data
        self._options = options
        self._clock = clock or SystemClock()
        self._new_id = new_id
        self._spool_bytes = spool_bytes
        self._key = os.urandom(32)
        self._log = DecisionLog(stops_when_full=False)
        self._follower = SnapshotFollower(
            lambda: snapshot_watch(self._channel),
            take_snapshot,
            clock=self._clock,
            stale_after=stale_after,
            on_change=on_change,
        )
        self._trials = Trials(self._follower.policy)
        self._settings: Settings | None = None
        self._decisions = self._deciding()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            self._channel = open_aio_channel(self._address, self._options)
            opening.push_async_callback(self._channel.close)
            self._pdp: DecisionServiceAsyncStub = DecisionServiceStub(self._channel)
            wire, spool = AuditWire(lambda: self._channel, UPLOAD), self._data / "decisions"
            await opening.enter_async_context(
                delivering(self._log, spool, wire, max_bytes=self._spool_bytes, clock=self._clock)
            )
            await opening.enter_async_context(self._follower.following())
            self._stack = opening.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def ready(self) -> None:
        """Wait until there is a snapshot to decide by."""
        await self._follower.complete()

    @property
    def age(self) -> Millis | None:
        """How long ago the snapshot was last confirmed; None means never."""
        return self._follower.age(self._clock.now())

    @property
    def is_stale(self) -> bool:
        """Whether everything is denied because of how old it is."""
        return self._follower.is_stale(self._clock.now())

    @property
    def report(self) -> FeedReport:
        """How the stream stands, and what is wrong with it."""
        return self._follower.report(self._clock.now())

    @property
    def undelivered(self) -> int:
        """Decisions the audit log does not have yet."""
        return 0 if self._log.spool is None else self._log.spool.undelivered

    @property
    def unlogged(self) -> int:
        """Decisions answered, or refused, without an entry in the log."""
        return self._log.unlogged

    def check(self, request: pb.CheckRequest) -> pb.CheckResponse:
        """Decide one request. Raises DecidedElsewhere, and RingfenceError as a call of Check does."""
        return response_to_proto(self._answer(asked_of(request)))

    def check_bytes(self, request: bytes) -> bytes:
        """Decide the request in these bytes, and return the response's. Raises DecodeError for bytes that are none."""
        return response_bytes(self._answer(asked(request)))

    async def check_or_ask(self, request: pb.CheckRequest) -> pb.CheckResponse:
        """Decide one request here, or have the pdp decide what only it can. Raises RingfenceError."""
        try:
            return self.check(request)
        except DecidedElsewhere:
            return await self._pdp.Check(request)

    def _answer(self, asked: Asked) -> Answer:
        if self._follower.settings is not self._settings:
            self._decisions = self._deciding()
        try:
            question = asked.question()
            refuse_sessions(self._follower.policy.current, question)
            answer = self._decisions.sitting().check(question, _OURSELVES, asked.sent, asked.routine)
        except Failure as failure:
            raise error_of(code_of(failure), failure.message, trailers_of(failure)) from failure
        if isinstance(answer, Unsettled):
            refuse_unsettled(answer)
        return answer

    def _deciding(self) -> Decisions:
        """Return what decides as the pdp's settings say."""
        settings = self._settings = self._follower.settings
        self._log.stops_when_full = settings.stops_when_full
        records = DecisionRecords(
            self._log,
            EvidenceKeeper(self._log, release=version("ringfence")),
            kept=self._follower.policy.find,
            key=lambda: self._key,
            masks=Masks.of(settings.masks),
            inputs=settings.inputs,
            allow_rate=settings.allow_rate,
        )
        metering = Metering(CountedElsewhere(), ring_rates=settings.ring_rates)
        return Decisions(
            policy=self._follower.policy,
            trials=self._trials,
            agents=self._follower,
            log=records,
            reckoning=Reckoning(metering, AskedElsewhere(), clock=self._clock),
            gated_environments=frozenset(settings.gated_environments),
            audiences=frozenset(settings.audiences),
            reads_again=settings.reads_again,
            clock=self._clock,
            new_id=self._new_id,
        )
