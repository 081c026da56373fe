"""Identity, put together: read from top to bottom, each part needs only those above it."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ringfence.audited_log import AuditedLog
from ringfence_kit.background import background
from ringfence_kit.clock import Clock
from ringfence_kit.ids import NewId
from ringfence_kit.issuers import TrustedIssuer
from ringfence_kit.jwks import LocalKeys
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

from ringfence_identity.accounts import Accounts
from ringfence_identity.api.transparency_api import TransparencyApi, transparency_face
from ringfence_identity.config import IdentityConfig
from ringfence_identity.directory import Directory
from ringfence_identity.environments import Environment, Environments
from ringfence_identity.faces import Core, faces_of
from ringfence_identity.grants import GRANTS
from ringfence_identity.http.documents import HttpDocuments
from ringfence_identity.http.status_lists import HttpStatusLists
from ringfence_identity.introspection import Introspection
from ringfence_identity.issuer_keys.published import KeySets
from ringfence_identity.issuer_keys.signers import IssuerSigners
from ringfence_identity.issuer_keys.upkeep import IssuerKeyUpkeep
from ringfence_identity.registrars import PRINCIPAL, Registrars
from ringfence_identity.resolution import Resolver
from ringfence_identity.signing_clock import SigningClock
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.status.lists import StatusLists
from ringfence_identity.store_sql import MIGRATIONS, SqlIdentityStore, SqlIdentityTx
from ringfence_identity.store_sql.transparency import SqlEventLog
from ringfence_identity.transparency.checkpoints import Checkpoints
from ringfence_identity.transparency.log import log_keys as transparency_keys
from ringfence_identity.transparency.reading import TransparencyReader

REGISTRARS_OPEN = "registrars"
"""The condition under which identity can answer: data loaded, keys open, every environment's registrar founded."""


def build(config: IdentityConfig, server: ServerConfig, *, clock: Clock, new_id: NewId) -> Service:
    """Put identity together; nothing is opened until `run` is entered."""
    snapshot = IdentitySnapshot()
    environments = config.hosted(enrolled_in=snapshot.environment_of)
    seal = seal_of(config.seal, setting="identity.seal", dev=server.dev)
    database = Database(config.database_url(server.data), service="identity", migrations=MIGRATIONS)
    store = SqlIdentityStore(database)
    hub = EventHub(database.events, clock=clock, apply=snapshot.apply)
    log_keys = transparency_keys(config.log_origin, own=PRINCIPAL)
    writer = SqlWriter(
        database, SqlIdentityTx, hub, clock=clock, keep_events=config.events_kept, log=SqlEventLog(log_keys)
    )
    checkpoints = Checkpoints(store, writer, hub, log_keys, principal=PRINCIPAL, clock=clock)
    registrars = Registrars(environments)
    signing_clock = SigningClock(clock, lambda: snapshot.newest_at)

    resolver = Resolver(environments=environments, registrars=registrars, store=store)
    signers = IssuerSigners()
    key_sets = KeySets(environments, snapshot, signing_clock)
    introspection = Introspection(environments=environments, snapshot=snapshot, key_sets=key_sets)
    directory = Directory(environments, snapshot)
    page_tokens = PageTokens(database.mac_key)
    key_upkeep = IssuerKeyUpkeep(
        environments=environments, snapshot=snapshot, signers=signers, writer=writer, clock=signing_clock
    )
    status_lists = StatusLists(environments=environments, registrars=registrars, snapshot=snapshot)
    core = Core(
        config=config,
        environments=environments,
        registrars=registrars,
        snapshot=snapshot,
        store=store,
        writer=writer,
        hub=hub,
        signers=signers,
        directory=directory,
        resolver=resolver,
        key_sets=key_sets,
        status_lists=status_lists,
        introspection=introspection,
        accounts=_accounts(server),
        page_tokens=page_tokens,
        clock=signing_clock,
        steady=clock,
        new_id=new_id,
        random=secrets.token_bytes,
    )
    log_reader = TransparencyReader(store, checkpoints)
    transparency_api = TransparencyApi(log_reader, log_keys, tokens=page_tokens, clock=clock)
    documents = HttpDocuments(
        environments=environments,
        resolver=resolver,
        key_sets=key_sets,
        status_lists=HttpStatusLists(status_lists, signing_clock),
    )

    readiness = Readiness()
    readiness.require(REGISTRARS_OPEN, why="identities are being loaded")
    peers = Peers(server=server, tls=config.tls)
    witness = LogWitness(
        "identity",
        config.witness,
        log=lambda: AuditedLog(peers.channel(config.telemetry)),
        data=server.data,
        seal=witness_seal(config.witness, config.seal, setting="identity.witness.seal", dev=server.dev),
        clock=clock,
        readiness=readiness,
    )

    @asynccontextmanager
    async def run() -> AsyncIterator[None]:
        keys = open_key_file(config.key_path(server.data), seal)
        log_keys.open(keys, at=clock.now())
        async with database:
            revision, loaded = await store.load()
            snapshot.fill(loaded)
            hub.start(revision)
            async with writer, peers:
                await registrars.open(keys=keys, writer=writer, clock=clock)
                # Before anything else is written: what follows must not go on from a log that was altered.
                await checkpoints.open()
                signers.open(keys)
                await key_upkeep.start()
                async with (
                    background(checkpoints.run(every=config.checkpoint_every), key_upkeep.run(clock)),
                    witness.watching(),
                ):
                    readiness.met(REGISTRARS_OPEN)
                    yield

    faces = [*faces_of(core), transparency_face(transparency_api)]
    return Service(
        name="identity",
        listeners=[
            Listener(
                address=config.listen,
                setting="identity.listen",
                faces=faces,
            ),
            *fast_listener(config.fast_listen, setting="identity.fast_listen", faces=faces),
        ],
        grants=GRANTS,
        http=HttpFace(address=config.http_listen, setting="identity.http_listen", routes=documents.routes()),
        run=run,
        readiness=readiness,
        tls=config.tls,
        collectors=[WitnessMetrics("ringfence_identity", witness, clock)],
        issuers=_own_issuers(environments, key_sets, introspection, signing_clock),
    )


def _accounts(server: ServerConfig) -> Accounts:
    """Return by which issuers people come to us."""
    return Accounts({issuer.name: issuer.issuer for issuer in server.auth.issuers if not issuer.agents_of})


def _own_issuers(
    environments: Environments, key_sets: KeySets, introspection: Introspection, clock: SigningClock
) -> list[TrustedIssuer]:
    """Return our own environments as issuers: an agent shows identity a token made for identity itself."""

    def issuer(environment: Environment) -> TrustedIssuer:
        return TrustedIssuer(
            name=environment.name,
            issuer=environment.issuer,
            audience=environment.issuer,
            keys=LocalKeys(lambda: key_sets.of(environment.name).jwks),
            agents_of=environment.name,
            max_lifetime=environment.token_lifetime,
            still_good=lambda token: introspection.is_good(token, environment, now=clock.reading()),
        )

    return [issuer(environment) for environment in environments]
