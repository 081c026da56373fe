"""A worker of a pdp, put together: it follows its leader's snapshot, decides, and hands what it decided to the log."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, NoReturn

from ringfence_kit.background import background
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import SECOND, Clock, Instant, Millis, SystemClock
from ringfence_kit.feeds import FeedReport
from ringfence_kit.ids import random_ids
from ringfence_kit.pages import PageTokens
from ringfence_kit.readiness import Readiness
from ringfence_kit.service import Listener, Service
from ringfence_kit.workers.passing_on import Leader
from ringfence_kit.workers.worker import Beginning, Line

from ringfence_pdp.api.decisions import DecisionApi
from ringfence_pdp.api.ext_authz import ExtAuthzApi
from ringfence_pdp.api.streams import CheckStreams
from ringfence_pdp.api.workers import WorkerApi, WorkerAsking, worker_faces
from ringfence_pdp.classifiers.encoding import is_asked
from ringfence_pdp.config import PdpConfig, WhenFull
from ringfence_pdp.convert.audit import AuditWire
from ringfence_pdp.convert.snapshots import snapshot_watch, take_snapshot
from ringfence_pdp.decision_batches import DecisionBatches
from ringfence_pdp.decision_delivery import GATHERED_FOR
from ringfence_pdp.decision_log import DecisionLog
from ringfence_pdp.decisions import Decisions
from ringfence_pdp.epochs import Epochs
from ringfence_pdp.filter_metrics import FilterMetrics, ScanCounts
from ringfence_pdp.grants import GRANTS
from ringfence_pdp.limits.metering import Metering
from ringfence_pdp.metrics import PdpMetrics
from ringfence_pdp.reckoning import Reckoning
from ringfence_pdp.recording import recording
from ringfence_pdp.rollout.trial import Trials
from ringfence_pdp.snapshots.elsewhere import CountedElsewhere
from ringfence_pdp.snapshots.following import SnapshotFollower
from ringfence_pdp.workers.elsewhere import ClassifiersElsewhere, PeopleElsewhere, Where
from ringfence_pdp.workers.log_line import WAITING_MAX, WorkerSpool, heed

LOOKS_EVERY: Final = Millis(SECOND)

SNAPSHOT: Final = "snapshot"
"""The condition of readiness."""


def build(begun: Beginning, leader: Leader, line: Line) -> Service:
    """Put a worker together; nothing is opened until `run` is entered."""
    config: PdpConfig = begun.config
    clock, readiness = SystemClock(), Readiness()
    readiness.require(SNAPSHOT, why="the leader is telling what decisions stand on")

    own = leader.metadata(Caller(principal=f"worker:{begun.index}", roles=frozenset({Role.SERVICE})))
    epochs = Epochs(lambda: decisions.epoch)
    follower = SnapshotFollower(
        lambda: snapshot_watch(leader.channel, own),
        take_snapshot,
        clock=clock,
        on_change=epochs.changed,
    )
    reads_again = is_asked(config.encoder.use)
    where = Where(follower.policy, reads_again=reads_again)

    log = DecisionLog(stops_when_full=config.decision_log.when_full is WhenFull.STOP)
    spool = WorkerSpool(line)
    batches = DecisionBatches(
        spool,
        AuditWire(lambda: leader.channel),
        max_bytes=WAITING_MAX,
        gather=GATHERED_FOR,
        on_refused=log.refused,
    )
    line.on_took = batches.delivered
    heed(line, log, spool, where)

    decisions = Decisions(
        policy=follower.policy,
        trials=Trials(follower.policy),
        agents=follower,
        log=recording(config.decision_log, log, follower.policy, begun.secret.encode),
        reckoning=Reckoning(Metering(CountedElsewhere(), ring_rates=config.ring_rates), PeopleElsewhere(), clock=clock),
        gated_environments=frozenset(config.gated_environments),
        audiences=frozenset(config.audiences),
        classifiers=ClassifiersElsewhere(),
        reads_again=reads_again,
        clock=clock,
        new_id=random_ids,
    )
    streams = CheckStreams(WorkerAsking(decisions, where, leader), epochs, clock)
    # Pages are the leader's: nothing here seals one.
    decision_api = DecisionApi(decisions, streams=streams, tokens=PageTokens(bytes), clock=clock)
    api = WorkerApi(decision_api, ExtAuthzApi(decisions, begun.secret.encode), where, leader)

    @asynccontextmanager
    async def run() -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            log.attach(batches)
            stack.callback(batches.flush)
            await stack.enter_async_context(follower.following())
            await stack.enter_async_context(background(_watching(follower, readiness, clock)))
            yield

    return Service(
        name="pdp",
        listeners=[
            Listener(
                address=address,
                setting=setting,
                faces=worker_faces(api, decision_api, leader, hot=setting == "pdp.fast_listen"),
                fast=setting == "pdp.fast_listen",
            )
            for setting, address in begun.addresses.items()
        ],
        grants=GRANTS,
        run=run,
        readiness=readiness,
        tls=config.tls,
        collectors=[
            PdpMetrics(decisions=decisions, agents=_Followed(follower), policy=follower.policy, log=log, clock=clock),
            FilterMetrics(ScanCounts(), decisions.found),
        ],
    )


class _Followed:
    """The follower as metrics see it: one feed."""

    def __init__(self, follower: SnapshotFollower) -> None:
        self._follower = follower

    def reports(self, now: Instant) -> Sequence[FeedReport]:
        return [self._follower.report(now)]


async def _watching(follower: SnapshotFollower, readiness: Readiness, clock: Clock) -> NoReturn:
    """Say whether there is anything to decide by. Runs until cancelled."""
    await follower.complete()
    while True:
        if follower.is_stale(clock.now()):
            readiness.lost(SNAPSHOT, why="the leader does not say any more what decisions stand on")
        else:
            readiness.met(SNAPSHOT)
        await clock.sleep(LOOKS_EVERY)
