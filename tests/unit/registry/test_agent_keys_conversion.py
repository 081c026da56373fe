"""What identity says of an agent, read: every key it had and when, or nothing when the answer does not hold."""

from typing import Any

import pytest
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.proofs.did import KeyDid
from ringfence.proofs.public_keys import public_key_of
from ringfence_kit.clock import DAY, EPOCH, Instant
from ringfence_kit.wire import to_timestamp
from ringfence_registry.cards.signatures.keys import IdentityAway, IdentityStanding
from ringfence_registry.convert.agent_keys import agent_keys
from support.identity.did_logs import NOW, did_of, history, text_of
from support.identity.keys import seeded_key

ENTRIES = history()
LOG, DID = text_of(ENTRIES[:2]), str(did_of(ENTRIES))
LATER = Instant(NOW + 2 * DAY)


def identity(**changed: Any) -> pb.AgentIdentity:
    said: dict[str, Any] = {
        "agent": "namespaces/finance/agents/ledger",
        "did": DID,
        "status": pb.IDENTITY_STATUS_ACTIVE,
    }
    return pb.AgentIdentity(**{**said, **changed})


def test_every_key_it_had_is_known_with_its_time() -> None:
    keys = agent_keys(identity(), LOG, did=DID, now=LATER)
    assert (keys.did, keys.agent, keys.standing) == (DID, "namespaces/finance/agents/ledger", IdentityStanding.ACTIVE)
    assert [(period.key, period.since, period.until) for period in keys.periods] == [
        (public_key_of(seeded_key(1)), NOW, Instant(NOW + DAY)),
        (public_key_of(seeded_key(2)), Instant(NOW + DAY), None),
    ]


def test_a_did_that_was_deactivated_keeps_its_past_and_has_no_key_in_force() -> None:
    ended = agent_keys(identity(status=pb.IDENTITY_STATUS_REVOKED), text_of(ENTRIES), did=DID, now=LATER)
    assert ended.standing is IdentityStanding.REVOKED
    assert all(period.until is not None for period in ended.periods)


def test_a_did_key_is_its_one_key_and_ends_by_itself() -> None:
    did = str(KeyDid(public_key_of(seeded_key(1))))
    keys = agent_keys(identity(did=did, expire_time=to_timestamp(LATER)), "", did=did, now=NOW)
    assert [period.key for period in keys.periods] == [public_key_of(seeded_key(1))]
    assert (keys.periods[0].since, keys.expires_at) == (EPOCH, LATER)


@pytest.mark.parametrize(
    "changed",
    [
        {"did": ""},
        {"did": DID.replace("prod", "dev")},
        {"status": pb.IDENTITY_STATUS_UNSPECIFIED},
        {"status": 99},
        {"agent": ""},
        {"agent": "agents/ledger"},
    ],
)
def test_an_answer_about_somebody_else_or_nobody_is_no_answer(changed: dict[str, Any]) -> None:
    with pytest.raises(IdentityAway):
        agent_keys(identity(**changed), LOG, did=DID, now=LATER)


@pytest.mark.parametrize(
    "log",
    [
        "",
        "{}\n",
        "\ufffd\n",
        LOG.replace(public_key_of(seeded_key(2)).multibase, public_key_of(seeded_key(3)).multibase),
        text_of(ENTRIES[1:2]),
        text_of(ENTRIES[:1] * 2),
    ],
)
def test_attack_a_history_that_does_not_hold_is_no_history(log: str) -> None:
    with pytest.raises(IdentityAway, match="does not hold"):
        agent_keys(identity(), log, did=DID, now=LATER)


def test_a_name_that_is_no_agents_did_is_no_answer() -> None:
    registrar = ":".join(DID.split(":")[:4])
    for did in (registrar, "did:example:1"):
        with pytest.raises(IdentityAway):
            agent_keys(identity(did=did), LOG, did=did, now=LATER)
