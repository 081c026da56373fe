"""The contract of approvals: the store and the use cases on it, over memory, SQLite and PostgreSQL."""

import asyncio
from dataclasses import replace

import pytest
from ringfence_kit.callers import Role
from ringfence_kit.clock import Millis
from ringfence_kit.errors import EtagMismatch, RequestIdReused
from ringfence_kit.events import Change
from ringfence_kit.store import fingerprint_of
from ringfence_pdp.approvals.approval import State
from ringfence_pdp.approvals.book import ApprovalBook
from ringfence_pdp.approvals.settling import Bounds, end_expired
from ringfence_pdp.errors import AlreadyVoted, ApprovalNotFound, ApprovalNotPending, ApproverNotEligible
from support.backends import Backend
from support.pdp.people import (
    ADA,
    ADMIN,
    ANALYST_ITSELF,
    BOB,
    CYD,
    MINUTE,
    asked,
    people,
    person,
    question,
)

HALF_AN_HOUR = Millis(30 * MINUTE)
REQUEST_ID = "3f2b0000-0000-4000-8000-000000000000"


async def test_a_question_is_opened_found_approved_used_once_and_asked_anew(backend: Backend) -> None:
    async with people(backend) as at:
        first = await at.put()
        again = await at.put()
        assert first.approval is not None
        assert again.approval is not None
        assert again.approval.name == first.approval.name
        assert first.waits
        assert (await at.vote(ADA, first.approval.name)).state is State.APPROVED
        used = await at.put(by=asked("the one"))
        assert used.yes
        assert used.approval is not None
        assert used.approval.used_by == "the one"
        anew = await at.put()
        assert anew.waits
        assert anew.approval is not None
        assert anew.approval.name != first.approval.name


async def test_a_restart_in_the_middle_forgets_nothing(backend: Backend) -> None:
    two = question(min_approvals=2)
    async with people(backend) as at:
        name = (await at.opened(two)).name
        await at.vote(ADA, name)
    async with people(backend, clock=at.clock) as at:
        assert at.named(name).state is State.PENDING
        with pytest.raises(AlreadyVoted):
            await at.vote(ADA, name)
        await at.vote(BOB, name)
    async with people(backend, clock=at.clock) as at:
        assert (await at.put(two)).yes
    async with people(backend, clock=at.clock) as at:
        assert at.named(name).state is State.USED
        assert (await at.put(two)).waits


async def test_two_calls_that_race_use_an_approval_once(backend: Backend) -> None:
    async with people(backend) as at:
        await at.vote(ADA, (await at.opened()).name)
        said = await asyncio.gather(*(at.put(by=asked(f"d{each}")) for each in range(8)))
        assert [one.yes for one in said].count(True) == 1
        assert all(one.yes or one.waits for one in said)


async def test_two_calls_that_race_open_one_approval(backend: Backend) -> None:
    async with people(backend) as at:
        said = await asyncio.gather(*(at.put() for _ in range(8)))
        assert len({one.approval.name for one in said if one.approval}) == 1
        assert len(at.book) == 1


async def test_two_people_who_vote_at_once_both_count(backend: Backend) -> None:
    async with people(backend) as at:
        name = (await at.opened(question(min_approvals=3))).name
        await asyncio.gather(*(at.vote(who, name) for who in (ADA, BOB, CYD)))
        assert at.named(name).state is State.APPROVED


async def test_one_person_has_one_vote_however_fast(backend: Backend) -> None:
    async with people(backend) as at:
        name = (await at.opened(question(min_approvals=2))).name
        votes = await asyncio.gather(*(at.vote(ADA, name) for _ in range(4)), return_exceptions=True)
        assert [isinstance(vote, AlreadyVoted) for vote in votes].count(True) == 3
        assert at.named(name).state is State.PENDING


async def test_silence_is_no(backend: Backend) -> None:
    async with people(backend) as at:
        name = (await at.opened()).name
        at.clock.advance(HALF_AN_HOUR)
        said = await at.put()
        assert said.approval is not None
        assert (said.yes, said.waits, said.approval.state) == (False, False, State.EXPIRED)
        with pytest.raises(ApprovalNotPending, match="is expired"):
            await at.vote(ADA, name)
        at.clock.advance(MINUTE)
        assert (await at.opened()).name != name


async def test_a_yes_that_nobody_came_back_for_is_over_too(backend: Backend) -> None:
    async with people(backend) as at:
        await at.vote(ADA, (await at.opened()).name)
        at.clock.advance(HALF_AN_HOUR)
        assert not (await at.put()).yes


async def test_what_is_over_is_ended_once_and_everybody_is_told(backend: Backend) -> None:
    async with people(backend) as at:
        names = [(await at.opened(question(action=f"drop_{each}"))).name for each in "ab"]
        await at.vote(ADA, names[1])
        at.clock.advance(HALF_AN_HOUR)
        now = at.desk.moment()
        ended = await end_expired(at.writer, names=[*names, "approvals/none"], now=now)
        assert [one.name for one in ended] == names
        assert await end_expired(at.writer, names=names, now=now) == ()
        assert {at.named(name).state for name in names} == {State.EXPIRED}


async def test_a_denial_holds_as_long_as_the_approval_would_have(backend: Backend) -> None:
    async with people(backend) as at:
        name = (await at.opened()).name
        assert (await at.vote(ADA, name, yes=False, comment="not today")).state is State.DENIED
        at.clock.advance(Millis(HALF_AN_HOUR - 1))
        said = await at.put()
        assert said.approval is not None
        assert said.approval.end_reason == "not today"
        assert not said.waits
        at.clock.advance(Millis(1))
        assert (await at.put()).waits


async def test_one_denial_ends_it_only_where_the_policy_says_so(backend: Backend) -> None:
    async with people(backend) as at:
        lenient = (await at.opened(question(min_approvals=2))).name
        assert (await at.vote(ADA, lenient, yes=False)).state is State.PENDING
        assert (await at.vote(BOB, lenient)).state is State.PENDING
        assert (await at.vote(CYD, lenient)).state is State.APPROVED
        strict = (await at.opened(question(min_approvals=2, deny_ends=True))).name
        assert (await at.vote(ADA, strict, yes=False)).state is State.DENIED


async def test_as_many_denials_as_approvals_were_needed_end_it(backend: Backend) -> None:
    async with people(backend) as at:
        name = (await at.opened(question(min_approvals=2))).name
        await at.vote(ADA, name, yes=False)
        assert (await at.vote(BOB, name, yes=False)).state is State.DENIED


async def test_a_late_vote_changes_nothing(backend: Backend) -> None:
    async with people(backend) as at:
        name = (await at.opened()).name
        await at.vote(ADA, name)
        for state in (State.APPROVED, State.USED):
            before = at.named(name)
            assert before.state is state
            for yes in (True, False):
                with pytest.raises(ApprovalNotPending):
                    await at.vote(BOB, name, yes=yes)
            assert at.named(name) == before
            await at.put()


async def test_an_agent_calls_off_what_it_does_not_need(backend: Backend) -> None:
    async with people(backend) as at:
        name = (await at.opened()).name
        assert (await at.cancel(ANALYST_ITSELF, name)).state is State.CANCELLED
        with pytest.raises(ApprovalNotPending, match="is cancelled"):
            await at.vote(ADA, name)
        with pytest.raises(ApprovalNotPending):
            await at.cancel(ANALYST_ITSELF, name)
        assert (await at.put()).waits


async def test_nobody_else_calls_it_off_or_learns_of_it(backend: Backend) -> None:
    async with people(backend) as at:
        name = (await at.opened()).name
        other = replace(ANALYST_ITSELF, principal="did:web:other")
        stranger = replace(ADA, roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"sales"}))
        for caller in (ADA, other, stranger):
            with pytest.raises(ApprovalNotFound):
                await at.cancel(caller, name)
        with pytest.raises(ApprovalNotFound):
            await at.cancel(ADMIN, "approvals/none")
        await at.cancel(ADMIN, name)


async def test_a_vote_is_for_what_the_voter_saw(backend: Backend) -> None:
    async with people(backend) as at:
        opened = await at.opened()
        with pytest.raises(EtagMismatch):
            await at.vote(ADA, opened.name, binding=f"sha256-{'0' * 64}")
        assert (await at.vote(ADA, opened.name, binding=opened.binding_digest)).state is State.APPROVED


async def test_a_vote_repeated_by_its_request_id_is_one_vote(backend: Backend) -> None:
    async with people(backend) as at:
        same = at.mutation(ADA, request_id=REQUEST_ID, method="Approve", fingerprint=fingerprint_of(b"a"))
        name = (await at.opened(question(min_approvals=2))).name
        first = await at.vote(ADA, name, mutation=same)
        assert await at.vote(ADA, name, mutation=same) == first
        with pytest.raises(RequestIdReused):
            await at.vote(BOB, name, mutation=replace(same, principal=BOB.principal))


async def test_who_may_not_vote_is_told_and_changes_nothing(backend: Backend) -> None:
    async with people(backend) as at:
        name = (await at.opened()).name
        with pytest.raises(ApproverNotEligible, match="in none of group:oncall"):
            await at.vote(person("eve", "sales"), name)
        with pytest.raises(ApprovalNotFound):
            await at.vote(person("eve", "oncall", namespaces=frozenset({"sales"})), name)
        with pytest.raises(ApprovalNotFound):
            await at.vote(ADA, "approvals/none")
        assert at.named(name).votes == ()


async def test_one_namespace_cannot_fill_what_all_share(backend: Backend) -> None:
    async with people(backend, bounds=Bounds(open_of_one=9, open_of_namespace=2, open_in_all=9, kept=4)) as at:
        for each in range(2):
            await at.opened(question(did=f"did:web:{each}"))
        crowded = await at.put(question(did="did:web:3"))
        assert crowded.approval is None
        assert crowded.problem == "2 approvals for agents of namespaces/data wait already"
        await at.opened(question(agent="namespaces/sales/agents/clerk", did="did:web:clerk"))
        await at.cancel(ADMIN, next(iter(at.book.open)).name)
        await at.opened(question(did="did:web:3"))


async def test_one_agent_waits_for_so_many_and_all_of_them_for_so_many(backend: Backend) -> None:
    async with people(backend, bounds=Bounds(open_of_one=2, open_of_namespace=9, open_in_all=3, kept=4)) as at:
        for each in range(2):
            await at.opened(question(action=f"drop_{each}"))
        crowded = await at.put(question(action="drop_3"))
        assert crowded.approval is None
        assert "2 approvals for namespaces/data/agents/analyst wait" in crowded.problem
        await at.opened(question(did="did:web:other"))
        full = await at.put(question(did="did:web:another"))
        assert full.approval is None
        assert "3 approvals wait" in full.problem
        await at.cancel(ADMIN, next(iter(at.book.open)).name)
        await at.opened(question(did="did:web:another"))


async def test_who_said_yes_does_not_use_it(backend: Backend) -> None:
    async with people(backend) as at:
        name = (await at.opened()).name
        await at.vote(ADA, name)
        voter = asked("d", principal=ADA.principal)
        assert not (await at.put(by=voter)).yes
        assert at.named(name).state is State.APPROVED
        assert (await at.put()).yes


async def test_time_does_not_go_back_over_a_restart(backend: Backend) -> None:
    async with people(backend) as at:
        early = (await at.opened()).name
        at.clock.advance(HALF_AN_HOUR)
        await at.opened(question(action="drop_later"))
    at.clock.advance(Millis(-HALF_AN_HOUR))
    async with people(backend, clock=at.clock) as again:
        with pytest.raises(ApprovalNotPending, match="is expired"):
            await again.vote(ADA, early)


async def test_ended_ones_are_kept_to_be_looked_at_up_to_a_number(backend: Backend) -> None:
    async with people(backend, bounds=Bounds(open_of_one=9, open_of_namespace=9, open_in_all=9, kept=2)) as at:
        names = []
        for each in range(5):
            names.append((await at.opened(question(action=f"drop_{each}"))).name)
            at.clock.advance(Millis(1))
            await at.cancel(ADMIN, names[-1])
        assert at.book.named(names[0]) is None
        assert at.book.named(names[4]) is not None
        assert len(at.book) <= 4
        assert Change.DELETED in {event.change for event in at.events}


async def test_what_was_loaded_is_what_events_made(backend: Backend) -> None:
    async with people(backend) as at:
        name = (await at.opened(question(min_approvals=2, labels={"a": "b"}, chain=("did:web:o",)))).name
        await at.vote(ADA, name, comment="looks right")
        before = at.named(name)
        replayed = ApprovalBook()
        for event in at.events:
            replayed.apply(event)
        assert replayed.named(name) == before
        for event in at.events:
            replayed.apply(event)  # what was loaded may be ahead of the first events
        assert replayed.named(name) == before
    async with people(backend, clock=at.clock) as at:
        assert at.named(name) == before


async def test_two_replicas_use_one_approval_once(backend: Backend) -> None:
    if backend.kind != "postgres":
        return  # only a server is shared
    async with people(backend) as one, people(backend, clock=one.clock) as other:
        name = (await one.opened()).name
        await other.vote(ADA, name)
        said = await asyncio.gather(one.put(by=asked("a")), other.put(by=asked("b")))
        assert [each.yes for each in said].count(True) <= 1
        assert sum([each.yes for each in (*said, await one.put(), await other.put())]) == 1
