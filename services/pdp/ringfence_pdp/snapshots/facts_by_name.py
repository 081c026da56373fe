"""Facts as records see them: values by kind and name, all of them or one at a time.

One table says it for every kind, so that the state that is shipped first and the changes that follow cannot differ.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from ringfence_pdp.boundaries import Boundaries
from ringfence_pdp.chains.revocations import Revocations
from ringfence_pdp.facts import Facts
from ringfence_pdp.snapshots.shipped import Kind, KnownIdentity, Record, Revoked, RevokedKind, issuer_record, record_of


class Place(NamedTuple):
    """Where facts of one kind are."""

    kind: Kind
    held_in: Callable[[Facts], object]
    """What holds them; while it is the same object, only what was noted has changed."""
    names: Callable[[Facts], Iterator[str]]
    value: Callable[[Facts, str], object | None]
    """The fact of that name; None when there is none."""

    def record(self, facts: Facts, name: str) -> Record:
        """Return the record of a fact as it is now."""
        return record_of(self.kind, name, self.value(facts, name))


def used_up_name(budget: str, subject: str) -> str:
    """Return the name of a budget that is used up for somebody."""
    return f"{budget} {subject}"


def revoked_name(kind: RevokedKind, subject: str) -> str:
    """Return the name of something that is revoked."""
    return f"{kind.value} {subject}"


def _identity(facts: Facts, did: str) -> KnownIdentity | None:
    identity = facts.by_did.get(did)
    if identity is None:
        return None
    meant = facts.by_name.get((identity.environment, identity.resource_name))
    return KnownIdentity(identity=identity, named=meant is not None and meant.did == did)


def _revoked(facts: Facts, name: str) -> Revoked | None:
    word, _, subject = name.partition(" ")
    if not word:
        return None  # of a kind that is no fact
    kind = RevokedKind(word)
    if kind is not RevokedKind.AGENT:
        return Revoked(kind=kind, subject=subject) if subject in _set_of(facts.revocations, kind) else None
    found = facts.revocations.agents.get(subject)
    return None if found is None else Revoked(kind=kind, subject=subject, lowest_epoch=found[0], usable=found[1])


def _set_of(revocations: Revocations, kind: RevokedKind) -> set[str]:
    return {
        RevokedKind.DELEGATION: revocations.delegations,
        RevokedKind.ELEVATION: revocations.elevations,
        RevokedKind.ISSUER_KEY: revocations.issuer_keys,
    }[kind]


def _revoked_names(facts: Facts) -> Iterator[str]:
    yield from (revoked_name(RevokedKind.AGENT, did) for did in facts.revocations.agents)
    for kind in (RevokedKind.DELEGATION, RevokedKind.ELEVATION, RevokedKind.ISSUER_KEY):
        yield from (revoked_name(kind, subject) for subject in _set_of(facts.revocations, kind))


def frozen(facts: Facts) -> Facts:
    """Return the facts as they are now, whatever feeds change meanwhile."""
    known, revoked = facts.boundaries, facts.revocations
    return replace(
        facts,
        by_did=dict(facts.by_did),
        by_name=dict(facts.by_name),
        registered=dict(facts.registered),
        tools=dict(facts.tools),
        boundaries=Boundaries(known.every, heard=known.heard),
        revocations=Revocations(
            set(revoked.issuer_keys), set(revoked.delegations), set(revoked.elevations), dict(revoked.agents)
        ),
        health=dict(facts.health),
    )


def few_of(facts: Facts) -> Mapping[Kind, Mapping[str, object]]:
    """Return, by kind and name, those of which there are so few that they are compared instead of noted."""
    spending = facts.spending
    return {
        Kind.ISSUER: {environment: issuer_record(issuer) for environment, issuer in facts.issuers.items()},
        # Before what is used up of them: a follower knows of no more than it was told.
        Kind.BUDGET: spending.hard,
        Kind.USED_UP: {
            used_up_name(each.budget, each.subject): each for several in spending.used_up.values() for each in several
        },
    }


PLACES = (
    Place(Kind.IDENTITY, lambda facts: facts.by_did, lambda facts: iter(facts.by_did), _identity),
    Place(
        Kind.AGENT,
        lambda facts: facts.registered,
        lambda facts: iter(facts.registered),
        lambda facts, name: facts.registered.get(name),
    ),
    Place(
        Kind.TOOL,
        lambda facts: facts.tools,
        lambda facts: iter(facts.tools),
        lambda facts, name: facts.tools.get(name),
    ),
    Place(
        Kind.BOUNDARY,
        lambda facts: facts.boundaries,
        lambda facts: (boundary.name for boundary in facts.boundaries.every),
        lambda facts, name: facts.boundaries.find(name),
    ),
    Place(Kind.REVOCATION, lambda facts: facts.revocations, _revoked_names, _revoked),
    Place(
        Kind.HEALTH,
        lambda facts: facts.health,
        lambda facts: iter(facts.health),
        lambda facts, name: facts.health.get(name),
    ),
)
"""Those of which there may be very many: what changes is noted by name, so nothing is looked through."""
