"""Approvals: the state machine, who counts for which group, and what a digest stands for."""

from dataclasses import replace
from itertools import permutations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ringfence_kit import records
from ringfence_kit.clock import Instant, Millis
from ringfence_kit.events import Revision
from ringfence_pdp.approvals.approval import Approval, Question, State, Vote, enough, uncovered
from ringfence_pdp.approvals.binding import arguments_digest, binding_digest, question_key
from ringfence_pdp.approvals.log_entries import entries_of
from support.pdp.people import asked, question

START = Instant(1_767_225_600_000)
GROUPS = ("group:a", "group:b", "group:c")
PEOPLE = ("ada", "bob", "cyd", "dan", "eve")

memberships = st.fixed_dictionaries({name: st.sets(st.sampled_from(GROUPS)) for name in PEOPLE})


def opened(what: Question) -> Approval:
    ends = Instant(START + what.timeout)
    return Approval(
        name="approvals/1",
        question=what,
        question_key=question_key(what),
        asked=asked(),
        nonce="n",
        binding_digest=binding_digest(what, nonce="n", expires_at=ends),
        opened_at=START,
        expires_at=ends,
        revision=Revision(1),
    )


def voting(name: str, groups: set[str], *, approve: bool = True, at: Instant = START) -> Vote:
    return Vote(voter=name, approve=approve, comment="", at=at, groups=tuple(sorted(groups)))


@given(groups=st.sets(st.sampled_from(GROUPS)), people=memberships, voters=st.sets(st.sampled_from(PEOPLE)))
def test_every_group_has_a_person_of_its_own_exactly_when_there_is_a_way_to_seat_them(
    groups: set[str], people: dict[str, set[str]], voters: set[str]
) -> None:
    asked_groups = tuple(sorted(groups))
    votes = [voting(name, people[name]) for name in sorted(voters)]
    seatable = any(
        all(group in people[name] for group, name in zip(asked_groups, seated, strict=True))
        for seated in permutations(sorted(voters), len(asked_groups))
    )
    assert (uncovered(asked_groups, votes) == ()) is seatable


@given(
    people=memberships, voters=st.permutations(PEOPLE), least=st.integers(1, 4), groups=st.sets(st.sampled_from(GROUPS))
)
def test_another_yes_never_undoes_an_approval(
    people: dict[str, set[str]], voters: list[str], least: int, groups: set[str]
) -> None:
    held = opened(question(min_approvals=least, approver_groups=tuple(sorted(groups))))
    approved = False
    for name in voters:
        held = replace(held, votes=(*held.votes, voting(name, people[name])))
        assert enough(held) or not approved
        approved = enough(held)


@given(least=st.integers(1, 4), more=st.integers(0, 2), people=memberships, extra=st.sampled_from(GROUPS))
def test_asking_for_more_is_never_satisfied_by_less(
    least: int, more: int, people: dict[str, set[str]], extra: str
) -> None:
    votes = tuple(voting(name, groups) for name, groups in people.items())
    lax = replace(opened(question(min_approvals=least, approver_groups=("group:a",))), votes=votes)
    strict = replace(lax, question=question(min_approvals=least + more, approver_groups=("group:a", extra)))
    assert enough(lax) or not enough(strict)


texts = st.text(max_size=8)
CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "agent": texts,
    "did": texts,
    "chain": st.lists(texts, max_size=3).map(tuple),
    "environment": texts,
    "side": texts,
    "action": texts,
    "tool": texts,
    "tool_schema_hash": texts,
    "side_effects": texts,
    "protocol": texts,
    "target": texts,
    "target_did": texts,
    "resource_type": texts,
    "resource_id": texts,
    "resource_owner": texts,
    "resource_environment": texts,
    "data_class": texts,
    "labels": st.dictionaries(texts, texts, max_size=3),
    "arguments_digest": texts,
    "bundle_digest": texts,
    "min_approvals": st.integers(1, 9),
    "approver_groups": st.lists(texts, max_size=3).map(tuple),
    "timeout": st.integers(1, 10**6).map(Millis),
    "deny_ends": st.booleans(),
    "gateway_digest": texts,
}


def test_every_part_of_a_question_is_bound() -> None:
    assert set(CHANGES) == {*Question.__dataclass_fields__}


@given(data=st.data(), part=st.sampled_from(sorted(CHANGES)))
def test_another_question_has_another_key_and_the_same_one_the_same(data: st.DataObject, part: str) -> None:
    one = question(**{part: data.draw(CHANGES[part])})
    other = replace(one, **{part: data.draw(CHANGES[part])})
    assert (question_key(one) == question_key(other)) is (one == other)
    assert question_key(records.decode(records.encode(one), Question)) == question_key(one)


@given(nonces=st.tuples(texts, texts), ends=st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_two_approvals_of_one_question_are_voted_on_apart(nonces: tuple[str, str], ends: tuple[int, int]) -> None:
    one, other = (
        binding_digest(question(), nonce=nonce, expires_at=Instant(end))
        for nonce, end in zip(nonces, ends, strict=True)
    )
    assert (one == other) is (nonces[0] == nonces[1] and ends[0] == ends[1])


json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(arguments=st.dictionaries(texts, json, max_size=4), order=st.randoms())
def test_the_order_of_arguments_leaves_no_trace_in_their_digest(arguments: dict[str, Any], order: Any) -> None:
    names = list(arguments)
    order.shuffle(names)
    assert arguments_digest({name: arguments[name] for name in names}) == arguments_digest(arguments)


class Life(RuleBasedStateMachine):
    """An approval's life: votes, cancelling, using and time, in any order, against what must hold of it."""

    @initialize(
        least=st.integers(1, 3),
        groups=st.sets(st.sampled_from(GROUPS[:2])),
        deny_ends=st.booleans(),
        people=memberships,
    )
    def begin(self, least: int, groups: set[str], deny_ends: bool, people: dict[str, set[str]]) -> None:
        self.people = people
        needed = {"min_approvals": least, "approver_groups": tuple(sorted(groups)), "deny_ends": deny_ends}
        self.held = opened(question(**needed, timeout=Millis(10_000)))
        self.now = START
        self.seen: list[Approval] = [self.held]
        self.uses = 0

    @rule(later=st.integers(0, 4_000))
    def wait(self, later: int) -> None:
        self.now = Instant(self.now + later)
        self._take(self.held.at(self.now))

    @precondition(lambda self: self.held.state is State.PENDING)
    @rule(name=st.sampled_from(PEOPLE), approve=st.booleans())
    def vote(self, name: str, approve: bool) -> None:
        if self.held.vote_of(name) is None:
            self._take(self.held.voted(voting(name, self.people[name], approve=approve, at=self.now)))

    @precondition(lambda self: self.held.state.is_open)
    @rule()
    def cancel(self) -> None:
        self._take(self.held.cancelled(self.now, "not needed"))

    @precondition(lambda self: self.held.state is State.APPROVED)
    @rule()
    def use(self) -> None:
        self.uses += 1
        self._take(self.held.used(f"d-{self.uses}", self.now))

    def _take(self, after: Approval) -> None:
        before = self.held
        assert before.state.is_open or after == before  # nothing leads out of an end
        assert after.votes[: len(before.votes)] == before.votes
        told = entries_of(before)
        assert entries_of(after)[: len(told)] == told  # what was logged stays true
        self.held = after
        self.seen.append(after)

    @invariant()
    def what_must_hold(self) -> None:
        held: Approval = self.held
        states = [one.state for one in self.seen]
        assert self.uses <= 1
        assert (held.ended_at is None) is held.state.is_open
        if State.APPROVED in states or State.USED in states:
            assert enough(held)
        if held.state is State.USED:
            assert State.APPROVED in states
            assert held.used_by
        if held.state is State.PENDING:
            assert not enough(held)
            assert self.now < held.expires_at
        if held.state is State.DENIED:
            denials = [vote for vote in held.votes if not vote.approve]
            assert denials
            assert held.question.deny_ends or len(denials) >= held.question.min_approvals
        assert len({vote.voter for vote in held.votes}) == len(held.votes)
        assert records.decode(records.encode(held), Approval) == held


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
