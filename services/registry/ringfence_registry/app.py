"""The registry, put together."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from ringfence.audited_log import AuditedLog
from ringfence_kit.background import background
from ringfence_kit.clock import DAY, Clock, Instant, Millis
from ringfence_kit.events import Event
from ringfence_kit.ids import NewId
from ringfence_kit.key_files import open_key_file, seal_of
from ringfence_kit.pages import PageTokens
from ringfence_kit.peers import Peers
from ringfence_kit.readiness import Readiness
from ringfence_kit.server_config import ServerConfig
from ringfence_kit.service import HttpFace, Listener, Service, fast_listener
from ringfence_kit.sql import Database
from ringfence_kit.sql_writer import SqlWriter
from ringfence_kit.watch import EventHub
from ringfence_kit.witness import LogWitness, WitnessMetrics, witness_seal

from ringfence_registry.agents.assembly import LifeSettings, agent_lives
from ringfence_registry.agents.attesting import CardAttesting
from ringfence_registry.agents.lease_keeping import DueLeases
from ringfence_registry.agents.rollouts import canary_of
from ringfence_registry.agents.surroundings import Surroundings
from ringfence_registry.api.catalog_api import catalog_api, catalog_face
from ringfence_registry.api.identity_keys import IdentityKeys
from ringfence_registry.api.namespace_api import NamespaceApi, namespace_face
from ringfence_registry.api.registry_api import RegistryApi, registry_face
from ringfence_registry.api.telemetry_acceptance import TelemetryAcceptances
from ringfence_registry.cards.model import CardVerdict
from ringfence_registry.cards.signatures.attestation import CardAttestor
from ringfence_registry.cards.signatures.index import SignatureIndex
from ringfence_registry.cards.signatures.judging import SignatureJudge
from ringfence_registry.cards.signatures.re_evaluation import ReEvaluation
from ringfence_registry.cards.signatures.remembered_keys import RememberedKeys
from ringfence_registry.cards.signatures.trust_root import TrustRoot
from ringfence_registry.cards.validation import CardValidation
from ringfence_registry.checkpoint.file import CheckpointFile
from ringfence_registry.checkpoint.keeping import CheckpointKeeping
from ringfence_registry.config import RegistryConfig
from ringfence_registry.convert.agent_bytes import AgentBytes
from ringfence_registry.convert.neighbours import health_said, health_watch, identity_said, identity_watch
from ringfence_registry.finding.agent_view import Viewer
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.reading import AgentReading
from ringfence_registry.finding.similar import SimilarAgents
from ringfence_registry.finding.watching import AgentWatching
from ringfence_registry.finding.written import WrittenAgents
from ringfence_registry.grants import GRANTS
from ringfence_registry.http.face import HttpSettings, http_routes
from ringfence_registry.http.places import Places
from ringfence_registry.model import Agent
from ringfence_registry.namespaces.audience import Visibility
from ringfence_registry.namespaces.book import NamespaceBook
from ringfence_registry.namespaces.model import NamespaceDefaults
from ringfence_registry.namespaces.reading import NamespaceReading
from ringfence_registry.namespaces.updating import NamespaceUpdating
from ringfence_registry.neighbours.both import Neighbours
from ringfence_registry.neighbours.metrics import NeighbourMetrics
from ringfence_registry.store import StoredAgents
from ringfence_registry.store_sql import MIGRATIONS, SqlAgentStore, SqlAgentTx
from ringfence_registry.tool_services import ToolServices, ToolSnapshots

CATALOG_LOADED = "catalog"
"""The condition under which the registry can answer."""


def build(config: RegistryConfig, server: ServerConfig, *, clock: Clock, new_id: NewId) -> Service:
    """Put the registry together; nothing is opened until `run` is entered."""
    database = Database(config.database_url(server.data), service="registry", migrations=MIGRATIONS)
    store = SqlAgentStore(database)
    readiness = Readiness()
    readiness.require(CATALOG_LOADED, why="the agents are being loaded")
    peers = Peers(server=server, tls=config.tls)
    neighbours = Neighbours(
        identity_source=lambda: identity_watch(peers.channel(config.identity)),
        read_identity=identity_said,
        health_source=lambda: health_watch(peers.channel(config.telemetry)),
        read_health=health_said,
        canary_of=lambda name: canary_of(catalog.agent(name)),
        end_rollout=lambda name, canary, why, at: lives.rollouts.end_rollout(name, canary=canary, reason=why, now=at),
        clock=clock,
        readiness=readiness,
        between=lambda: catalog.catch_up(clock.now()),
    )

    namespaces = NamespaceBook(_defaults(config), home_by_identity=neighbours.identity.home)
    tools = ToolSnapshots()
    catalog = AgentCatalog(
        Viewer(trust=neighbours.identity, health=neighbours.health, tools=tools.tools, boundaries=tools.map)
    )
    due = DueLeases()

    def apply(event: Event) -> None:
        namespaces.apply(event)  # first: what is seen is seen by the visibility of that moment
        tools.apply(event)
        catalog.apply(event)
        due.apply(event)
        re_evaluation.apply(event)

    hub = EventHub(database.events, clock=clock, apply=apply)
    writer = SqlWriter(database, SqlAgentTx, hub, clock=clock, keep_events=config.events_kept)

    keys = TrustRoot(RememberedKeys(IdentityKeys(lambda: peers.channel(config.identity), clock)))
    signatures = SignatureIndex()
    judge = SignatureJudge(keys, signatures)
    re_evaluation = ReEvaluation(
        writer, judge=judge, keys=keys, index=signatures, policies=namespaces, cards=store, clock=clock
    )
    neighbours.identity.follow_signers(re_evaluation.changed)
    attestor = CardAttestor()

    reading = AgentReading(catalog, store, PageTokens(database.mac_key), sight=namespaces, newest=lambda: hub.newest)
    watching = AgentWatching(catalog, hub, clock, book=namespaces)
    tokens = PageTokens(database.mac_key)
    namespace_api = NamespaceApi(
        reading=NamespaceReading(namespaces, tokens),
        updating=NamespaceUpdating(writer, defaults=namespaces.defaults),
        defaults=namespaces.defaults,
        clock=clock,
    )
    tool_services = ToolServices(
        tools, writer, store, hub, book=namespaces, agents=catalog, tokens=tokens, clock=clock, new_id=new_id
    )
    lives = agent_lives(
        writer,
        catalog=catalog,
        store=store,
        due=due,
        get_agent=reading.get_agent,
        tokens=tokens,
        policies=namespaces,
        judge=judge,
        surroundings=Surroundings(tools=tools.tools, boundaries=tools.map, identities=neighbours.identity),
        acceptances=TelemetryAcceptances(lambda: peers.channel(config.telemetry)),
        settings=LifeSettings(
            gated_environments=frozenset(config.gated_environments),
            deleted_kept=Millis(config.deleted_kept_days * DAY),
        ),
        clock=clock,
        new_id=new_id,
    )
    asked_most = [
        registry_face(
            RegistryApi(
                lives=lives,
                similar=SimilarAgents(catalog, sight=namespaces),
                reading=reading,
                written=WrittenAgents(catalog, AgentBytes()),
                watching=watching,
                validation=CardValidation(judge, policies=namespaces, visibility=namespaces),
                attesting=CardAttesting(attestor, lives.revisions, reading.get_agent),
                clock=clock,
            )
        ),
        catalog_face(catalog_api(catalog, tokens, sight=namespaces, clock=clock)),
    ]

    witness = LogWitness(
        "registry",
        config.witness,
        log=lambda: AuditedLog(peers.channel(config.telemetry)),
        data=server.data,
        seal=witness_seal(config.witness, config.seal, setting="registry.witness.seal", dev=server.dev),
        clock=clock,
        readiness=readiness,
    )

    checkpoint = CheckpointKeeping(
        CheckpointFile(config.checkpoint_path(server.data), database.mac_key), catalog, clock
    )

    def fill(stored: StoredAgents) -> None:
        # In a thread, so that whoever asks whether we live has an answer. Nobody is let in before it is done.
        namespaces.fill(stored.namespaces, ())
        tools.fill(stored.tools, ())
        checkpoint.restore(stored)
        beside = (partial(namespaces.fill, ()), tools.approvals.fill, due.fill, re_evaluation.fill)
        _fill(catalog, stored, beside, now=clock.now())

    @asynccontextmanager
    async def run() -> AsyncIterator[None]:
        if config.seal or server.dev:
            seal = seal_of(config.seal, setting="registry.seal", dev=server.dev)
            attestor.open(open_key_file(config.key_path(server.data), seal), at=clock.now())
        async with database:
            revision, _ = await store.load(fill)
            hub.start(revision)
            async with (
                checkpoint.at_the_end(),  # first, so that nothing changes any more when it is written
                writer,
                peers,
                background(lives.upkeep.run(), re_evaluation.run(), tool_services.ending.run(), checkpoint.run()),
                witness.watching(),
                neighbours.following(),
            ):
                readiness.met(CATALOG_LOADED)
                yield

    return Service(
        name="registry",
        listeners=[
            Listener(
                address=config.listen,
                setting="registry.listen",
                faces=[*asked_most, namespace_face(namespace_api), *tool_services.faces()],
            ),
            *fast_listener(config.fast_listen, setting="registry.fast_listen", faces=asked_most),
        ],
        grants=GRANTS,
        http=HttpFace(
            address=config.http_listen,
            setting="registry.http_listen",
            routes=http_routes(
                HttpSettings(
                    places=Places(
                        public_url=config.public_url, publisher=config.publisher, host_suffix=config.host_suffix
                    ),
                    publish_cards=config.publish_cards,
                    per_second=config.http_per_second,
                ),
                catalog=catalog,
                cards=store,
                reading=reading,
                sight=namespaces,
                tokens=tokens,
                attestor=attestor,
                newest=lambda: hub.newest,
                loaded=lambda: CATALOG_LOADED not in readiness.unmet,
                clock=clock,
            ),
        ),
        run=run,
        readiness=readiness,
        tls=config.tls,
        collectors=[
            NeighbourMetrics(neighbours.reports, clock),
            WitnessMetrics("ringfence_registry", witness, clock),
        ],
    )


def _defaults(config: RegistryConfig) -> NamespaceDefaults:
    return NamespaceDefaults(
        visibility=Visibility[config.default_visibility.name],
        least_verdict=CardVerdict[config.default_least_verdict.name],
    )


def _fill(
    catalog: AgentCatalog, stored: StoredAgents, beside: Sequence[Callable[[Sequence[Agent]], None]], *, now: Instant
) -> None:
    """Have everybody who keeps something of agents take it, part by part: each agent is decoded once, for all."""
    for loaded in stored.parts():
        catalog.take(loaded, now=now)
        agents = [each.agent for each in loaded]
        for take in beside:
            take(agents)
    catalog.filled()
