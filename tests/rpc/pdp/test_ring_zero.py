"""Ring 0 at the pdp: believed while a person's grant lasts, and only under a certificate that allows it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.identity.v1 import identity_pb2, trust_pb2
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence_kit.clock import Millis
from ringfence_kit.trust_decay import MICRO
from support.pdp.served import ServedPdp, identity, served_pdp

LASTS = Millis(5_000)


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path) as served:
        await served.push()
        yield served


def granted(pdp: ServedPdp, *, lasts: int = LASTS, ring_ceiling: int = 1) -> identity_pb2.AgentIdentity:
    now, until = Timestamp(), Timestamp()
    now.FromMilliseconds(pdp.clock.now())
    until.FromMilliseconds(pdp.clock.now() + lasts)
    known = identity(pdp.clock)
    known.birth_certificate.ring_ceiling = ring_ceiling
    state = trust_pb2.TrustState(
        earned_micro_points=650 * MICRO,
        stored_ring=0,
        ceiling=1_000,
        last_positive_time=now,
        last_event_time=now,
        ring_zero_until_time=until,
    )
    known.trust_state.CopyFrom(state)
    return known


async def told(pdp: ServedPdp, known: identity_pb2.AgentIdentity) -> pb.CheckResponse:
    pdp.around.identity.agents.say(known)
    await pdp.knows(lambda answer: answer.trust_score == 950)
    return await pdp.check()


async def test_a_granted_ring_0_is_let_through_until_its_last_millisecond(pdp: ServedPdp) -> None:
    assert (await told(pdp, granted(pdp))).effective_ring == 0
    pdp.clock.advance(Millis(LASTS - 1))
    assert (await pdp.check()).effective_ring == 0
    pdp.clock.advance(Millis(1))
    assert (await pdp.check()).effective_ring == 1


async def test_a_grant_that_is_over_is_none(pdp: ServedPdp) -> None:
    assert (await told(pdp, granted(pdp, lasts=0))).effective_ring == 1


@pytest.mark.parametrize("ceiling", [2, 3])
async def test_a_certificate_with_a_worse_ceiling_is_stronger_than_any_grant(pdp: ServedPdp, ceiling: int) -> None:
    assert (await told(pdp, granted(pdp, ring_ceiling=ceiling))).effective_ring == ceiling
