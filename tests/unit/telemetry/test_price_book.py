"""Which price a call is charged by, and what it comes to."""

import pytest
from ringfence_kit.clock import MINUTE, Instant
from ringfence_kit.events import EMPTY, Revision
from ringfence_telemetry.attribute_values import TOKENS_MAX
from ringfence_telemetry.prices.book import KnownPrice, PriceBook, Prices
from ringfence_telemetry.prices.price import MILLION, PRICE_MAX, Price, names_of


def price(model: str, since: int = 0, *, provider: str = "", input_nanos: int = 1, **changes: int | None) -> Price:
    """Return a price that holds from a minute on; what it is tells which one was found."""
    return Price(
        model=model,
        provider=provider,
        effective_at=Instant(since * MINUTE),
        currency="USD",
        input_nanos=input_nanos,
        **changes,  # type: ignore[arg-type] # other amounts of it
    )


PRICES = Prices(
    Revision(9),
    [
        price("gpt-*", input_nanos=1),
        price("gpt-4*", 5, input_nanos=2),
        price("gpt-4o", 10, input_nanos=3),
        price("gpt-4o", 10, provider="azure", input_nanos=4),
        price("gpt-4o", 20, input_nanos=5),
        price("*", 30, input_nanos=6),
    ],
)


@pytest.mark.parametrize(
    ("model", "provider", "minute", "found"),
    [
        ("gpt-4o", "openai", 0, 1),
        ("gpt-4o", "openai", 5, 2),
        ("gpt-4o", "openai", 10, 3),
        ("gpt-4o", "azure", 25, 4),
        ("gpt-4o", "", 19, 3),
        ("gpt-4o", "openai", 20, 5),
        ("gpt-4o-mini", "openai", 99, 2),
        ("gpt-", "openai", 3, 1),
        ("GPT-4o", "openai", 20, None),
        ("other", "openai", 29, None),
        ("other", "openai", 30, 6),
        ("", "openai", 99, None),
    ],
)
def test_the_longest_match_that_holds_counts(model: str, provider: str, minute: int, found: int | None) -> None:
    for _ in range(2):  # looked for, and remembered
        chosen = PRICES.price(model, provider, minute)
        assert (None if chosen is None else chosen.input_nanos) == found


def test_a_price_holds_from_the_first_whole_minute_on() -> None:
    late = Price(model="m", effective_at=Instant(MINUTE + 1), currency="USD")
    prices = Prices(Revision(1), [late])
    assert prices.price("m", "", 1) is None
    assert prices.price("m", "", 2) is late


def test_a_book_remembers_what_it_was() -> None:
    book = PriceBook()
    assert book.newest.revision == EMPTY
    first, second = price("m", input_nanos=1), price("m", 5, input_nanos=2)
    book.learn([KnownPrice(Revision(3), first), KnownPrice(Revision(8), second)])
    book.learn([KnownPrice(Revision(3), first)])
    assert book.newest.revision == 8
    assert book.newest.price("m", "", 9) == second
    assert book.as_of(Revision(3)).price("m", "", 9) == first
    assert book.as_of(EMPTY).price("m", "", 9) is None


@pytest.mark.parametrize(
    ("tokens", "nanos"),
    [
        ((MILLION, 0, 0, 0, 0), 3_000),
        ((MILLION, MILLION, 0, 0, MILLION), 18_000),  # reasoning is output
        ((MILLION, 0, MILLION, 0, 0), 300),
        ((MILLION, 0, 400_000, 600_000, 0), 120 + 6_000),
        ((10, 0, 400_000, 600_000, 0), 120 + 6_000),  # more cached than input: it is not paid back
        ((166, 0, 0, 0, 0), 0),
        ((167, 0, 0, 0, 0), 1),  # half of a billionth is one
        ((0, 0, 0, 0, 0), 0),
    ],
)
def test_what_tokens_cost(tokens: tuple[int, int, int, int, int], nanos: int) -> None:
    known = price("m", input_nanos=3_000, output_nanos=15_000, cache_read_nanos=300, cache_write_nanos=10_000)
    assert known.of(tokens) == nanos


def test_what_is_not_said_of_a_cache_costs_what_input_does() -> None:
    assert price("m", input_nanos=3_000).of((MILLION, 0, 300_000, 500_000, 0)) == 3_000
    assert price("m", input_nanos=3_000, cache_read_nanos=0).of((MILLION, 0, 300_000, 0, 0)) == 2_100


def test_the_dearest_call_is_inside_64_bits() -> None:
    dear = price("m", input_nanos=PRICE_MAX, output_nanos=PRICE_MAX)
    assert dear.of((TOKENS_MAX, TOKENS_MAX, 0, 0, 0)) < 2**63


def test_the_names_a_price_may_stand_under() -> None:
    assert names_of("ab") == {"ab", "*", "a*", "ab*"}
    assert names_of("") == frozenset()
    assert all(price(name).is_for("ab") for name in names_of("ab"))
    assert not price("b*").is_for("ab")
