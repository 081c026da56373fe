"""What is not asked in vain, and what is not asked twice; also when the clock is set back."""

from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit.clock import Instant, Millis
from ringfence_pdp.classifiers.breaker import Breaker
from ringfence_pdp.classifiers.memory import Memory
from ringfence_pdp.classifiers.reply import Question, Reply
from ringfence_pdp.filters.finding import Argument

START = Instant(1_000_000)
GOOD = Reply([], "guard-1")


def broken(rest: int = 100) -> Breaker:
    breaker = Breaker(failures=2, rest=Millis(rest))
    for _ in range(2):
        assert breaker.lets_through(START)
        breaker.failed(START)
    return breaker


def test_an_answer_between_failures_begins_the_count_anew() -> None:
    breaker = Breaker(failures=2, rest=Millis(100))
    breaker.failed(START)
    breaker.answered()
    breaker.failed(START)
    assert breaker.lets_through(START)


def test_it_rests_until_its_time_is_over() -> None:
    breaker = broken()
    assert not breaker.lets_through(Instant(START + 99))
    assert breaker.lets_through(Instant(START + 100))


def test_a_failed_trial_rests_again() -> None:
    breaker = broken()
    later = Instant(START + 100)
    assert breaker.lets_through(later)
    breaker.failed(later)
    assert not breaker.lets_through(Instant(later + 99))
    assert breaker.lets_through(Instant(later + 100))


def test_a_clock_set_back_does_not_make_it_rest_for_long() -> None:
    assert broken().lets_through(Instant(START - 1))


@given(st.lists(st.tuples(st.integers(0, 300), st.booleans()), max_size=40))
def test_one_trial_at_a_time_and_never_stuck(steps: list[tuple[int, bool]]) -> None:
    breaker, now = broken(), START
    for passed, answers in steps:
        now = Instant(now + passed)
        if breaker.lets_through(now):
            assert not breaker.is_open or not breaker.lets_through(now)
            if answers:
                breaker.answered()
            else:
                breaker.failed(now)
    assert breaker.lets_through(Instant(now + 100))


def test_memory_is_bounded_and_the_longest_unused_goes_first() -> None:
    memory = Memory(entries=2, lasting=Millis(100))
    for key in (b"a", b"b"):
        memory.keep(key, GOOD, START)
    assert memory.recall(b"a", START) is GOOD
    memory.keep(b"c", GOOD, START)
    assert len(memory) == 2
    assert memory.recall(b"b", START) is None
    assert memory.recall(b"a", START) is GOOD


def test_what_was_remembered_later_than_now_is_not_believed() -> None:
    memory = Memory(entries=2, lasting=Millis(100))
    memory.keep(b"a", GOOD, START)
    assert memory.recall(b"a", Instant(START - 1)) is None


def test_nothing_is_kept_that_would_be_old_at_once() -> None:
    for memory in (Memory(entries=0, lasting=Millis(100)), Memory(entries=2, lasting=Millis(0))):
        memory.keep(b"a", GOOD, START)
        assert len(memory) == 0


pieces = st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), min_size=1, max_size=3)


@given(pieces, pieces, st.text(max_size=3), st.text(max_size=3))
def test_questions_share_a_digest_only_if_they_are_the_same(
    one: list[tuple[str, str]], other: list[tuple[str, str]], action: str, tool: str
) -> None:
    first = Question(tuple(Argument(pointer, text) for pointer, text in one), action, tool)
    second = Question(tuple(Argument(pointer, text) for pointer, text in other), action, tool)
    assert (first.digest == second.digest) == (first == second)
