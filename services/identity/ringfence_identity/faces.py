"""The services of the contract, each put together from its use cases; what they all lean on comes from `app.py`."""

from collections.abc import Callable
from dataclasses import dataclass

from ringfence_kit.clock import Clock
from ringfence_kit.ids import NewId
from ringfence_kit.pages import PageTokens
from ringfence_kit.service import Face
from ringfence_kit.store import Writer
from ringfence_kit.watch import EventHub

from ringfence_identity.accounts import Accounts
from ringfence_identity.api.credential_api import CredentialApi, credential_face
from ringfence_identity.api.delegation_api import DelegationApi, delegation_face
from ringfence_identity.api.identity_api import IdentityApi, identity_face
from ringfence_identity.api.trust_api import TrustApi, trust_face
from ringfence_identity.certificate_succession import CertificateSuccession
from ringfence_identity.compromise import Compromise
from ringfence_identity.config import IdentityConfig
from ringfence_identity.delegation.exchange import DelegationExchange
from ringfence_identity.delegation.listing import DelegationListing
from ringfence_identity.delegation.revocation import DelegationRevocation
from ringfence_identity.directory import Directory
from ringfence_identity.enrolment import Enrolment
from ringfence_identity.enrolment_challenge import NONCE_BYTES
from ringfence_identity.environments import Environments
from ringfence_identity.identity_listing import IdentityListing
from ringfence_identity.introspection import Introspection
from ringfence_identity.issuer_keys.published import KeySets
from ringfence_identity.issuer_keys.rotation import IssuerKeys
from ringfence_identity.issuer_keys.signers import IssuerSigners
from ringfence_identity.peers.challenges import NONCE_BYTES as PEER_NONCE_BYTES
from ringfence_identity.peers.statements import TrustStatements
from ringfence_identity.peers.verification import PeerVerification
from ringfence_identity.registrars import Registrars
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
from ringfence_identity.store import IdentityStore, IdentityTx
from ringfence_identity.suspension import Suspensions
from ringfence_identity.token_issue import TokenIssue
from ringfence_identity.token_signing import TokenSigning
from ringfence_identity.trust.elevation_grants import ElevationGrants
from ringfence_identity.trust.insight import TrustInsight
from ringfence_identity.trust.ring_grants import RingGrants
from ringfence_identity.trust.signals import Signals
from ringfence_identity.watching import AgentWatching


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What the use cases lean on: what is known, where it is kept, what signs, and what time it is."""

    config: IdentityConfig
    environments: Environments
    registrars: Registrars
    snapshot: IdentitySnapshot
    store: IdentityStore
    writer: Writer[IdentityTx]
    hub: EventHub
    signers: IssuerSigners
    directory: Directory
    resolver: Resolver
    key_sets: KeySets
    status_lists: StatusLists
    introspection: Introspection
    accounts: Accounts
    page_tokens: PageTokens
    clock: SigningClock
    steady: Clock
    """The clock of streams, which sign nothing."""
    new_id: NewId
    random: Callable[[int], bytes]


def faces_of(core: Core) -> list[Face]:
    """Return the services of the contract that are identity's own; the log's is beside them."""
    signing = TokenSigning(environments=core.environments, snapshot=core.snapshot, signers=core.signers)
    return [
        identity_face(_identity(core)),
        credential_face(_credentials(core, signing)),
        trust_face(_trust(core)),
        delegation_face(_delegation(core, signing)),
    ]


def _identity(core: Core) -> IdentityApi:
    return IdentityApi(
        sponsors=Sponsors(core.writer),
        sponsor_reading=SponsorReading(snapshot=core.snapshot, tokens=core.page_tokens),
        offboarding=Offboarding(
            environments=core.environments, registrars=core.registrars, writer=core.writer, new_id=core.new_id
        ),
        enrolment=Enrolment(
            environments=core.environments,
            registrars=core.registrars,
            snapshot=core.snapshot,
            writer=core.writer,
            new_id=core.new_id,
            new_nonce=lambda: core.random(NONCE_BYTES),
            limits=core.config.sponsors.limits(),
        ),
        directory=core.directory,
        listing=IdentityListing(environments=core.environments, snapshot=core.snapshot, tokens=core.page_tokens),
        resolver=core.resolver,
        rotation=Rotation(environments=core.environments, registrars=core.registrars, writer=core.writer),
        compromise=Compromise(
            environments=core.environments, registrars=core.registrars, snapshot=core.snapshot, writer=core.writer
        ),
        suspensions=Suspensions(
            environments=core.environments, registrars=core.registrars, snapshot=core.snapshot, writer=core.writer
        ),
        revocation=Revocation(
            environments=core.environments, registrars=core.registrars, snapshot=core.snapshot, writer=core.writer
        ),
        watching=AgentWatching(environments=core.environments, snapshot=core.snapshot, hub=core.hub, clock=core.steady),
        revocation_watching=RevocationWatching(
            environments=core.environments, snapshot=core.snapshot, hub=core.hub, clock=core.steady
        ),
        clock=core.clock,
    )


def _credentials(core: Core, signing: TokenSigning) -> CredentialApi:
    tokens = TokenIssue(
        environments=core.environments,
        registrars=core.registrars,
        snapshot=core.snapshot,
        writer=core.writer,
        signing=signing,
        new_id=core.new_id,
    )
    issuer_keys = IssuerKeys(
        environments=core.environments, snapshot=core.snapshot, signers=core.signers, writer=core.writer
    )
    certificates = CertificateSuccession(
        environments=core.environments,
        registrars=core.registrars,
        snapshot=core.snapshot,
        store=core.store,
        writer=core.writer,
        new_id=core.new_id,
        limits=core.config.sponsors.limits(),
    )
    return CredentialApi(
        tokens=tokens,
        key_sets=core.key_sets,
        introspection=core.introspection,
        issuer_keys=issuer_keys,
        birth_certificates=certificates,
        status_lists=core.status_lists,
        clock=core.clock,
    )


def _trust(core: Core) -> TrustApi:
    return TrustApi(
        signals=Signals(weights=core.config.signals.points(), accounts=core.accounts, writer=core.writer),
        directory=core.directory,
        peers=PeerVerification(
            environments=core.environments,
            registrars=core.registrars,
            snapshot=core.snapshot,
            writer=core.writer,
            new_nonce=lambda: core.random(PEER_NONCE_BYTES),
        ),
        statements=TrustStatements(environments=core.environments, registrars=core.registrars, snapshot=core.snapshot),
        insight=TrustInsight(
            environments=core.environments,
            snapshot=core.snapshot,
            store=core.store,
            weights=core.config.signals.points(),
        ),
        rings=RingGrants(
            environments=core.environments, snapshot=core.snapshot, accounts=core.accounts, writer=core.writer
        ),
        elevations=ElevationGrants(
            environments=core.environments,
            registrars=core.registrars,
            snapshot=core.snapshot,
            accounts=core.accounts,
            writer=core.writer,
            new_id=core.new_id,
        ),
        clock=core.clock,
    )


def _delegation(core: Core, signing: TokenSigning) -> DelegationApi:
    return DelegationApi(
        exchange=DelegationExchange(
            environments=core.environments,
            snapshot=core.snapshot,
            writer=core.writer,
            signing=signing,
            new_id=core.new_id,
        ),
        revocation=DelegationRevocation(core.writer),
        listing=DelegationListing(core.environments, core.store),
        tokens=core.page_tokens,
        clock=core.clock,
    )
