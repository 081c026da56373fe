"""Identities, sponsors and revocations as they stand now, in memory, changed by nothing but events."""

from collections.abc import Iterator, Sequence

from ringfence_kit import records
from ringfence_kit.clock import EPOCH, Instant
from ringfence_kit.events import Event

from ringfence_identity.identity_order import IdentityOrder, Place
from ringfence_identity.issuer_keys.schedule import ISSUER_KEY, IssuerKey
from ringfence_identity.model import IDENTITY, REVOCATION, SPONSOR, AgentIdentity, Revocation, Sponsor
from ringfence_identity.shared_parts import SharedParts
from ringfence_identity.standing_revocations import StandingRevocations
from ringfence_identity.status.bits import StatusBits
from ringfence_identity.store import Loaded


class IdentitySnapshot:
    """Answers every hot read. Values are immutable, so a reader may keep what it was given."""

    def __init__(self) -> None:
        self._by_did: dict[str, AgentIdentity] = {}
        self._did_of: dict[Place, str] = {}
        self.order = IdentityOrder()
        """Where each identity stands in listings."""
        self._sponsors: dict[str, Sponsor] = {}
        self._parts = SharedParts()
        self.revocations = StandingRevocations()
        """What may not be relied on any more."""
        self.statuses = StatusBits()
        """What the status lists say."""
        self._issuer_keys: dict[str, tuple[IssuerKey, ...]] = {}
        self.newest_at = EPOCH
        """When the newest event happened: the clock must not stand before it."""

    def fill(self, loaded: Loaded) -> None:
        """Hold what the store was loaded with and nothing else."""
        self._by_did = {identity.did: identity for identity in loaded.identities}
        self._did_of = {Place(identity.agent, identity.environment): identity.did for identity in loaded.identities}
        self.order = IdentityOrder(self._did_of)
        self._sponsors = {sponsor.name: sponsor for sponsor in loaded.sponsors}
        self.revocations = StandingRevocations(loaded.revocations)
        self.statuses = StatusBits(loaded.identities, loaded.superseded)
        self._issuer_keys = {}
        for key in loaded.issuer_keys:
            self._put_issuer_key(key)
        self.newest_at = _newest(loaded)

    def identity(self, did: str) -> AgentIdentity | None:
        """Return the identity with this DID, or None."""
        return self._by_did.get(did)

    def environment_of(self, did: str) -> str | None:
        """Return the name of the environment in which `did` was enrolled, or None."""
        identity = self._by_did.get(did)
        return None if identity is None else identity.environment

    def identity_of_agent(self, agent: str, environment: str) -> AgentIdentity | None:
        """Return the identity of the agent called `agent` in `environment`, or None."""
        did = self._did_of.get(Place(agent, environment))
        return None if did is None else self._by_did[did]

    def identity_at(self, place: Place) -> AgentIdentity:
        """Return the identity that stands at a place of `order`."""
        return self._by_did[self._did_of[place]]

    def sponsors(self) -> Sequence[Sponsor]:
        """Return every sponsor, off-boarded ones included, by name."""
        return sorted(self._sponsors.values(), key=lambda sponsor: sponsor.name)

    def sponsor(self, name: str) -> Sponsor | None:
        """Return the sponsor called `name`, or None."""
        return self._sponsors.get(name)

    def identities(self, environment: str) -> Iterator[AgentIdentity]:
        """Return every identity of `environment`, or of all when it is empty, as it stands when asked."""
        every = tuple(self._by_did.values())
        return (identity for identity in every if not environment or identity.environment == environment)

    def issuer_keys(self, environment: str) -> tuple[IssuerKey, ...]:
        """Return every issuer key the environment has had."""
        return self._issuer_keys.get(environment, ())

    def apply(self, event: Event) -> None:
        """Take one committed event; the hub calls this in revision order, each revision once."""
        self.newest_at = Instant(max(self.newest_at, event.at))
        if event.kind == SPONSOR:
            self._sponsors[event.name] = records.decode(event.record, Sponsor)
        elif event.kind == REVOCATION:
            self.revocations.put(records.decode(event.record, Revocation), now=event.at)
        elif event.kind == ISSUER_KEY:
            self._put_issuer_key(records.decode(event.record, IssuerKey))
        elif event.kind == IDENTITY:
            before = self._by_did.get(event.name)
            identity = self._parts.share(records.decode(event.record, AgentIdentity), before=before)
            self.statuses.put(before, identity)
            self._by_did[identity.did] = identity
            place = Place(identity.agent, identity.environment)
            self._did_of[place] = identity.did
            self.order.add(place)

    def _put_issuer_key(self, key: IssuerKey) -> None:
        others = (known for known in self.issuer_keys(key.environment) if known.key_id != key.key_id)
        self._issuer_keys[key.environment] = (*others, key)


def _newest(loaded: Loaded) -> Instant:
    """Return when the newest of what was loaded happened."""
    times = [identity.updated_at for identity in loaded.identities]
    times += [revocation.at for revocation in loaded.revocations]
    times += [key.created_at for key in loaded.issuer_keys]
    return Instant(max(times, default=EPOCH))
