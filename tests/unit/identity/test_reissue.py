"""A new certificate for the same identity: what it says, what ends with the old one, what the DID document shows."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import TypeVar

import pytest
from ringfence.proofs.birth_certificate_check import BirthCertificate, check_birth_certificate
from ringfence.proofs.did import AgentDid, parse_did
from ringfence.proofs.did_log_check import check_log
from ringfence.proofs.public_keys import public_key_of
from ringfence.proofs.status_list_check import status_entries
from ringfence_identity.birth_certificate import BirthContent
from ringfence_identity.issuance import Newcomer, issue_identity
from ringfence_identity.model import AgentIdentity, RevocationKind
from ringfence_identity.reissue import Reissued, reissue
from ringfence_identity.status.places import PLACES, place_of
from ringfence_identity.store import IdentityTx
from ringfence_identity.store.agent_keys import UsedKey
from ringfence_kit.clock import SECOND, Instant
from ringfence_kit.names import AgentName
from ringfence_kit.store import Mutation
from support.backends import Backend
from support.identity.births import COMPLETE
from support.identity.certified import DOCUMENT
from support.identity.did_logs import NOW
from support.identity.keys import seeded_key
from support.identity.opened import OpenedIdentity, opened_identity
from support.identity.registrars import prod_registrar

LATER = Instant(NOW + 10 * SECOND)
REGISTRAR = prod_registrar()
T = TypeVar("T")


@pytest.fixture
async def store() -> AsyncIterator[OpenedIdentity]:
    async with opened_identity(Backend(kind="memory")) as opened:
        yield opened


async def do(store: OpenedIdentity, work: Callable[[IdentityTx], T], result: type[T]) -> T:
    return await store.writer.write(work, mutation=Mutation(principal="ada", at=LATER), result=result)


async def born(store: OpenedIdentity, *, number: int = 0) -> AgentIdentity:
    """Return an agent whose certificate was the `number`-th of its environment."""
    newcomer = Newcomer(
        agent=AgentName("billing", "reconciler"),
        key=public_key_of(seeded_key(1)),
        content=COMPLETE,
        debt=0,
        uid="uid",
        certificate_id="first",
        status_place=place_of(number, REGISTRAR.keys.status_places),
    )
    issued = issue_identity(REGISTRAR, newcomer, revision=1, now=NOW)

    def work(tx: IdentityTx) -> AgentIdentity:
        tx.add_identity(issued.identity)
        tx.add_certificate(issued.identity, issued.credential)
        tx.add_key(UsedKey(key=issued.identity.key, did=issued.identity.did, since=NOW))
        if issued.first_entry is not None:
            tx.add_log_line(issued.identity.did, 1, issued.first_entry.line)
        return issued.identity

    return await do(store, work, AgentIdentity)


async def again(store: OpenedIdentity, identity: AgentIdentity, content: BirthContent) -> Reissued:
    def work(tx: IdentityTx) -> Reissued:
        return reissue(tx, REGISTRAR, identity, content, certificate_id="second", reason="new tools", at=LATER)

    return await do(store, work, Reissued)


def read(credential: str) -> BirthCertificate:
    return check_birth_certificate(credential, registrar=DOCUMENT, now=LATER)


async def services_of(store: OpenedIdentity, identity: AgentIdentity) -> dict[str, str]:
    """Return the services of the newest document, its whole history checked."""
    did = parse_did(identity.did)
    assert isinstance(did, AgentDid)
    lines = await store.store.log_lines(identity.did)
    newest = check_log("".join(f"{line}\n" for line in lines), did=did, now=LATER)[-1]
    assert newest.version_id == identity.did_version_id
    services = newest.state["service"]
    assert isinstance(services, list)
    return {str(one["id"]).split("#")[1]: str(one["serviceEndpoint"]) for one in services if isinstance(one, dict)}


async def test_the_next_certificate_says_the_new_content_under_the_next_serial(store: OpenedIdentity) -> None:
    identity = await born(store)
    reissued = await again(store, identity, replace(COMPLETE, purpose="Something else."))
    certificate, after = read(reissued.credential), reissued.identity
    assert certificate.serial == after.certificate_serial == 2
    assert certificate.content["purpose"] == after.content.purpose == "Something else."
    assert certificate.hash == after.certificate_hash
    assert str(certificate.did) == after.did == identity.did
    assert certificate.certificate_id == "urn:uuid:second"
    assert after.revocation_epoch == identity.revocation_epoch + 1
    assert (after.key, after.created_at, after.agent) == (identity.key, identity.created_at, identity.agent)


async def test_both_ends_are_told(store: OpenedIdentity) -> None:
    identity = await born(store)
    after = (await again(store, identity, COMPLETE)).identity
    _, loaded = await store.store.load()
    told = {one.kind: one for one in loaded.revocations}
    assert told[RevocationKind.BIRTH_CERTIFICATE].subject == "urn:uuid:first"
    agent = told[RevocationKind.AGENT]
    assert (agent.subject, agent.minimum_epoch, agent.usable) == (identity.did, after.revocation_epoch, True)
    assert all(one.reason == "new tools" for one in told.values())
    assert len(loaded.superseded) == 1


async def test_a_worse_ceiling_demotes_at_once_and_a_better_one_promotes_nobody(store: OpenedIdentity) -> None:
    identity = await born(store)
    trusted = replace(identity.trust, state=replace(identity.trust.state, earned=600_000_000, stored_ring=1))
    identity = replace(identity, trust=trusted)
    worse = (await again(store, identity, replace(COMPLETE, ring_ceiling=3))).identity
    assert (worse.trust.state.stored_ring, worse.trust.state.ceiling) == (3, 399)
    better = (await again(store, worse, COMPLETE)).identity
    assert better.trust.state.stored_ring == 3
    assert better.trust.state.ceiling > 399


async def test_the_did_document_points_to_the_lists_and_stays_as_it_is(store: OpenedIdentity) -> None:
    identity = await born(store)
    before = await services_of(store, identity)
    assert before["status-1"] == "https://prod.id.ringfence.internal/status/1"
    assert before["status-2"] == "https://prod.id.ringfence.internal/status/2"
    after = (await again(store, identity, COMPLETE)).identity
    assert after.did_version_id == identity.did_version_id
    assert await services_of(store, after) == before


async def test_a_certificate_in_the_next_pair_of_lists_moves_the_document(store: OpenedIdentity) -> None:
    """The last place of a pair is taken: the next certificate stands in another one, and the document says so."""
    identity = await born(store, number=PLACES - 1)
    reissued = await again(store, identity, COMPLETE)
    entries = status_entries(read(reissued.credential).credential)
    assert [entry.url.rsplit("/")[-1] for entry in entries] == ["3", "4"]
    assert reissued.identity.did_version_id.startswith("2-")
    services = await services_of(store, reissued.identity)
    assert [services["status-1"], services["status-2"]] == [entry.url for entry in entries]


async def test_a_certificate_of_before_there_were_lists_gets_a_status(store: OpenedIdentity) -> None:
    identity = replace(await born(store), status_place=None)
    reissued = await again(store, identity, COMPLETE)
    assert len(status_entries(read(reissued.credential).credential)) == 2
