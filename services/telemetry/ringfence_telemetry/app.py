"""Telemetry, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ringfence_kit.background import background
from ringfence_kit.clock import Clock
from ringfence_kit.ids import NewId
from ringfence_kit.key_files import open_key_file, seal_of
from ringfence_kit.log_keys import LogKeys, StoredCheckpoint
from ringfence_kit.pages import PageTokens
from ringfence_kit.peers import open_peer
from ringfence_kit.readiness import Readiness
from ringfence_kit.server_config import ServerConfig
from ringfence_kit.service import HttpFace, Listener, Service, fast_listener
from ringfence_kit.sql import Database
from ringfence_kit.sql_writer import SqlWriter
from ringfence_kit.store import Mutation
from ringfence_kit.watch import EventHub

from ringfence_telemetry.admission import Admission
from ringfence_telemetry.api.alerts import AlertApi, alert_face
from ringfence_telemetry.api.audit import AuditApi, audit_face
from ringfence_telemetry.api.breakers import BreakerApi, breaker_face
from ringfence_telemetry.api.budgets import BudgetApi, budget_face
from ringfence_telemetry.api.evaluation import EvaluationApi, evaluation_face
from ringfence_telemetry.api.health import HealthApi, health_face
from ringfence_telemetry.api.identity_signals import IdentitySignals
from ringfence_telemetry.api.otlp import otlp_apis, otlp_face
from ringfence_telemetry.api.otlp_backend import forwarding
from ringfence_telemetry.api.otlp_http import otlp_methods
from ringfence_telemetry.api.prices import PriceApi, price_face
from ringfence_telemetry.api.slos import SloApi, slo_face
from ringfence_telemetry.api.usage import UsageApi, usage_face
from ringfence_telemetry.api.workflow import WorkflowApi, workflow_face
from ringfence_telemetry.applied import Applied
from ringfence_telemetry.audit_heads import AuditHeads, AuditMetrics
from ringfence_telemetry.audit_keys import audit_keys
from ringfence_telemetry.audit_log import AuditLog, ensure_head
from ringfence_telemetry.audit_reading import AuditReader
from ringfence_telemetry.audit_trail import AuditNotes
from ringfence_telemetry.audit_witnesses import AuditWitnesses
from ringfence_telemetry.budgets.assembly import memory as memory_of
from ringfence_telemetry.budgets.assembly import spending as spending_parts
from ringfence_telemetry.config import TelemetryConfig
from ringfence_telemetry.convert.otlp import parse
from ringfence_telemetry.evaluation.assembly import evaluation as evaluation_parts
from ringfence_telemetry.evaluation.metrics import EvaluationMetrics
from ringfence_telemetry.foreign_reports import ForeignReports
from ringfence_telemetry.forwarding import Forwarder
from ringfence_telemetry.grants import GRANTS
from ringfence_telemetry.health_board import HealthBoard
from ringfence_telemetry.housekeeping import Housekeeping
from ringfence_telemetry.ingest import Ingest
from ringfence_telemetry.labels import LabelBook
from ringfence_telemetry.mesh_metrics import MeshMetrics, UsedTotals
from ringfence_telemetry.metrics import TelemetryMetrics
from ringfence_telemetry.outcomes import Outcomes
from ringfence_telemetry.pressure import Pressure
from ringfence_telemetry.prices.book import PRICE, PriceBook
from ringfence_telemetry.prices.putting import PriceDesk
from ringfence_telemetry.request_reading import RequestReader
from ringfence_telemetry.roll_up import RollUp
from ringfence_telemetry.signal_delivery import SignalDelivery
from ringfence_telemetry.slo.assembly import promises as promises_parts
from ringfence_telemetry.slo.assembly import promises_memory
from ringfence_telemetry.slo.judge import SloJudge
from ringfence_telemetry.slo.promised import PromisedTimes
from ringfence_telemetry.store import PRINCIPAL
from ringfence_telemetry.store_sql import MIGRATIONS, SqlTelemetryStore, SqlTelemetryTx
from ringfence_telemetry.store_sql.audit import SqlAuditTrail
from ringfence_telemetry.usage_alerts import UsageAlerts
from ringfence_telemetry.usage_reading import UsageReader
from ringfence_telemetry.workflows.kept_traces import KeptTraces
from ringfence_telemetry.workflows.reading import WorkflowReader
from ringfence_telemetry.workflows.settler import DueTraces, Settler

CAUGHT_UP = "ingest log"
"""The condition under which telemetry can answer: what was accepted is counted, and the audit log has a signed head."""


def build(config: TelemetryConfig, server: ServerConfig, *, clock: Clock, new_id: NewId) -> Service:
    """Put telemetry together; nothing is opened until `run` is entered."""
    seal = seal_of(config.seal, setting="telemetry.seal", dev=server.dev)
    database = Database(config.database_url(server.data), service="telemetry", migrations=MIGRATIONS)
    store = SqlTelemetryStore(database)
    memory = memory_of(store, clock=clock)
    promised = promises_memory(store, clock=clock)
    prices = PriceBook()
    hub = EventHub(
        database.events,
        clock=clock,
        apply=Applied({**memory.keepers, **promised.keepers, PRICE: prices.apply}),
    )
    keys = audit_keys(config.audit_origin)
    writer = SqlWriter(database, SqlTelemetryTx, hub, clock=clock, log=SqlAuditTrail(keys))

    labels = LabelBook(config.ingest.label_limits())
    roll_up = RollUp(
        store,
        labels,
        prices=prices,
        spans_in_memory=config.ingest.spans_in_memory,
        traces_in_memory=config.ingest.traces_in_memory,
    )
    reader = RequestReader(
        exclusive_scopes=frozenset(config.ingest.exclusive_scopes),
        pseudonym=lambda user: keys.in_the_log(f"user:{user}"),
    )
    admission = Admission(items_max=config.ingest.queue_spans, bytes_max=config.ingest.queue_bytes, clock=clock)
    evaluation = evaluation_parts(writer, store, clock=clock, on_judged=SloJudge().was_evaluated)
    spending = spending_parts(writer, store, memory.budgets, clock=clock, new_id=new_id)
    health = HealthBoard(clock=clock, objectives=promised.agents)

    used = UsedTotals(then=health.saw)
    ingest = Ingest(
        config.log_path(server.data),
        writer,
        store,
        roll_up,
        admission,
        parse=parse,
        reader=reader,
        free_bytes_least=config.ingest.free_bytes,
        clock=clock,
        new_id=new_id,
        on_calls=used.stored,
        consequences=[
            DueTraces(),
            evaluation.events,
            spending.book,
            UsageAlerts(),
            ForeignReports(AuditNotes(keys)),
            used,
        ],
    )
    forwarder = Forwarder(
        ingest.log,
        kept_in=config.log_path(server.data) / "forwarded.json",
        parse=parse,
        lag_bytes=config.forward.lag_bytes,
        clock=clock,
    )
    housekeeping = Housekeeping(
        writer, ingest, labels, keep_raw=config.ingest.keep_raw, usage=config.usage, clock=clock
    )

    delivery = SignalDelivery(writer, store, clock=clock)
    heads = AuditHeads(store, clock=clock)

    def appended() -> None:
        delivery.look()
        heads.look()

    audit_log = AuditLog(writer, keys, on_appended=appended, on_denied=evaluation.judge.was_denied, clock=clock)
    promises = promises_parts(writer, promised, AuditNotes(keys), clock=clock, on_signal=appended)
    traces = KeptTraces(store, prices)
    settler = Settler(writer, store, traces, judges=[evaluation.judge, promises.judge], clock=clock)
    outcomes = Outcomes(writer, keys, on_appended=appended)
    witnesses = AuditWitnesses(
        writer,
        store,
        known=config.known_witnesses(server.data if server.dev else None),
        on_added=heads.look,
    )

    otlp = otlp_apis(ingest)
    tokens = PageTokens(database.mac_key)
    workflows = WorkflowReader(store, traces, ingest, PromisedTimes(promised.slos), clock=clock)
    workflow = workflow_face(WorkflowApi(outcomes, workflows, tokens=tokens, clock=clock))
    evaluations = evaluation_face(
        EvaluationApi(evaluation.recording, evaluation.reader, evaluation.setting, clock=clock)
    )
    audit = audit_face(
        AuditApi(audit_log, AuditReader(store), keys, heads=heads, witnesses=witnesses, tokens=tokens, clock=clock)
    )
    alerts = alert_face(AlertApi(spending.alerts, memory.alerts, tokens=tokens, clock=clock))
    budgets = budget_face(BudgetApi(spending.budgets, memory.budgets, hub, tokens=tokens, clock=clock))

    readiness = Readiness()
    readiness.require(CAUGHT_UP, why="what was accepted before is being counted")

    @asynccontextmanager
    async def run() -> AsyncIterator[None]:
        keys.open(open_key_file(config.key_path(server.data), seal), at=clock.now())
        async with (
            database,
            memory.following(hub),
            promises.loaded(),
            writer,
            open_peer(config.identity, server=server, tls=config.tls) as identity,
        ):
            prices.learn(await store.known_prices())
            await _ensure_head(writer, keys, clock)
            async with (
                ingest.running(),
                background(
                    audit_log.run(),
                    heads.run(),
                    delivery.run(IdentitySignals(identity)),
                    housekeeping.run(settler.settle_due),
                    health.run(),
                    settler.run(),
                    promises.run(),
                    evaluation.keeping.run(),
                    spending.run(),
                    forwarding(forwarder, ingest, config.forward),
                    Pressure(writer, ingest.counts, clock=clock).run(),
                ),
            ):
                readiness.met(CAUGHT_UP)
                yield

    return Service(
        name="telemetry",
        listeners=[
            Listener(
                address=config.listen,
                setting="telemetry.listen",
                faces=[
                    usage_face(UsageApi(UsageReader(store, ingest, clock=clock))),
                    price_face(PriceApi(PriceDesk(writer), store, tokens=tokens, clock=clock)),
                    workflow,
                    health_face(HealthApi(health)),
                    slo_face(SloApi(promises.objectives, tokens=tokens, clock=clock)),
                    breaker_face(BreakerApi(promises.breakers, tokens=tokens, clock=clock)),
                    audit,
                    alerts,
                    budgets,
                    evaluations,
                    *map(otlp_face, otlp),
                ],
                max_request_bytes=config.ingest.max_request_bytes,
            ),
            Listener(
                address=config.otlp_listen,
                setting="telemetry.otlp_listen",
                faces=[*map(otlp_face, otlp)],
                max_request_bytes=config.ingest.max_request_bytes,
            ),
            *fast_listener(
                config.fast_listen,
                setting="telemetry.fast_listen",
                faces=[*map(otlp_face, otlp), audit],
                max_request_bytes=config.ingest.max_request_bytes,
            ),
        ],
        grants=GRANTS,
        http=HttpFace(
            address=config.http_listen,
            setting="telemetry.http_listen",
            methods=otlp_methods(otlp, GRANTS, max_request_bytes=config.ingest.max_request_bytes),
        ),
        run=run,
        readiness=readiness,
        tls=config.tls,
        collectors=[
            TelemetryMetrics(
                ingest=ingest,
                admission=admission,
                roll_up=roll_up,
                labels=labels,
                delivery=delivery,
                health=health,
                forwarder=forwarder,
                settler=settler,
            ),
            MeshMetrics(used=used, slos=promised.slos, breakers=promised.breakers, budgets=memory.budgets, clock=clock),
            EvaluationMetrics(evaluation.events),
            AuditMetrics(heads, clock),
        ],
    )


async def _ensure_head(writer: SqlWriter[SqlTelemetryTx], keys: LogKeys, clock: Clock) -> None:
    at = clock.now()
    await writer.write(
        lambda tx: ensure_head(tx, keys=keys, at=at),
        mutation=Mutation(principal=PRINCIPAL, at=at),
        result=StoredCheckpoint,
    )
