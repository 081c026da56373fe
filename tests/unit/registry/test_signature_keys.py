"""Which keys count for a card: by identity, of which DIDs, at which moments, and what is remembered of that."""

import asyncio

import pytest
from ringfence.proofs.card_keys import read_pinned_keys
from ringfence.proofs.card_verdict import KeyAnswer, KeyAway, KeyStanding, KnownKey, UnknownKey
from ringfence.proofs.did import KeyDid
from ringfence.proofs.did_keys import KeyPeriod
from ringfence_kit.clock import EPOCH, SECOND, Instant
from ringfence_registry.cards.signatures.keys import AgentKeys, IdentityAway, IdentityStanding, agents_key, did_url
from ringfence_registry.cards.signatures.remembered_keys import GOOD_FOR, UNKNOWN_FOR, RememberedKeys
from ringfence_registry.cards.signatures.trust_root import TrustRoot
from support.registry.signed_cards import signer
from support.registry.signers import SigningAgent, SmallIdentity

AGENT = SigningAgent()
NOW = Instant(1_000_000)


def fragment(number: int = 1) -> str:
    return AGENT.key(number).thumbprint


def answer(keys: AgentKeys, number: int = 1, *, seen_at: Instant = NOW, now: Instant = NOW) -> KnownKey:
    found = agents_key(keys, fragment(number), seen_at=seen_at, now=now)
    assert isinstance(found, KnownKey)
    return found


async def one_answer(root: TrustRoot, key_id: str, *, now: Instant = NOW) -> KeyAnswer:
    (found,) = (await root.answers([key_id], pinned={}, seen_at=now, now=now)).values()
    return found


def test_the_key_in_force_of_an_active_agent_counts_and_is_that_agents() -> None:
    found = answer(AGENT.known())
    assert (found.standing, found.signer, found.signer_agent) == (KeyStanding.GOOD, AGENT.did, AGENT.agent)
    assert found.key.thumbprint == fragment()


def test_a_key_may_be_named_by_its_multibase_form() -> None:
    assert isinstance(agents_key(AGENT.known(), AGENT.key().multibase, seen_at=NOW, now=NOW), KnownKey)


def test_a_key_the_agent_never_had_is_unknown() -> None:
    assert isinstance(agents_key(AGENT.known(), fragment(2), seen_at=NOW, now=NOW), UnknownKey)


@pytest.mark.parametrize("standing", [IdentityStanding.SUSPENDED, IdentityStanding.REVOKED])
def test_an_agent_that_may_not_act_vouches_for_nothing(standing: IdentityStanding) -> None:
    found = answer(AGENT.known(standing=standing))
    assert found.standing is KeyStanding.REVOKED
    assert standing.value in found.why


@pytest.mark.parametrize(("now", "standing"), [(NOW - 1, KeyStanding.GOOD), (NOW, KeyStanding.EXPIRED)])
def test_an_identity_that_ends_by_itself_is_expired_from_then_on(now: int, standing: KeyStanding) -> None:
    assert answer(AGENT.known(expires_at=NOW), now=Instant(now)).standing is standing


@pytest.mark.parametrize(
    ("seen_at", "standing"),
    [
        (NOW - 1, KeyStanding.GOOD),
        (NOW, KeyStanding.GOOD),
        (NOW + SECOND - 1, KeyStanding.GOOD),  # the history of a DID counts whole seconds
        (NOW + SECOND, KeyStanding.EXPIRED),
    ],
)
def test_a_replaced_key_counts_for_cards_the_registry_had_by_then(seen_at: int, standing: KeyStanding) -> None:
    rotated = AGENT.rotated(NOW)
    assert answer(rotated, 1, seen_at=Instant(seen_at), now=Instant(NOW + 5_000)).standing is standing
    assert answer(rotated, 2, seen_at=Instant(seen_at), now=Instant(NOW + 5_000)).standing is KeyStanding.GOOD


@pytest.mark.parametrize("seen_at", [EPOCH, NOW, Instant(NOW * 2)])
def test_a_key_in_other_hands_counts_for_nothing_however_old_the_card(seen_at: Instant) -> None:
    lost = KeyPeriod(key=AGENT.key(), since=EPOCH, until=NOW, compromised_since=NOW)
    found = answer(AGENT.known((lost, KeyPeriod(key=AGENT.key(2), since=NOW))), seen_at=seen_at)
    assert (found.standing, found.why) == (KeyStanding.REVOKED, "its key was in other hands")


def test_an_agent_without_any_key_left_has_none_that_is_known() -> None:
    assert isinstance(
        agents_key(
            AgentKeys(did=AGENT.did, agent=AGENT.agent, standing=IdentityStanding.REVOKED, periods=()),
            "k",
            seen_at=NOW,
            now=NOW,
        ),
        UnknownKey,
    )


def test_a_did_url_names_an_agent_in_the_form_it_was_issued() -> None:
    assert did_url(f"{AGENT.did}#key") == (AGENT.did, "key")
    host, scid = "dev.id.ringfence.internal", AGENT.did.rsplit(":", 1)[1]
    assert did_url(f"did:web:{host}:agents:{scid}#key") == (AGENT.did, "key")
    key_did = str(KeyDid(AGENT.key()))
    assert did_url(f"{key_did}#{AGENT.key().multibase}") == (key_did, AGENT.key().multibase)


@pytest.mark.parametrize(
    "key_id",
    [
        "",
        "key-1",
        "#key-1",
        AGENT.did,
        f"{AGENT.did}#",
        "did:web:evil.example.com#key-1",
        "did:web:dev.id.ringfence.internal#key-1",
        "did:webvh:nonsense:dev.id.ringfence.internal:agents:nonsense#k",
        "did:example:123#key-1",
        "https://evil.example.com/jwks.json#key-1",
        "did:key:z6Mk0OIl#x",
    ],
)
def test_what_names_no_agents_key_is_no_did_url(key_id: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        did_url(key_id)


async def test_keys_come_from_identity_and_from_what_is_pinned_and_from_nowhere_else() -> None:
    identity = SmallIdentity()
    identity.put(AGENT.known())
    root = TrustRoot(RememberedKeys(identity))
    release = signer("ES256", "release")
    stranger = SigningAgent(agent="namespaces/evil/agents/x")
    ids = [AGENT.signer().key_id, "release", stranger.signer().key_id, "https://evil.example.com/keys#1"]
    pinned = read_pinned_keys({"keys": [release.jwk]})
    found = await root.answers(ids, pinned=pinned, seen_at=NOW, now=NOW)
    assert [type(found[key_id]) for key_id in ids] == [KnownKey, KnownKey, UnknownKey, UnknownKey]
    pinned_key = found["release"]
    assert isinstance(pinned_key, KnownKey)
    assert (pinned_key.signer, pinned_key.signer_agent) == ("pinned", "")
    assert identity.asked == [AGENT.did, stranger.did]


async def test_a_pinned_key_wins_over_identity_and_identity_is_not_asked() -> None:
    identity = SmallIdentity()
    one = AGENT.signer()
    found = await TrustRoot(RememberedKeys(identity)).answers(
        [one.key_id], pinned=read_pinned_keys({"keys": [one.jwk]}), seen_at=NOW, now=NOW
    )
    assert isinstance(found[one.key_id], KnownKey)
    assert identity.asked == []


async def test_identity_away_is_not_identity_that_does_not_know() -> None:
    identity = SmallIdentity(away=True)
    found = await one_answer(TrustRoot(RememberedKeys(identity)), AGENT.signer().key_id)
    assert found == KeyAway("identity could not be asked for its key: nobody answers")


async def test_an_answer_is_good_for_a_while_and_no_longer() -> None:
    identity = SmallIdentity()
    identity.put(AGENT.known())
    keys = RememberedKeys(identity)
    for now in (NOW, NOW + GOOD_FOR - 1, NOW + GOOD_FOR):
        assert await keys.keys_of(AGENT.did, Instant(now)) == AGENT.known()
    assert len(identity.asked) == 2


async def test_a_clock_that_was_set_back_makes_no_answer_last() -> None:
    identity = SmallIdentity()
    keys = RememberedKeys(identity)
    await keys.keys_of(AGENT.did, NOW)
    await keys.keys_of(AGENT.did, Instant(NOW - 1))
    assert len(identity.asked) == 2


async def test_an_agent_that_is_enrolled_a_moment_later_is_found_soon() -> None:
    identity = SmallIdentity()
    keys = RememberedKeys(identity)
    assert await keys.keys_of(AGENT.did, NOW) is None
    identity.put(AGENT.known())
    assert await keys.keys_of(AGENT.did, Instant(NOW + UNKNOWN_FOR - 1)) is None
    assert await keys.keys_of(AGENT.did, Instant(NOW + UNKNOWN_FOR)) == AGENT.known()


async def test_failures_are_not_remembered() -> None:
    identity = SmallIdentity(away=True)
    keys = RememberedKeys(identity)
    with pytest.raises(IdentityAway):
        await keys.keys_of(AGENT.did, NOW)
    identity.away = False
    identity.put(AGENT.known())
    assert await keys.keys_of(AGENT.did, NOW) == AGENT.known()


async def test_what_was_forgotten_is_asked_anew() -> None:
    identity = SmallIdentity()
    identity.put(AGENT.known())
    root = TrustRoot(RememberedKeys(identity))
    await one_answer(root, AGENT.signer().key_id)
    identity.put(AGENT.known(standing=IdentityStanding.REVOKED))
    root.forget(AGENT.did)
    found = await one_answer(root, AGENT.signer().key_id)
    assert isinstance(found, KnownKey)
    assert found.standing is KeyStanding.REVOKED


async def test_attack_an_answer_from_before_a_revocation_is_not_remembered_after_it() -> None:
    identity = SmallIdentity()
    identity.put(AGENT.known())
    identity.answers.clear()
    keys = RememberedKeys(identity)
    on_its_way = asyncio.ensure_future(keys.keys_of(AGENT.did, NOW))
    await identity.called.wait()
    identity.put(AGENT.known(standing=IdentityStanding.REVOKED))
    keys.forget(AGENT.did)
    identity.answers.set()
    assert await on_its_way == AGENT.known()
    assert await keys.keys_of(AGENT.did, NOW) == AGENT.known(standing=IdentityStanding.REVOKED)


async def test_only_so_many_answers_are_kept() -> None:
    identity = SmallIdentity()
    keys = RememberedKeys(identity, at_most=3)
    dids = [SigningAgent(agent=f"namespaces/a/agents/a{number}").did for number in range(4)]
    for did in (*dids, *dids[1:]):
        await keys.keys_of(did, NOW)
    assert identity.asked == dids
    await keys.keys_of(dids[0], Instant(NOW + SECOND))
    assert identity.asked == [*dids, dids[0]]
