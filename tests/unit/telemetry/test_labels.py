"""A reporter may bring so many names a day, and a namespace so many series, and no more."""

from collections.abc import Iterable

import pytest
from ringfence_kit.clock import DAY, Instant
from ringfence_telemetry.labels import OVERFLOW, Label, LabelBook, LabelKind, LabelLimits
from ringfence_telemetry.reporters import Binding, Reporter
from ringfence_telemetry.spans import SpanDetail, SpanFact, ToolCall
from support.telemetry.spans import NOW

ANYONE = Binding(Reporter(principal="collector", speaks_for_all=True))
AGENT = Binding(Reporter(principal="did:web:a", agents=("did:web:a",)))
GATEWAY = Binding(Reporter(principal="gateway", agents=("did:web:a", "did:web:b")))
LIMITS = LabelLimits(agents=2, sessions=3, models=1)


def fact(agent: str = "", session: str = "", model: str = "", detail: SpanDetail | None = None) -> SpanFact:
    return SpanFact(1, 0, 0, 0, 0, "chat", agent, session, model, (0, 0, 0, 0, 0), False, ToolCall.NONE, False, detail)


def names_of(labels: Iterable[Label]) -> list[Label]:
    return [label for label in labels if label.kind is not LabelKind.SERIES]


def named(book: LabelBook, agent: str, binding: Binding = ANYONE, *, at: int = NOW) -> tuple[str, bool]:
    found, trusted = book.naming(binding, received_at=Instant(at)).name(fact(agent))
    return found.agent, trusted


def name(book: LabelBook, found: SpanFact, binding: Binding = ANYONE, *, at: int = NOW) -> SpanFact:
    return book.naming(binding, received_at=Instant(at)).name(found)[0]


def test_names_within_the_limit_are_kept_and_the_rest_folded() -> None:
    book = LabelBook(LIMITS)
    assert [named(book, name)[0] for name in ("a", "b", "c", "a", "d")] == ["a", "b", OVERFLOW, "a", OVERFLOW]
    assert book.overflowed == 2


def test_no_name_needs_no_room() -> None:
    book = LabelBook(LabelLimits(agents=0, sessions=0, models=0))
    assert name(book, fact()) == fact()


def test_kinds_reporters_and_days_are_counted_apart() -> None:
    book = LabelBook(LIMITS)
    assert name(book, fact("a", "s1", "m1")) == fact("a", "s1", "m1")
    assert name(book, fact("a", "s1", "m2")) == fact("a", "s1", OVERFLOW)
    other = Binding(Reporter(principal="other", speaks_for_all=True))
    assert name(book, fact(model="m2"), other).model == "m2"
    assert name(book, fact(model="m2"), at=NOW + DAY).model == "m2"


def test_an_agent_a_reporter_is_bound_to_is_never_folded() -> None:
    book = LabelBook(LabelLimits(agents=0, sessions=0, models=0))
    assert named(book, "did:web:a", AGENT) == ("did:web:a", True)
    assert named(book, "planner", AGENT) == ("did:web:a", True)


def test_what_a_reporter_may_not_say_stays_disbelieved_when_folded() -> None:
    book = LabelBook(LabelLimits(agents=0, sessions=0, models=0))
    assert named(book, "did:web:victim", AGENT) == (OVERFLOW, False)
    assert named(book, "planner", GATEWAY) == (OVERFLOW, False)


def test_a_million_names_take_the_room_of_the_limit() -> None:
    book = LabelBook(LabelLimits(agents=100, sessions=100, models=100, series=50))
    for number in range(20_000):
        name(book, fact(f"agent {number}", f"session {number}", f"model {number}"))
    assert sum(len(labels) for labels in book._admitted.values()) == 350
    assert len(book.take_fresh()) == 350


def test_fresh_names_are_given_once() -> None:
    book = LabelBook(LIMITS)
    named(book, "a")
    assert names_of(book.take_fresh()) == [Label(NOW // DAY, LabelKind.AGENT, "collector", "a")]
    named(book, "a")
    assert book.take_fresh() == []


def test_a_restored_book_folds_the_same_names() -> None:
    before = LabelBook(LIMITS)
    for name in ("a", "b", "c"):
        named(before, name)
    after = LabelBook(LIMITS)
    named(after, "lost")
    after.restore(before.take_fresh())
    assert [named(after, name)[0] for name in ("c", "b", "a", "lost")] == [OVERFLOW, "b", "a", OVERFLOW]
    assert after.take_fresh() == []


def test_days_gone_by_are_dropped() -> None:
    book = LabelBook(LIMITS)
    for day in range(5):
        named(book, "a", at=NOW + day * DAY)
    book.forget_before(Instant(NOW + 4 * DAY))
    assert {key[0] for key in book._admitted} == {NOW // DAY + 3, NOW // DAY + 4}


@pytest.mark.parametrize("kind", ["tool", "team", "skill"])
def test_names_in_details_are_counted_too(kind: str) -> None:
    book = LabelBook(LabelLimits(tools=1, teams=1, skills=1))
    details = [SpanDetail(**{kind: label}) for label in ("a", "b")]  # type: ignore[arg-type] # all three are texts
    kept = [name(book, fact(detail=detail)).detail for detail in details]
    assert kept == [details[0], SpanDetail(**{kind: OVERFLOW})]  # type: ignore[arg-type] # as above
    assert book.overflowed == 1


def test_series_beyond_the_limit_of_a_namespace_share_one() -> None:
    book = LabelBook(LabelLimits(series=3))
    found = [
        name(book, fact(f"namespaces/shop/agents/a{number}", model="m", detail=SpanDetail(tool=f"t{number}", team="x")))
        for number in range(6)
    ]
    assert len({(each.agent, each.model, each.detail) for each in found}) == 4
    assert found[5] == fact(OVERFLOW, model=OVERFLOW, detail=SpanDetail(tool=OVERFLOW, team=OVERFLOW))
    assert book.series_overflowed == 3
    other = name(book, fact("namespaces/bank/agents/a", model="m"))
    assert other.agent == "namespaces/bank/agents/a"


def test_a_reporter_s_own_agent_keeps_its_name_in_the_one_series() -> None:
    book = LabelBook(LabelLimits(series=1))
    for model in ("m1", "m2", "m3"):
        found = name(book, fact("did:web:a", model=model), AGENT)
        assert (found.agent, found.model) == ("did:web:a", "m1" if model == "m1" else OVERFLOW)


def test_series_are_folded_the_same_after_a_restart() -> None:
    before = LabelBook(LabelLimits(series=2))
    models = ("m1", "m2", "m3")
    folded = [name(before, fact("a", model=model)) for model in models]
    after = LabelBook(LabelLimits(series=2))
    after.restore(before.take_fresh())
    assert [name(after, fact("a", model=model)) for model in reversed(models)] == folded[::-1]


def test_every_folded_span_is_counted_though_it_was_decided_before() -> None:
    book = LabelBook(LabelLimits(models=1, sessions=1))
    name(book, fact(model="m1", session="s1"))
    for _ in range(3):
        name(book, fact(model="m2", session="s2"))
    assert book.overflowed == 6
