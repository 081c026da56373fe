"""Records: what can be stored, and what happens to bytes that are none."""

import enum
from dataclasses import dataclass

import pytest
from ringfence_kit import records
from ringfence_kit.records import RecordUnreadable


class Tier(enum.Enum):
    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    name: str
    tier: Tier
    owner: Owner | None = None
    card: bytes = b""
    tools: tuple[str, ...] = ()
    labels: dict[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLater:
    """`Agent` as a later release knows it."""

    name: str
    region: str = "eu"


def test_a_record_is_json() -> None:
    assert records.encode(Agent(name="a", tier=Tier.HIGH, card=b"\x00\xff")) == (
        b'{"name":"a","tier":"high","owner":null,"card":"AP8=","tools":[],"labels":null}'
    )


def test_the_order_things_were_put_in_does_not_show() -> None:
    one = Agent(name="a", tier=Tier.LOW, labels={"x": "1", "y": "2"})
    other = Agent(name="a", tier=Tier.LOW, labels={"y": "2", "x": "1"})
    assert records.encode(one) == records.encode(other)


def test_a_later_release_reads_an_earlier_record_and_the_other_way_round() -> None:
    assert records.decode(records.encode(Agent(name="a", tier=Tier.LOW)), AgentLater) == AgentLater(name="a")
    with pytest.raises(RecordUnreadable):
        # A field without a default cannot be made up.
        records.decode(records.encode(AgentLater(name="a")), Agent)


@pytest.mark.parametrize("value", [None, 0, "text", b"\xff", (1, "a"), Tier.LOW, 2**63 - 1])
def test_results_of_plain_types_come_back(value: object) -> None:
    kind = tuple[int, str] if isinstance(value, tuple) else type(value)
    assert records.decode(records.encode(value), kind) == value


@pytest.mark.parametrize(
    "damaged", [b"", b"{", b"null", b'{"name":1,"tier":"low"}', b'{"name":"a","tier":"?"}', b"\xff\xfe", b'"\xff"']
)
def test_damage_is_named_and_never_guessed_at(damaged: bytes) -> None:
    with pytest.raises(RecordUnreadable, match="cannot be read as Agent") as raised:
        records.decode(damaged, Agent)
    assert raised.value.wanted == "Agent"


def test_what_cannot_be_stored_is_refused_when_it_is_written() -> None:
    with pytest.raises(TypeError):
        records.encode(object())
