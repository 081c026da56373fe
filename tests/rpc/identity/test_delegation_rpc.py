"""Delegation over the wire: what a chain is exchanged for, who may revoke it, and who sees it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ringfence.proofs.delegation_grant import NAME_PREFIX, grant_hash
from ringfence.proofs.public_keys import public_key_of
from support.identity.delegating import LEDGER, ORDERS, Delegating, Deputy, claims_of
from support.identity.mesh import identity_mesh


@pytest.fixture
async def at_work(tmp_path: Path) -> AsyncIterator[Delegating]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        yield Delegating(mesh=running)


@pytest.fixture
async def deputies(at_work: Delegating) -> list[Deputy]:
    return [await at_work.enrol(number) for number in (1, 2, 3)]


async def test_a_chain_is_exchanged_for_a_token_of_its_holder(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, carol = deputies
    chain = at_work.begin(ada, bob, scopes=("invoices:read", "warehouse:*"), audiences=(ORDERS, LEDGER), further=1)
    chain = at_work.extend(bob, chain, carol, scopes=("warehouse:export",))
    done = await at_work.exchange(carol, chain)
    claims = claims_of(done.access_token)
    assert claims["sub"] == claims["client_id"] == carol.did
    assert claims["cnf"] == {"jkt": public_key_of(carol.signing).thumbprint}
    assert claims["scope"] == "warehouse:export"
    assert claims["aud"] == ORDERS
    assert (claims["env"], claims["ring"]) == ("prod", 3)
    assert claims["bc"] == carol.identity.birth_certificate_hash
    assert claims["delegation"]["path"] == [ada.did, bob.did, carol.did]
    assert claims["delegation"]["grants"] == [grant_hash(grant) for grant in chain]
    assert (claims["delegation"]["depth"], claims["delegation"]["budget"]) == (2, {})
    assert done.delegation.name == NAME_PREFIX + grant_hash(chain[-1])
    assert list(done.delegation.ancestors) == [NAME_PREFIX + grant_hash(chain[0])]
    assert (done.delegation.origin, done.delegation.depth) == (ada.did, 2)
