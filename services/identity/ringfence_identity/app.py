"""Identity, put together: read from top to bottom, each part needs only those above it."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ringfence_kit.background import background
from ringfence_kit.clock import Clock
from ringfence_kit.ids import NewId
from ringfence_kit.issuers import TrustedIssuer
from ringfence_kit.jwks import LocalKeys
from ringfence_kit.key_files import open_key_file, seal_of
from ringfence_kit.pages import PageTokens
from ringfence_kit.readiness import Readiness
from ringfence_kit.server_config import ServerConfig
from ringfence_kit.service import HttpFace, Listener, Service
from ringfence_kit.sql import Database
from ringfence_kit.sql_writer import SqlWriter
from ringfence_kit.watch import EventHub

from ringfence_identity.accounts import Accounts
from ringfence_identity.api.credential_api import CredentialApi, credential_face
from ringfence_identity.api.delegation_api import DelegationApi, delegation_face
from ringfence_identity.api.identity_api import IdentityApi, identity_face
from ringfence_identity.api.transparency_api import TransparencyApi, transparency_face
from ringfence_identity.api.trust_api import TrustApi, trust_face
from ringfence_identity.birth_certificates import BirthCertificates
from ringfence_identity.compromise import Compromise
from ringfence_identity.config import IdentityConfig
from ringfence_identity.delegation.exchange import DelegationExchange
from ringfence_identity.delegation.listing import DelegationListing
from ringfence_identity.delegation.revocation import DelegationRevocation
from ringfence_identity.directory import Directory
from ringfence_identity.enrolment import Enrolment
from ringfence_identity.environments import Environment, Environments
from ringfence_identity.grants import GRANTS
from ringfence_identity.http.documents import HttpDocuments
from ringfence_identity.http.status_lists import HttpStatusLists
from ringfence_identity.identity_listing import IdentityListing
from ringfence_identity.introspection import Introspection
from ringfence_identity.issuer_keys.published import KeySets
from ringfence_identity.issuer_keys.rotation import IssuerKeys
from ringfence_identity.issuer_keys.signers import IssuerSigners
from ringfence_identity.issuer_keys.upkeep import IssuerKeyUpkeep
from ringfence_identity.peers.challenges import NONCE_BYTES as PEER_NONCE_BYTES
from ringfence_identity.peers.statements import TrustStatements
from ringfence_identity.peers.verification import PeerVerification
from ringfence_identity.registrars import PRINCIPAL, Registrars
from ringfence_identity.registration import NONCE_BYTES
from ringfence_identity.resolution import Resolver
from ringfence_identity.revocation import Revocation
from ringfence_identity.revocation_watching import RevocationWatching
from ringfence_identity.rotation import Rotation
from ringfence_identity.signing_clock import SigningClock
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.sponsors.offboarding import Offboarding
from ringfence_identity.sponsors.reading import SponsorReading
from ringfence_identity.sponsors.registration import Sponsors
from ringfence_identity.status.lists import StatusLists
from ringfence_identity.store_sql import MIGRATIONS, SqlIdentityStore, SqlIdentityTx
from ringfence_identity.store_sql.transparency import SqlEventLog
from ringfence_identity.suspension import Suspensions
from ringfence_identity.token_issue import TokenIssue
from ringfence_identity.token_signing import TokenSigning
from ringfence_identity.transparency.checkpoints import Checkpoints
from ringfence_identity.transparency.log import log_keys as transparency_keys
from ringfence_identity.transparency.reading import TransparencyReader
from ringfence_identity.trust.elevation_grants import ElevationGrants
from ringfence_identity.trust.insight import TrustInsight
from ringfence_identity.trust.ring_grants import RingGrants
from ringfence_identity.trust.signals import Signals
from ringfence_identity.watching import AgentWatching

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
    signing = TokenSigning(environments=environments, snapshot=snapshot, signers=signers)
    key_sets = KeySets(environments, snapshot, signing_clock)
    introspection = Introspection(environments=environments, snapshot=snapshot, key_sets=key_sets)
    directory = Directory(environments, snapshot)
    page_tokens = PageTokens(database.page_key)
    identity_api = IdentityApi(
        sponsors=Sponsors(writer),
        sponsor_reading=SponsorReading(snapshot=snapshot, tokens=page_tokens),
        offboarding=Offboarding(environments=environments, registrars=registrars, writer=writer, new_id=new_id),
        enrolment=Enrolment(
            environments=environments,
            registrars=registrars,
            snapshot=snapshot,
            writer=writer,
            new_id=new_id,
            new_nonce=lambda: secrets.token_bytes(NONCE_BYTES),
            limits=config.sponsors.limits(),
        ),
        directory=directory,
        listing=IdentityListing(environments=environments, snapshot=snapshot, tokens=page_tokens),
        resolver=resolver,
        rotation=Rotation(environments=environments, registrars=registrars, writer=writer),
        compromise=Compromise(environments=environments, registrars=registrars, snapshot=snapshot, writer=writer),
        suspensions=Suspensions(environments=environments, registrars=registrars, snapshot=snapshot, writer=writer),
        revocation=Revocation(environments=environments, registrars=registrars, snapshot=snapshot, writer=writer),
        watching=AgentWatching(environments=environments, snapshot=snapshot, hub=hub, clock=clock),
        revocation_watching=RevocationWatching(environments=environments, snapshot=snapshot, hub=hub, clock=clock),
        clock=signing_clock,
    )
    tokens = TokenIssue(
        environments=environments,
        registrars=registrars,
        snapshot=snapshot,
        writer=writer,
        signing=signing,
        new_id=new_id,
    )
    issuer_keys = IssuerKeys(environments=environments, snapshot=snapshot, signers=signers, writer=writer)
    key_upkeep = IssuerKeyUpkeep(
        environments=environments, snapshot=snapshot, signers=signers, writer=writer, clock=signing_clock
    )
    certificates = BirthCertificates(
        environments=environments,
        registrars=registrars,
        snapshot=snapshot,
        store=store,
        writer=writer,
        new_id=new_id,
        limits=config.sponsors.limits(),
    )
    status_lists = StatusLists(environments=environments, registrars=registrars, snapshot=snapshot)
    credential_api = CredentialApi(
        tokens=tokens,
        key_sets=key_sets,
        introspection=introspection,
        issuer_keys=issuer_keys,
        birth_certificates=certificates,
        status_lists=status_lists,
        clock=signing_clock,
    )
    delegation_api = DelegationApi(
        exchange=DelegationExchange(
            environments=environments, snapshot=snapshot, writer=writer, signing=signing, new_id=new_id
        ),
        revocation=DelegationRevocation(writer),
        listing=DelegationListing(environments, store),
        tokens=page_tokens,
        clock=signing_clock,
    )
    accounts = _accounts(server)
    trust_api = TrustApi(
        signals=Signals(weights=config.signals.points(), accounts=accounts, writer=writer),
        directory=directory,
        peers=PeerVerification(
            environments=environments,
            registrars=registrars,
            snapshot=snapshot,
            writer=writer,
            new_nonce=lambda: secrets.token_bytes(PEER_NONCE_BYTES),
        ),
        statements=TrustStatements(environments=environments, registrars=registrars, snapshot=snapshot),
        insight=TrustInsight(
            environments=environments, snapshot=snapshot, store=store, weights=config.signals.points()
        ),
        rings=RingGrants(environments=environments, snapshot=snapshot, accounts=accounts, writer=writer),
        elevations=ElevationGrants(
            environments=environments,
            registrars=registrars,
            snapshot=snapshot,
            accounts=accounts,
            writer=writer,
            new_id=new_id,
        ),
        clock=signing_clock,
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

    @asynccontextmanager
    async def run() -> AsyncIterator[None]:
        keys = open_key_file(config.key_path(server.data), seal)
        log_keys.open(keys, at=clock.now())
        async with database:
            revision, loaded = await store.load()
            snapshot.fill(loaded)
            hub.start(revision)
            async with writer:
                await registrars.open(keys=keys, writer=writer, clock=clock)
                # Before anything else is written: what follows must not go on from a log that was altered.
                await checkpoints.open()
                signers.open(keys)
                await key_upkeep.start()
                async with background(checkpoints.run(every=config.checkpoint_every), key_upkeep.run(clock)):
                    readiness.met(REGISTRARS_OPEN)
                    yield

    return Service(
        name="identity",
        listeners=[
            Listener(
                address=config.listen,
                setting="identity.listen",
                faces=[
                    identity_face(identity_api),
                    credential_face(credential_api),
                    trust_face(trust_api),
                    delegation_face(delegation_api),
                    transparency_face(transparency_api),
                ],
            )
        ],
        grants=GRANTS,
        http=HttpFace(address=config.http_listen, setting="identity.http_listen", routes=documents.routes()),
        run=run,
        readiness=readiness,
        tls=config.tls,
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
