"""Cards judged again when keys change: on memory, SQLite and PostgreSQL."""

import asyncio
import json

from ringfence.proofs.did_keys import KeyPeriod
from ringfence_kit.clock import EPOCH, SECOND, Instant, Millis
from ringfence_kit.events import Change, Event, Revision
from ringfence_registry.cards.signatures.keys import IdentityStanding
from ringfence_registry.cards.signatures.re_evaluation import AT_ONCE, CHANGES_REMEMBERED, PRINCIPAL, RETRY_EVERY
from ringfence_registry.cards.signatures.report import UNSIGNED
from ringfence_registry.model import AgentState
from ringfence_registry.namespaces.model import NAMESPACE
from support.backends import Backend
from support.registry.judged import opened_judged
from support.registry.signed_cards import CARD, signer
from support.registry.signers import SigningAgent

AGENT = SigningAgent()
SIGNED = AGENT.signer().signed(CARD)


async def test_attack_a_key_revoked_after_admission_changes_the_verdict_and_shows_as_modified(backend: Backend) -> None:
    async with opened_judged(backend) as judged:
        judged.identity.put(AGENT.known())
        before = await judged.put(SIGNED)
        assert await judged.statuses() == ["VERIFIED"]
        judged.identity.put(AGENT.known(standing=IdentityStanding.REVOKED))
        judged.clock.advance(Millis(60 * SECOND))
        assert judged.re_evaluation.affected(AGENT.did) == (str(before.name),)
        await judged.re_evaluation.re_evaluate(AGENT.did, judged.clock.now())
        after = await judged.stored()
        assert await judged.statuses() == ["KEY_REVOKED"]
        assert (after.updated_at, after.number) == (judged.clock.now(), before.number)
        assert after.etag != before.etag
        event = judged.events[-1]
        assert (event.change, event.name, event.actor) == (Change.MODIFIED, str(before.name), PRINCIPAL)


async def test_a_suspension_that_ends_gives_the_signature_back(backend: Backend) -> None:
    async with opened_judged(backend) as judged:
        judged.identity.put(AGENT.known())
        await judged.put(SIGNED)
        seen = []
        for standing in (IdentityStanding.SUSPENDED, IdentityStanding.ACTIVE):
            judged.identity.put(AGENT.known(standing=standing))
            await judged.re_evaluation.re_evaluate(AGENT.did, judged.clock.now())
            seen += await judged.statuses()
        assert seen == ["KEY_REVOKED", "VERIFIED"]


async def test_a_rotation_does_not_undo_what_was_signed_before_it(backend: Backend) -> None:
    async with opened_judged(backend) as judged:
        judged.identity.put(AGENT.known())
        await judged.put(SIGNED)
        judged.clock.advance(Millis(SECOND))
        judged.identity.put(AGENT.rotated(judged.clock.now()))
        events = len(judged.events)
        await judged.re_evaluation.re_evaluate(AGENT.did, judged.clock.now())
        assert await judged.statuses() == ["VERIFIED"]
        assert len(judged.events) == events  # nothing changed, so nobody hears of it


async def test_attack_a_compromised_key_takes_its_signatures_with_it(backend: Backend) -> None:
    async with opened_judged(backend) as judged:
        judged.identity.put(AGENT.known())
        await judged.put(SIGNED)
        now = Instant(judged.clock.now() + 1)
        lost = KeyPeriod(key=AGENT.key(), since=EPOCH, until=now, compromised_since=now)
        judged.identity.put(AGENT.known((lost, KeyPeriod(key=AGENT.key(2), since=now))))
        await judged.re_evaluation.re_evaluate(AGENT.did, now)
        assert await judged.statuses() == ["KEY_REVOKED"]


async def test_a_signer_who_is_enrolled_later_becomes_known(backend: Backend) -> None:
    async with opened_judged(backend) as judged:
        await judged.put(SIGNED)
        assert await judged.statuses() == ["UNTRUSTED_KEY"]
        judged.identity.put(AGENT.known())
        await judged.re_evaluation.re_evaluate(AGENT.did, judged.clock.now())
        assert await judged.statuses() == ["VERIFIED"]


async def test_only_agents_whose_card_names_the_did_are_looked_at(backend: Backend) -> None:
    other = SigningAgent(agent="namespaces/finance/agents/other")
    async with opened_judged(backend) as judged:
        judged.identity.put(AGENT.known())
        judged.identity.put(other.known())
        await judged.put(SIGNED)
        await judged.put(other.signer().signed(CARD), "other")
        await judged.put(CARD, "plain")
        asked = len(judged.identity.asked)
        await judged.re_evaluation.re_evaluate(other.did, judged.clock.now())
        assert judged.identity.asked[asked:] == [other.did]
        assert judged.re_evaluation.affected("did:key:z6Mk") == ()


async def test_what_hangs_on_whom_is_known_again_after_a_restart(backend: Backend) -> None:
    async with opened_judged(backend) as judged:
        judged.identity.put(AGENT.known())
        await judged.put(SIGNED)
    async with opened_judged(backend) as judged:
        judged.identity.put(AGENT.known(standing=IdentityStanding.REVOKED))
        await judged.re_evaluation.re_evaluate(AGENT.did, judged.clock.now())
        assert await judged.statuses() == ["KEY_REVOKED"]


async def test_identity_away_leaves_a_verdict_as_it_is(backend: Backend) -> None:
    async with opened_judged(backend) as judged:
        judged.identity.put(AGENT.known())
        await judged.put(SIGNED)
        judged.identity.away = True
        await judged.re_evaluation.re_evaluate(AGENT.did, judged.clock.now())
        assert await judged.statuses() == ["VERIFIED"]


async def test_a_card_that_was_replaced_meanwhile_keeps_its_own_verdict(backend: Backend) -> None:
    async with opened_judged(backend) as judged:
        judged.identity.put(AGENT.known())
        await judged.put(SIGNED)
        judged.identity.put(AGENT.known(standing=IdentityStanding.REVOKED))
        replaced = await judged.report(CARD)
        await judged.put(CARD, report=replaced)
        await judged.re_evaluation.re_evaluate(AGENT.did, judged.clock.now())
        assert await judged.statuses() == []


async def test_a_card_that_is_replaced_while_identity_is_asked_keeps_its_own_verdict(backend: Backend) -> None:
    async with opened_judged(backend) as judged:
        judged.identity.put(AGENT.known())
        await judged.put(SIGNED)
        judged.identity.put(AGENT.known(standing=IdentityStanding.REVOKED))
        judged.identity.answers.clear()
        judged.identity.called.clear()
        again = asyncio.ensure_future(judged.re_evaluation.re_evaluate(AGENT.did, judged.clock.now()))
        await judged.identity.called.wait()
        await judged.put(CARD, report=UNSIGNED)
        events = len(judged.events)
        judged.identity.answers.set()
        await again
        assert await judged.statuses() == []
        assert len(judged.events) == events


async def test_a_store_that_does_not_answer_is_tried_again(backend: Backend) -> None:
    async with opened_judged(backend, running=True) as judged:
        judged.identity.put(AGENT.known())
        await judged.put(SIGNED)
        judged.identity.put(AGENT.known(standing=IdentityStanding.REVOKED))
        judged.faults.refusals = 1
        await judged.re_evaluation.re_evaluate(AGENT.did, judged.clock.now())
        assert await judged.statuses() == ["VERIFIED"]
        judged.clock.advance(RETRY_EVERY)
        await judged.until(["KEY_REVOKED"])


async def test_no_more_changes_are_kept_than_a_registry_can_be_behind(backend: Backend) -> None:
    async with opened_judged(backend) as judged:
        for number in range(CHANGES_REMEMBERED + 10):
            judged.re_evaluation.changed(f"did:key:{number}")
        assert len(judged.re_evaluation._changes) == CHANGES_REMEMBERED


async def test_retired_and_deleted_agents_keep_the_verdict_they_had(backend: Backend) -> None:
    async with opened_judged(backend) as judged:
        judged.identity.put(AGENT.known())
        agent = await judged.put(SIGNED)
        await judged.change(agent, state=AgentState.RETIRED)
        deleted = await judged.put(SIGNED, "deleted")
        await judged.change(deleted, deleted_at=judged.clock.now())
        assert judged.re_evaluation.affected(AGENT.did) == ()


async def test_attack_a_card_judged_before_a_revocation_and_stored_after_it_is_judged_again(backend: Backend) -> None:
    """The revocation is heard while the registration is on its way: nobody is affected yet."""
    async with opened_judged(backend, running=True) as judged:
        judged.identity.put(AGENT.known())
        early = await judged.report(SIGNED)
        judged.clock.advance(Millis(10))
        judged.identity.put(AGENT.known(standing=IdentityStanding.REVOKED))
        judged.re_evaluation.changed(AGENT.did)
        await judged.put(SIGNED, report=early)
        await judged.until(["KEY_REVOKED"])


async def test_what_changed_is_judged_in_the_background(backend: Backend) -> None:
    async with opened_judged(backend, running=True) as judged:
        judged.identity.put(AGENT.known())
        await judged.put(SIGNED)
        judged.identity.put(AGENT.known(standing=IdentityStanding.REVOKED))
        judged.re_evaluation.changed(AGENT.did)
        await judged.until(["KEY_REVOKED"])


async def test_signers_are_asked_about_at_once_so_many_and_no_more(backend: Backend) -> None:
    signing = [SigningAgent(f"namespaces/finance/agents/agent-{number}") for number in range(AT_ONCE + 3)]
    async with opened_judged(backend, running=True) as judged:
        for number, agent in enumerate(signing):
            judged.identity.put(agent.known())
            await judged.put(agent.signer().signed(CARD), f"agent-{number}")
        judged.identity.answers.clear()
        judged.identity.asked.clear()
        for agent in signing:
            judged.identity.put(agent.known(standing=IdentityStanding.REVOKED))
            judged.re_evaluation.changed(agent.did)
        while len(judged.identity.asked) < AT_ONCE:
            judged.identity.called.clear()
            await judged.identity.called.wait()
        assert len(set(judged.identity.asked)) == AT_ONCE
        judged.identity.answers.set()
        for number in range(len(signing)):
            while await judged.statuses(f"agent-{number}") != ["KEY_REVOKED"]:
                judged.heard.clear()
                await judged.heard.wait()
        assert len(judged.identity.asked) == len(signing)


async def test_keys_that_could_not_be_asked_for_are_asked_for_again(backend: Backend) -> None:
    async with opened_judged(backend, running=True) as judged:
        judged.identity.away = True
        await judged.put(SIGNED)
        assert await judged.statuses() == ["KEYS_UNAVAILABLE"]
        judged.identity.away = False
        judged.identity.put(AGENT.known())
        judged.clock.advance(RETRY_EVERY)
        await judged.until(["VERIFIED"])


async def test_a_change_that_identity_could_not_explain_is_asked_for_again(backend: Backend) -> None:
    async with opened_judged(backend, running=True) as judged:
        judged.identity.put(AGENT.known())
        await judged.put(SIGNED)
        judged.identity.away = True
        await judged.re_evaluation.re_evaluate(AGENT.did, judged.clock.now())
        judged.identity.away = False
        judged.identity.put(AGENT.known(standing=IdentityStanding.REVOKED))
        judged.clock.advance(RETRY_EVERY)
        await judged.until(["KEY_REVOKED"])


async def test_a_key_that_is_no_longer_pinned_verifies_nothing(backend: Backend) -> None:
    release = signer("ES256", "release")
    async with opened_judged(backend, running=True) as judged:
        judged.policies.trusted_jwks = json.dumps({"keys": [release.jwk]})
        await judged.put(release.signed(CARD))
        assert await judged.statuses() == ["VERIFIED"]
        judged.policies.trusted_jwks = ""
        judged.re_evaluation.apply(policy_changed("namespaces/fin"))
        judged.re_evaluation.apply(policy_changed("namespaces/finance"))
        await judged.until(["UNTRUSTED_KEY"])


async def test_a_policy_that_changed_otherwise_has_nothing_judged_again(backend: Backend) -> None:
    async with opened_judged(backend) as judged:
        judged.identity.put(AGENT.known())
        await judged.put(SIGNED)
        judged.re_evaluation.apply(policy_changed("namespaces/finance"))
        assert not judged.re_evaluation._pending


async def test_attack_a_card_judged_before_its_key_was_unpinned_is_judged_again(backend: Backend) -> None:
    release = signer("ES256", "release")
    async with opened_judged(backend, running=True) as judged:
        judged.policies.trusted_jwks = json.dumps({"keys": [release.jwk]})
        card = release.signed(CARD)
        early = await judged.report(card)
        judged.policies.trusted_jwks = ""
        judged.re_evaluation.apply(policy_changed("namespaces/finance"))
        await judged.put(card, report=early)
        await judged.until(["UNTRUSTED_KEY"])


async def test_keys_pinned_before_a_restart_are_known_after_it(backend: Backend) -> None:
    release = signer("ES256", "release")
    jwks = json.dumps({"keys": [release.jwk]})
    async with opened_judged(backend) as judged:
        judged.policies.trusted_jwks = jwks
        await judged.put(release.signed(CARD))
    async with opened_judged(backend, running=True, trusted_jwks=jwks) as judged:
        judged.re_evaluation.apply(policy_changed("namespaces/finance"))
        assert not judged.re_evaluation._pending
        judged.policies.trusted_jwks = ""
        judged.re_evaluation.apply(policy_changed("namespaces/finance"))
        await judged.until(["UNTRUSTED_KEY"])


def policy_changed(namespace: str) -> Event:
    return Event(
        revision=Revision(1),
        change=Change.MODIFIED,
        kind=NAMESPACE,
        name=namespace,
        record=b"{}",
        at=EPOCH,
        actor="admin",
    )


async def test_the_same_signed_card_under_a_second_name_is_seen_and_the_first_is_not_blamed(backend: Backend) -> None:
    release = signer("ES256", "release")
    async with opened_judged(backend) as judged:
        judged.policies.trusted_jwks = json.dumps({"keys": [release.jwk]})
        first = await judged.put(release.signed(CARD))
        # The same content signed and written otherwise is the same card.
        second = await judged.put({**release.signed(CARD), "iconUrl": None}, "copy")
        assert (first.signatures.copied, second.signatures.copied) == (False, True)
        rolled_back = await judged.judge.judge(
            json.dumps(release.signed(CARD)).encode(),
            agent=str(first.name),
            trusted_jwks=judged.policies.trusted_jwks,
            now=judged.clock.now(),
            first_seen_at=Instant(first.signatures.first_seen_at - 1),
        )
        assert not rolled_back.copied
