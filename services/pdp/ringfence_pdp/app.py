"""The pdp, put together: read from top to bottom, each part needs only those above it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from ringfence.audited_log import AuditedLog
from ringfence_kit.background import background
from ringfence_kit.clock import Clock
from ringfence_kit.config import Secret
from ringfence_kit.events import Event
from ringfence_kit.ids import NewId
from ringfence_kit.pages import PageTokens
from ringfence_kit.peers import Peers
from ringfence_kit.readiness import Readiness
from ringfence_kit.server_config import ServerConfig
from ringfence_kit.service import HttpFace, Listener, Service, fast_listener
from ringfence_kit.sql import Database
from ringfence_kit.sql_writer import SqlWriter
from ringfence_kit.watch import EventHub
from ringfence_kit.witness import LogWitness, WitnessMetrics, witness_seal

from ringfence_pdp.api.approvals import ApprovalApi, approval_face
from ringfence_pdp.api.authzen import AuthZenApi, authzen_methods, authzen_routes
from ringfence_pdp.api.bundles import BundleApi, bundle_face
from ringfence_pdp.api.decisions import DecisionApi, decision_face
from ringfence_pdp.api.ext_authz import ExtAuthzApi, ext_authz_face
from ringfence_pdp.api.filters import FilterApi, filter_face
from ringfence_pdp.api.kill_switches import KillSwitchApi, kill_switch_face
from ringfence_pdp.api.limits import LimitApi, limit_face
from ringfence_pdp.api.snapshots import SnapshotApi, snapshot_face
from ringfence_pdp.api.streams import AskingHere, CheckStreams
from ringfence_pdp.approvals.approval import APPROVAL
from ringfence_pdp.approvals.book import ApprovalBook
from ringfence_pdp.approvals.desk import ApprovalDesk
from ringfence_pdp.approvals.metrics import ApprovalMetrics
from ringfence_pdp.approvals.settling import Bounds
from ringfence_pdp.approvals.store_sql import every_approval
from ringfence_pdp.breathing import Breath
from ringfence_pdp.classifiers.asking import AskedClassifiers, Classifier
from ringfence_pdp.classifiers.breaker import Breaker
from ringfence_pdp.classifiers.config import ClassifierConfig
from ringfence_pdp.classifiers.encoding import Encoding, WithEncoder
from ringfence_pdp.classifiers.memory import Memory
from ringfence_pdp.classifiers.metrics import ClassifierMetrics, EncoderMetrics
from ringfence_pdp.compile import BundleCompiler
from ringfence_pdp.compiled import CompiledBundle
from ringfence_pdp.config import Inputs, PdpConfig, WhenFull
from ringfence_pdp.convert.agents import (
    identity_watch,
    registry_watch,
    take_identity,
    take_registered,
    take_tool,
    tool_watch,
)
from ringfence_pdp.convert.audit import AuditWire
from ringfence_pdp.convert.boundaries import boundary_watch, take_boundary
from ringfence_pdp.convert.budgets import budget_watch, take_budget
from ringfence_pdp.convert.changed_names import agents_of, boundary_of, did_of, health_name_of, revoked_of, tool_of
from ringfence_pdp.convert.classifier_line import line_to
from ringfence_pdp.convert.health import health_watch, take_health
from ringfence_pdp.convert.revocations import issuer_fetcher, revocation_watch, take_revocation
from ringfence_pdp.decision_delivery import delivering
from ringfence_pdp.decision_log import DecisionLog
from ringfence_pdp.decisions import Decisions
from ringfence_pdp.epochs import Epochs
from ringfence_pdp.evidence import content_at
from ringfence_pdp.fact_feeds import FactFeeds, Told
from ringfence_pdp.filter_metrics import FilterMetrics
from ringfence_pdp.filters.scanning import built_in
from ringfence_pdp.grants import GRANTS
from ringfence_pdp.letting_go import let_go
from ringfence_pdp.limits.memory_counters import MemoryCounters
from ringfence_pdp.limits.metering import Metering
from ringfence_pdp.metrics import PdpMetrics
from ringfence_pdp.policy_state import PolicyState
from ringfence_pdp.reckoning import Reckoning
from ringfence_pdp.recording import recording
from ringfence_pdp.rollout.metrics import RolloutMetrics
from ringfence_pdp.rollout.trial import Trials
from ringfence_pdp.snapshots.shipped import Kind, Settings
from ringfence_pdp.snapshots.shipping import Ages, Shipping
from ringfence_pdp.sources.folder import FolderSource
from ringfence_pdp.sources.git import GitSource
from ringfence_pdp.sources.source import Follower, Source
from ringfence_pdp.store_sql import MIGRATIONS, SqlPolicyStore
from ringfence_pdp.transactions import SqlPdpTx
from ringfence_pdp.workers.leading import Leading

POLICY_LOADED = "policy"
"""The condition under which the pdp has what is its own."""


def build(config: PdpConfig, server: ServerConfig, *, clock: Clock, new_id: NewId) -> Service:
    """Put the pdp together; nothing is opened until `run` is entered."""
    readiness = _readiness()
    peers = Peers(server=server, tls=config.tls)

    database = Database(config.database_url(server.data), service="pdp", migrations=MIGRATIONS)
    store = SqlPolicyStore(database)
    policy = PolicyState(BundleCompiler(Breath).compile_files, let_go=let_go)
    book = ApprovalBook()
    encoding = Encoding(config.encoder.use, budget=config.encoder.budget, clock=clock)
    epochs = Epochs(lambda: policy.current.epoch + agents.facts.epoch)
    shipping = Shipping(
        policy=policy,
        facts=lambda: agents.facts,
        ages=lambda now: Ages(agents.identity_age(now), agents.budgets_age(now)),
        settings=_settings(config, reads_again=encoding.is_asked),
        clock=clock,
        salt=int(new_id()[:4], 16),
    )

    moved = _both(epochs.changed, shipping.changed)
    hub = EventHub(database.events, clock=clock, apply=lambda event: _apply(event, policy, book, moved))
    writer = SqlWriter(database, SqlPdpTx, hub, clock=clock, keep_events=config.events_kept)

    agents = FactFeeds(
        identity=Told(
            source=lambda: identity_watch(peers.channel(config.identity)),
            take=shipping.noting(Kind.IDENTITY, did_of, take_identity),
        ),
        registry=Told(
            source=lambda: registry_watch(peers.channel(config.registry)),
            take=shipping.noting(Kind.AGENT, agents_of, take_registered),
        ),
        tools=Told(
            source=lambda: tool_watch(peers.channel(config.registry)),
            take=shipping.noting(Kind.TOOL, tool_of, take_tool),
        ),
        boundaries=Told(
            source=lambda: boundary_watch(peers.channel(config.registry)),
            take=shipping.noting(Kind.BOUNDARY, boundary_of, take_boundary),
        ),
        revocations=Told(
            source=lambda: revocation_watch(peers.channel(config.identity)),
            take=shipping.noting(Kind.REVOCATION, revoked_of, take_revocation),
        ),
        budgets=Told(source=lambda: budget_watch(peers.channel(config.telemetry)), take=take_budget),
        budgets_believed_for=config.budgets.believed_for,
        health=Told(
            source=lambda: health_watch(peers.channel(config.telemetry)),
            take=shipping.noting(Kind.HEALTH, health_name_of, take_health),
        ),
        fetch_issuer=issuer_fetcher(lambda: peers.channel(config.identity)),
        clock=clock,
        readiness=readiness,
        on_change=moved,
    )
    log = DecisionLog(stops_when_full=config.decision_log.when_full is WhenFull.STOP)
    records = recording(config.decision_log, log, policy, database.mac_key)
    desk = ApprovalDesk(
        writer,
        book,
        clock=clock,
        new_id=new_id,
        bounds=Bounds(
            open_of_one=config.approvals.open_of_one,
            open_of_namespace=config.approvals.open_of_namespace,
            open_in_all=config.approvals.open_in_all,
            kept=config.approvals.kept,
        ),
        rest=config.approvals.rest,
        tell=log.take,
    )
    classifiers = AskedClassifiers([_classifier(one, config, server, clock) for one in config.classifiers])
    counters = MemoryCounters()
    reckoning = Reckoning(
        Metering(counters, ring_rates=config.ring_rates),
        desk,
        clock=clock,
        shows_arguments=config.approvals.show_arguments,
    )
    trials = Trials(policy)
    decisions = Decisions(
        policy=policy,
        trials=trials,
        agents=agents,
        log=records,
        reckoning=reckoning,
        gated_environments=frozenset(config.gated_environments),
        audiences=frozenset(config.audiences),
        classifiers=WithEncoder(classifiers, encoding, built_in),
        reads_again=encoding.is_asked,
        clock=clock,
        new_id=new_id,
    )

    tokens = PageTokens(database.mac_key)
    decision_api = DecisionApi(
        decisions, streams=CheckStreams(AskingHere(decisions), epochs, clock), tokens=tokens, clock=clock
    )
    ext_authz_api = ExtAuthzApi(decisions, database.mac_key)
    authzen_api = AuthZenApi(decisions, public_url=config.public_url)
    approval_api = ApprovalApi(writer, book, hub, clock=clock, moment=desk.moment, tokens=tokens)
    limit_api = LimitApi(
        counters,
        clock=clock,
        bundle=lambda: policy.current.compiled,
        facts=lambda: agents.facts,
        tokens=tokens,
    )
    filter_api = FilterApi(
        lambda: built_in() if policy.current.compiled is None else policy.current.compiled.engines,
        facts=lambda: agents.facts,
        encoding=encoding,
        tokens=tokens,
        clock=clock,
    )
    wire = AuditWire(lambda: peers.channel(config.telemetry))
    kill_switch_api = KillSwitchApi(
        writer,
        clock=clock,
        new_id=new_id,
        engaged=lambda: policy.current.kill_switches,
        tokens=tokens,
    )

    witness = LogWitness(
        "pdp",
        config.witness,
        log=lambda: AuditedLog(peers.channel(config.telemetry)),
        data=server.data,
        seal=witness_seal(config.witness, Secret(""), setting="pdp.witness.seal", dev=server.dev),
        clock=clock,
        readiness=readiness,
    )
    follower = Follower(
        _source(config, server.data, clock),
        writer,
        policy,
        activates=config.source.activate,
        interval=config.source.interval,
        clock=clock,
        readiness=readiness,
    )

    leading = Leading(config, server, log, decisions.watch, readiness=readiness, clock=clock)

    @asynccontextmanager
    async def run() -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(database)
            await _fill(policy, store, book, database, hub)
            await stack.enter_async_context(writer)
            await stack.enter_async_context(
                background(
                    trials.aborting(writer, clock), policy.warming(), policy.compiling(moved), shipping.beating()
                )
            )
            await stack.enter_async_context(peers)
            batches = await stack.enter_async_context(
                delivering(
                    log, config.spool_path(server.data), wire, max_bytes=config.decision_log.max_bytes, clock=clock
                )
            )
            desk.start()
            await stack.enter_async_context(background(desk.ending(), *classifiers.speaking()))
            await stack.enter_async_context(witness.watching())
            await stack.enter_async_context(agents.following())
            readiness.met(POLICY_LOADED)
            await stack.enter_async_context(background(follower.following()))
            await stack.enter_async_context(leading.running(batches))
            yield

    return Service(
        name="pdp",
        listeners=[
            Listener(
                address=config.listen,
                setting="pdp.listen",
                faces=[
                    decision_face(decision_api),
                    ext_authz_face(ext_authz_api),
                    bundle_face(BundleApi(writer, clock=clock, policy=policy, flips=trials.flips, tokens=tokens)),
                    kill_switch_face(kill_switch_api),
                    approval_face(approval_api),
                    limit_face(limit_api),
                    filter_face(filter_api),
                    snapshot_face(
                        SnapshotApi(
                            shipping, wire.append, lambda address: content_at(address, agents.facts, policy.find)
                        )
                    ),
                ],
            ),
            *fast_listener(
                config.fast_listen,
                setting="pdp.fast_listen",
                faces=[decision_face(decision_api), ext_authz_face(ext_authz_api)],
            ),
        ],
        grants=GRANTS,
        http=HttpFace(
            address=config.http_listen,
            setting="pdp.http_listen",
            routes=authzen_routes(authzen_api),
            methods=authzen_methods(authzen_api, GRANTS),
        ),
        run=run,
        readiness=readiness,
        tls=config.tls,
        collectors=[
            PdpMetrics(decisions=decisions, agents=agents, policy=policy, log=log, clock=clock),
            ApprovalMetrics(desk),
            RolloutMetrics(policy, trials, records, follower),
            ClassifierMetrics(classifiers),
            EncoderMetrics(encoding),
            FilterMetrics(filter_api.counts, decisions.found),
            WitnessMetrics("ringfence_pdp", witness, clock),
            *leading.collectors,
        ],
        workers=leading.workers,
    )


def _readiness() -> Readiness:
    readiness = Readiness()
    readiness.require(POLICY_LOADED, why="policies are being loaded")
    return readiness


def _classifier(asked: ClassifierConfig, config: PdpConfig, server: ServerConfig, clock: Clock) -> Classifier:
    return Classifier(
        asked.name,
        line_to(asked.name, asked.peer, server=server, tls=config.tls or server.tls),
        deadline=asked.deadline,
        breaker=Breaker(failures=asked.failures, rest=asked.rest),
        memory=Memory(entries=asked.remembered, lasting=asked.remember),
        clock=clock,
    )


async def _fill(
    policy: PolicyState[CompiledBundle],
    store: SqlPolicyStore,
    book: ApprovalBook,
    database: Database,
    hub: EventHub,
) -> None:
    """Read what is kept, and go on from there."""
    revision, stored = await store.load()
    policy.fill(stored, revision)
    book.fill(await database.read(every_approval))
    hub.start(revision)


def _source(config: PdpConfig, data: Path, clock: Clock) -> Source | None:
    """Return where bundles come from by themselves; None when they are only pushed."""
    asked = config.source
    if asked.folder:
        return FolderSource(Path(asked.folder), clock=clock)
    url = asked.git.reveal()
    if not url:
        return None
    store = data / "pdp-policies.git"
    return GitSource(url, ref=asked.ref, folder=asked.git_folder, store=store, timeout=asked.timeout)


def _both(one: Callable[[], None], other: Callable[[], None]) -> Callable[[], None]:
    def call() -> None:
        one()
        other()

    return call


def _settings(config: PdpConfig, *, reads_again: bool) -> Settings:
    """Return what of the configuration whoever decides on this pdp's snapshot has to know."""
    log = config.decision_log
    return Settings(
        gated_environments=config.gated_environments,
        audiences=config.audiences,
        ring_rates=config.ring_rates,
        budgets_believed_for=config.budgets.believed_for,
        stops_when_full=log.when_full is WhenFull.STOP,
        inputs=log.inputs is Inputs.FULL,
        masks=log.masks,
        allow_rate=log.allow_rate,
        reads_again=reads_again,
    )


def _apply(event: Event, policy: PolicyState[CompiledBundle], book: ApprovalBook, moved: Callable[[], None]) -> None:
    """Give an event to whoever it changes: what people said moves no policy."""
    if event.kind == APPROVAL:
        book.apply(event)
    else:
        policy.apply(event)
    moved()
