"""What the registry knows of identities, as their feed tells it, and what it says when that falls silent."""

from ringfence.identity.v1 import identity_pb2, trust_pb2
from ringfence.watch import Bookmark, Change, Changed, StateBegins
from ringfence_kit.clock import DAY, HOUR, Instant, Millis
from ringfence_kit.names import AgentName
from ringfence_kit.trust_decay import EARNED_HALF_LIFE_MS
from ringfence_kit.wire import to_timestamp
from ringfence_registry.finding.views import Trust
from ringfence_registry.neighbours.identity_feed import AT_ONCE
from support.registry.ears import DID, NAME, Ears, identity_message, listening

OTHER = "did:webvh:QmOther:prod.id.ringfence.internal:agents:QmOther"
LEDGER = AgentName("finance", "ledger")


def trust(ears: Ears, did: str = DID, *, at: Instant | None = None) -> Trust | None:
    return ears.neighbours.identity.trust(NAME, did, ears.clock.now() if at is None else at)


async def test_nothing_is_known_before_identity_was_heard_and_nobody_waits() -> None:
    async with listening() as ears:
        assert trust(ears) is None
        assert ears.neighbours.identity.identity(DID, ears.clock.now()) is None
        assert ears.readiness.ready
        assert set(ears.readiness.impaired) == {"identity feed", "telemetry feed"}


async def test_trust_is_computed_for_the_moment_of_the_question() -> None:
    async with listening() as ears:
        await ears.identities(identity_message())
        now = ears.clock.now()
        before = trust(ears)
        assert before is not None
        assert (before.score, before.ring, before.active, before.heard_at) == (700, 1, True, now)
        faded = trust(ears, DID, at=Instant(now + DAY + EARNED_HALF_LIFE_MS))
        assert faded is not None
        assert (faded.score, faded.ring) == (500, 2)
        assert "identity feed" not in ears.readiness.impaired


async def test_an_answer_says_until_when_it_holds() -> None:
    async with listening() as ears:
        await ears.identities(identity_message())
        found = trust(ears)
        assert found is not None
        assert found.until is not None
        at_the_end = trust(ears, DID, at=found.until)
        just_before = trust(ears, DID, at=Instant(found.until - 1))
        assert just_before is not None
        assert at_the_end is not None
        assert (just_before.score, at_the_end.score) == (700, 699)


async def test_the_order_in_which_moments_are_asked_about_changes_no_answer() -> None:
    async with listening() as ears:
        await ears.identities(identity_message(expire_time=to_timestamp(Instant(ears.clock.now() + 40 * DAY))))
        now = ears.clock.now()
        moments = [Instant(now + hours * HOUR) for hours in range(0, 45 * 24, 7)]
        in_order = [trust(ears, at=at) for at in moments]
        assert [trust(ears, at=at) for at in reversed(moments)] == in_order[::-1]
        again = [trust(ears, at=at) for at in moments for _ in range(2)]
        assert again == [each for each in in_order for _ in range(2)]
        assert len({each.score for each in in_order if each is not None}) > 100
        await ears.identities(identity_message(status=identity_pb2.IDENTITY_STATUS_SUSPENDED))
        assert {each.active for at in moments if (each := trust(ears, at=at)) is not None} == {False}


async def test_a_certificates_ceiling_bounds_the_ring() -> None:
    async with listening() as ears:
        bounded = identity_message()
        bounded.birth_certificate.ring_ceiling = 3
        await ears.identities(bounded)
        found = trust(ears)
        assert found is not None
        assert (found.score, found.ring) == (700, 3)


async def test_who_is_suspended_revoked_or_run_out_is_not_active() -> None:
    async with listening() as ears:
        ends = Instant(ears.clock.now() + HOUR)
        await ears.identities(
            identity_message(),
            identity_message("did:key:z1", status=identity_pb2.IDENTITY_STATUS_SUSPENDED),
            identity_message("did:key:z2", status=identity_pb2.IDENTITY_STATUS_REVOKED),
            identity_message("did:key:z3", expire_time=to_timestamp(ends)),
        )
        active = {
            did: found.active for did in (DID, "did:key:z1", "did:key:z2", "did:key:z3") if (found := trust(ears, did))
        }
        assert active == {DID: True, "did:key:z1": False, "did:key:z2": False, "did:key:z3": True}
        found = trust(ears, "did:key:z3")
        assert found is not None
        assert found.until is not None
        assert found.until <= ends
        ended = trust(ears, "did:key:z3", at=ends)
        assert ended is not None
        assert not ended.active


async def test_three_heartbeats_of_silence_and_nobodys_trust_is_known_any_more() -> None:
    async with listening() as ears:
        await ears.identities(identity_message())
        ears.heard.clear()
        await ears.beats(2)
        assert trust(ears) is not None
        await ears.beats(2)
        assert trust(ears) is None
        # Whoever keeps an index over trust is told that it is another now.
        assert ears.heard == [NAME]
        assert "cut" in ears.readiness.impaired["identity feed"]
        assert ears.readiness.ready
        facts = ears.neighbours.identity.identity(DID, ears.clock.now())
        assert facts is not None
        assert not facts.active
        await ears.identity_source.say(Bookmark(3))
        await ears.settle()
        assert trust(ears) is not None
        assert ears.heard == [NAME, NAME]
        assert "identity feed" not in ears.readiness.impaired


async def test_readiness_gates_find_an_identity_by_did_and_by_environment() -> None:
    async with listening() as ears:
        await ears.identities(identity_message(), identity_message(OTHER, environment="prod"))
        feed, now = ears.neighbours.identity, ears.clock.now()
        for found, did in ((feed.identity(DID, now), DID), (feed.identity_in(LEDGER, "prod", now), OTHER)):
            assert found is not None
            assert (found.did, found.agent, found.active) == (did, LEDGER, True)
        assert feed.identity_in(LEDGER, "staging", now) is None
        assert feed.home(OTHER) == "finance"
        assert set(feed.dids(NAME)) == {DID, OTHER}
        assert feed.name(DID) == NAME


async def test_an_identity_that_took_the_place_of_a_revoked_one_is_the_one_meant() -> None:
    async with listening() as ears:
        await ears.identities(identity_message(), identity_message(OTHER))
        await ears.identity(identity_message(status=identity_pb2.IDENTITY_STATUS_REVOKED))
        found = ears.neighbours.identity.identity_in(LEDGER, "dev", ears.clock.now())
        assert found is not None
        assert found.did == OTHER
        assert ears.neighbours.identity.home(DID) is None


async def test_a_change_of_keys_or_standing_is_told_to_who_judges_signatures_and_one_of_trust_is_not() -> None:
    async with listening() as ears:
        await ears.identities(identity_message())
        assert ears.signers == [DID]
        better = identity_message(trust_state=trust_pb2.TrustState(earned_micro_points=401_000_000))
        await ears.identity(better)
        assert ears.signers == [DID]
        assert ears.heard == [NAME, NAME]
        for changed in (
            identity_message(did_version_id="2-Qm", public_key_multibase="z6Mnew"),
            identity_message(did_version_id="2-Qm", public_key_multibase="z6Mnew", revocation_epoch=1),
            identity_message(status=identity_pb2.IDENTITY_STATUS_SUSPENDED),
        ):
            ears.signers.clear()
            await ears.identity(changed)
            assert ears.signers == [DID]


async def test_after_a_break_only_what_differs_is_told() -> None:
    async with listening() as ears:
        await ears.identities(identity_message(), identity_message(OTHER), identity_message("did:key:z1"))
        ears.heard.clear()
        ears.signers.clear()
        await ears.identities(
            identity_message(), identity_message(OTHER, status=identity_pb2.IDENTITY_STATUS_REVOKED), revision=9
        )
        assert sorted(ears.signers) == sorted([OTHER, "did:key:z1"])
        assert ears.heard == [NAME, NAME]


async def test_many_are_told_a_few_at_a_time_and_who_follows_may_catch_up_between() -> None:
    async with listening() as ears:
        many = [identity_message(f"did:key:z{n}", agent=f"{NAME}-{n}") for n in range(3 * AT_ONCE)]
        await ears.identities(*many)
        assert len(set(ears.heard)) == len(ears.heard) == 3 * AT_ONCE
        # Each of them has two to be told, who follows trust and who judges signatures.
        told = [at for at in ears.caught_up if at]
        assert told[-1] == 6 * AT_ONCE
        assert all(later - before <= AT_ONCE for before, later in zip([0, *told], told, strict=False))


async def test_half_a_state_is_not_looked_at() -> None:
    async with listening() as ears:
        await ears.identities(identity_message())
        ears.heard.clear()
        from_the_start = identity_message(status=identity_pb2.IDENTITY_STATUS_REVOKED)
        answer = identity_pb2.WatchAgentsResponse(identity=from_the_start)
        await ears.identity_source.say(StateBegins(), Changed(9, Change.ADDED, answer))
        found = trust(ears)
        assert found is not None
        assert found.active
        assert ears.heard == []


async def test_what_cannot_be_read_is_not_known() -> None:
    async with listening() as ears:
        await ears.identities(identity_message(), identity_message(OTHER, agent="no name"))
        assert trust(ears, OTHER) is None
        await ears.identity(identity_message(status=99))
        assert trust(ears) is None
        await ears.identity(identity_message(), Change.ADDED)
        assert trust(ears) is not None
        await ears.identity(identity_message(), Change.DELETED)
        assert trust(ears) is None


async def test_a_did_of_somebody_else_lends_no_trust() -> None:
    async with listening() as ears:
        await ears.identities(identity_message())
        feed, now = ears.neighbours.identity, ears.clock.now()
        assert feed.trust("namespaces/evil/agents/trap", DID, now) is None
        assert feed.trust(NAME, OTHER, now) is None


async def test_an_agent_with_one_identity_need_not_say_which() -> None:
    async with listening() as ears:
        await ears.identities(identity_message())
        found = trust(ears, "")
        assert found is not None
        assert found.score == 700
        await ears.identity(identity_message(OTHER, environment="prod"), Change.ADDED)
        assert trust(ears, "") is None
        assert trust(ears, OTHER) is not None


async def test_a_clock_set_back_makes_nobody_more_trusted() -> None:
    async with listening() as ears:
        later = Millis(2 * DAY)
        await ears.identities(
            identity_message(
                trust_state=trust_pb2.TrustState(last_event_time=to_timestamp(Instant(ears.clock.now() + later)))
            )
        )
        found = trust(ears, DID, at=Instant(ears.clock.now() - later))
        now = trust(ears)
        assert found is not None
        assert now is not None
        assert found.score == now.score < 700


async def test_whoever_keeps_an_answer_learns_that_it_may_be_another() -> None:
    """Nothing but what is heard, the silence after it, and the moment asked about makes another answer."""
    async with listening() as ears:
        await ears.identities(identity_message())
        feed, at = ears.neighbours.identity, ears.clock.now()
        before, kept = trust(ears, at=at), feed.changes
        assert before is not None
        assert (trust(ears, at=at), feed.changes) == (before, kept)
        await ears.identity(identity_message(status=identity_pb2.IDENTITY_STATUS_SUSPENDED))
        await ears.settle()
        assert trust(ears, at=at) != before
        assert feed.changes > kept
        kept = feed.changes
        await ears.beats(4)
        assert trust(ears, at=at) is None
        assert feed.changes > kept
