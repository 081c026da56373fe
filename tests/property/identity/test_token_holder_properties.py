"""Who gets a token for a chain of grants: the delegatee, with its key of now and no other, bound to that key."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ringfence.proofs.public_keys import public_key_of
from ringfence_kit.clock import MINUTE
from support.identity.delegating import Delegating, Deputy, claims_of
from support.identity.keys import seeded_key
from support.identity.mesh import identity_mesh
from support.identity.rotations import rotation
from support.wire import refusal

ADA, BOB, NEW, THIEF = 1, 2, 42, 99
"""Keys: Ada's, Bob's, the one Bob rotates to, and one that is nobody's."""

bindings = st.sampled_from([None, ADA, BOB, NEW, THIEF])
shown = st.tuples(st.sampled_from(["ada", "bob"]), st.sampled_from([ADA, BOB, NEW, THIEF]))


async def expect(at_work: Delegating, chain: tuple[str, ...], shows: Deputy, *, good: bool, key: int) -> None:
    """Exchange as `shows`; a token comes back exactly when it is `good`, and is bound to `key`."""
    if not good:
        refused = await refusal(at_work.exchange(shows, chain))
        assert refused.reason in ("ASSERTION_INVALID", "DELEGATION_INVALID"), refused
        return
    claims = claims_of((await at_work.exchange(shows, chain)).access_token)
    assert (claims["sub"], claims["cnf"]) == (shows.did, {"jkt": public_key_of(seeded_key(key)).thumbprint})


@given(bindings, st.lists(shown, min_size=1, max_size=6), st.booleans())
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
def test_a_delegatee_without_the_key_gets_no_token(
    binding: int | None, attempts: list[tuple[str, int]], rotated: bool
) -> None:
    """Property 14, over the wire: whoever shows the chain, in whose name, signed with which key."""

    async def story(folder: Path) -> None:
        async with identity_mesh(folder) as mesh:
            await mesh.with_sponsors()
            at_work = Delegating(mesh=mesh)
            deputies = {"ada": await at_work.enrol(ADA), "bob": await at_work.enrol(BOB)}
            holder = None if binding is None else public_key_of(seeded_key(binding)).thumbprint
            chain = at_work.begin(deputies["ada"], deputies["bob"], holder=holder)
            if rotated:
                mesh.clock.advance(MINUTE)
                await mesh.identity().RotateKey(rotation(deputies["bob"].identity, seeded_key(BOB), seeded_key(NEW)))
            current = NEW if rotated else BOB
            for name, key in attempts:
                good = (name, key) == ("bob", current) and binding in (None, current)
                await expect(at_work, chain, deputies[name].with_key(key), good=good, key=current)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(story(Path(folder)))
