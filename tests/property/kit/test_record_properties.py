"""Records: every value comes back, and equal values give equal bytes."""

from contextlib import suppress
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit import records
from ringfence_kit.records import RecordUnreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    text: str
    number: int
    raw: bytes
    maybe: int | None
    many: tuple[str, ...]
    named: dict[str, int]


numbers = st.integers(-(2**63), 2**63 - 1)
things = st.builds(
    Thing,
    text=st.text(),
    number=numbers,
    raw=st.binary(),
    maybe=st.none() | numbers,
    many=st.lists(st.text()).map(tuple),
    named=st.dictionaries(st.text(), numbers),
)


@given(things)
def test_every_thing_comes_back(thing: Thing) -> None:
    assert records.decode(records.encode(thing), Thing) == thing


@given(things)
def test_equal_things_have_equal_bytes(thing: Thing) -> None:
    shuffled = Thing(
        text=thing.text,
        number=thing.number,
        raw=thing.raw,
        maybe=thing.maybe,
        many=thing.many,
        named=dict(reversed(thing.named.items())),
    )
    assert records.encode(shuffled) == records.encode(thing)


@given(st.binary())
def test_bytes_are_read_or_refused_and_nothing_else(junk: bytes) -> None:
    with suppress(RecordUnreadable):
        assert isinstance(records.decode(junk, Thing), Thing)
