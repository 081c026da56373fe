"""Breakers, whatever happens to them."""

from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit.clock import SECOND, Instant
from ringfence_telemetry.breakers.book import BreakerBook
from ringfence_telemetry.breakers.machine import (
    CALLS_LEAST,
    OPEN_FIRST,
    OPEN_MOST,
    Breaker,
    Circuit,
    CircuitMachine,
    Override,
    most_open,
)
from ringfence_telemetry.health_window import AgentCall

START = Instant(1_000_000_000)
SKILL = "quote"

steps = st.lists(st.tuples(st.integers(0, 90_000), st.booleans(), st.booleans()), max_size=120)


@given(steps)
def test_what_may_happen_to_one(found: list[tuple[int, bool, bool]]) -> None:
    machine = CircuitMachine(Breaker(agent="a", skill=SKILL))
    at, failures = START, 0
    for pause, failed, slow in found:
        at = Instant(at + pause)
        before = machine.breaker
        machine.pass_time(at)
        waiting = machine.breaker
        if before.state is Circuit.OPEN and waiting.state is not Circuit.OPEN:
            assert before.retry_at is not None
            assert waiting.state is Circuit.HALF_OPEN
            assert at >= before.retry_at
        machine.saw(at=at, failed=failed, slow=slow)
        after = machine.breaker
        failures = failures + 1 if failed else 0
        assert (after.retry_at is not None) == (after.state is Circuit.OPEN)
        if after.state is Circuit.OPEN and waiting.state is not Circuit.OPEN:
            assert after.retry_at is not None
            assert OPEN_FIRST <= after.retry_at - at <= OPEN_MOST
            assert after.opened == waiting.opened + 1
        if after.state is not waiting.state:
            assert after.version == waiting.version + 1
        if waiting.state is Circuit.CLOSED and not failed and not slow:
            assert failures == 0


@given(steps)
def test_good_calls_never_open_it(found: list[tuple[int, bool, bool]]) -> None:
    machine, at = CircuitMachine(Breaker(agent="a", skill=SKILL)), START
    for pause, _, _ in found:
        at = Instant(at + pause)
        machine.saw(at=at, failed=False, slow=False)
        assert machine.breaker.version == 0


@given(st.lists(st.booleans(), max_size=CALLS_LEAST - 1))
def test_few_calls_open_it_only_when_five_in_a_row_failed(found: list[bool]) -> None:
    machine = CircuitMachine(Breaker(agent="a", skill=SKILL))
    for number, failed in enumerate(found):
        machine.saw(at=Instant(START + number), failed=failed, slow=True)
    text = "".join("F" if failed else "S" for failed in found)
    assert (machine.breaker.state is Circuit.OPEN) == ("FFFFF" in text)


calls = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20_000), st.booleans()), max_size=250)


@given(calls, st.integers(1, 6))
def test_half_of_a_skills_agents_stay(found: list[tuple[int, int, bool]], agents: int) -> None:
    book, at = BreakerBook(slow_after=lambda agent, skill: None), START  # noqa: ARG005 - nobody promised a time
    book.saw([AgentCall(f"agent-{each}", "", at, 1, False, SKILL) for each in range(agents)])
    for agent, pause, failed in found:
        at = Instant(at + pause)
        call = AgentCall(f"agent-{agent % agents}", "", at, 1, failed, SKILL)
        book.pass_time(at)
        book.saw([call] * 3)
        is_open = sum(breaker.shown is not Circuit.CLOSED for breaker in book.all())
        assert is_open <= most_open(max(agents, len(book.all())))


def test_the_only_agent_of_a_skill_stays_and_one_without_a_skill_does_not() -> None:
    book = BreakerBook(slow_after=lambda agent, skill: None)  # noqa: ARG005 - nobody promised a time
    book.saw([AgentCall("a", "", START, 1, True, skill) for _ in range(30) for skill in ("", SKILL)])
    assert [(breaker.skill, breaker.state) for breaker in book.all()] == [("", Circuit.OPEN), (SKILL, Circuit.CLOSED)]


def test_what_a_person_says_holds() -> None:
    book = BreakerBook(slow_after=lambda agent, skill: None)  # noqa: ARG005 - nobody promised a time
    forced = Breaker(agent="a", skill=SKILL).overridden(Override.FORCED_OPEN, reason="a fire", at=START)
    book.fill([forced])
    later = Instant(START + 3_600 * SECOND)
    book.pass_time(later)
    book.saw([AgentCall("a", "", later, 1, False, SKILL)] * 50)
    (breaker,) = book.all()
    assert (breaker.shown, breaker.override) == (Circuit.OPEN, Override.FORCED_OPEN)
    disabled = breaker.overridden(Override.DISABLED, reason="it is wrong", at=later)
    book.fill([disabled])
    book.saw([AgentCall("a", "", later, 1, True, "")] * 50)
    assert book.breaker("a", SKILL) == disabled
    assert disabled.shown is Circuit.CLOSED


def test_of_two_versions_the_higher_is_the_truth() -> None:
    book = BreakerBook(slow_after=lambda agent, skill: None)  # noqa: ARG005 - nobody promised a time
    newer = Breaker(agent="a", skill=SKILL, state=Circuit.HALF_OPEN, version=4)
    book.fill([newer, Breaker(agent="a", skill=SKILL, state=Circuit.OPEN, retry_at=START, version=3)])
    assert book.breaker("a", SKILL) == newer


def test_breakers_are_bounded_and_forgotten() -> None:
    book = BreakerBook(slow_after=lambda agent, skill: None, breakers_max=3)  # noqa: ARG005 - nobody promised a time
    book.saw([AgentCall(f"agent-{each}", "", START, 1, False, SKILL) for each in range(10)])
    assert len(book.all()) == 3
    book.pass_time(Instant(START + 600 * SECOND))
    assert book.all() == []
