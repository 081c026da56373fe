"""Conditions that look back over a session: what counts as known, and that what is not known opens nothing."""

import pytest
from ringfence_kit.clock import DAY, HOUR, MINUTE, SECOND, Instant, Millis
from ringfence_pdp.cel.problems import EvaluationError
from ringfence_pdp.errors import BundleInvalid
from ringfence_pdp.history import Event, History
from ringfence_pdp.model import Effect, Resource
from ringfence_pdp.session_log import EVENTS_MAX, KEPT_FOR, MemorySessionLog, SessionKey
from support.pdp.desk import ADMIN, Desk
from support.pdp.world import NOW, ask, bundle, policy

NANOS = 1_000_000
KEY = SessionKey("prod", "did:x", "s1")


def event(
    at: int, action: str = "read_x", *, tool: str | None = None, id_: str | None = None, **numbers: float
) -> Event:
    return Event(Instant(at), action, tool, "table", id_, numbers)


def looking(*events: Event, since: int = NOW - HOUR) -> History:
    return History(events, Instant(since), Instant(NOW))


def test_what_happened_within_the_time_counts_and_nothing_else() -> None:
    history = looking(event(NOW - 61_000), event(NOW - 60_000), event(NOW - 1, "delete_x"), event(NOW, "read_y"))
    assert history.count_within("read_*", 60_000 * NANOS) == 2
    assert history.count_within("*", 60_000 * NANOS) == 3
    assert history.formerly("delete_*", 60_000 * NANOS)
    assert not history.formerly("write_*", 60_000 * NANOS)


def test_numbers_add_up_and_a_missing_one_is_an_error() -> None:
    history = looking(event(NOW, "pay", amount=2.5), event(NOW, "pay", amount=4.0), event(NOW, "pay_all"))
    assert history.sum_within("pay", "amount", MINUTE * NANOS) == 6.5
    with pytest.raises(EvaluationError, match="pay_all happened in this session without a number 'amount'"):
        history.sum_within("pay*", "amount", MINUTE * NANOS)


def test_different_ones_are_counted_once() -> None:
    history = looking(event(NOW, id_="a"), event(NOW, id_="b"), event(NOW, id_="a", tool="t"))
    assert history.distinct_within("*", "resource.id", MINUTE * NANOS) == 2
    assert history.distinct_within("*", "tool", MINUTE * NANOS) == 2
    with pytest.raises(EvaluationError, match="none of action, tool"):
        history.distinct_within("*", "did", MINUTE * NANOS)


@pytest.mark.parametrize("within", [HOUR + 1, DAY, -1])
def test_what_is_not_wholly_known_is_an_error(within: int) -> None:
    with pytest.raises(EvaluationError, match="is known for the last 3600 s only"):
        looking().count_within("*", within * NANOS)
    assert looking().count_within("*", HOUR * NANOS) == 0


def test_the_log_knows_what_it_forgot() -> None:
    log = MemorySessionLog(Instant(0), events_max=3)
    for place in range(5):
        log.record(KEY, event(1_000 * place))
    history = log.history(KEY, Instant(5_000))
    assert [one.at for one in history.events] == [2_000, 3_000, 4_000]
    assert history.known_since == 1_001
    assert log.history(KEY._replace(session="s2"), Instant(5_000)).known_since == 0


def test_a_session_that_is_forgotten_makes_every_unknown_one_unknown() -> None:
    log = MemorySessionLog(Instant(0), sessions_max=2)
    for place in range(3):
        log.record(KEY._replace(session=f"s{place}"), event(1_000 * place + 7))
    assert log.history(KEY._replace(session="s0"), Instant(9_000)).known_since == 8
    assert log.history(KEY._replace(session="s1"), Instant(9_000)).known_since == 0


def test_nothing_is_kept_longer_than_said() -> None:
    log = MemorySessionLog(Instant(0))
    log.record(KEY, event(1))
    log.record(KEY, event(2 + KEPT_FOR))
    assert [one.at for one in log.history(KEY, Instant(3 + KEPT_FOR)).events] == [2 + KEPT_FOR]
    assert log.history(KEY, Instant(5 * KEPT_FOR)).known_since == 4 * KEPT_FOR
    assert EVENTS_MAX == 1_000


READS = "{name: reads, match: {actions: ['read_*', 'write_*']}, effect: ALLOW}"
AFTER = (
    "{name: no-writing-after-pii, match: {actions: ['write_*']}, effect: DENY, "
    "when: \"session.formerly('read_pii*', duration('10m'))\"}"
)


def effects(desk: Desk, *actions: str, session: str | None = "s1") -> list[str]:
    return [desk.check(ask(action, session=session)).decision.reason.name for action in actions]


def deciding(*rules: str) -> Desk:
    desk = Desk()
    desk.let_decide(policy(*rules))
    desk.check(ask(session="other"))
    return desk


async def test_a_denial_that_looks_back() -> None:
    desk = deciding(READS, AFTER)
    desk.clock.advance(Millis(10 * MINUTE))
    assert effects(desk, "write_x", "read_pii_table", "write_x") == ["ALLOWED", "ALLOWED", "RULE_DENIED"]
    assert effects(desk, "write_x", session="s2") == ["ALLOWED"]
    desk.clock.advance(Millis(10 * MINUTE + 1))
    assert effects(desk, "write_x") == ["ALLOWED"]


async def test_a_history_that_is_not_known_permits_nothing_and_keeps_no_denial_quiet() -> None:
    desk = deciding(READS, AFTER)
    assert effects(desk, "read_x", "write_x") == ["ALLOWED", "RULE_ERROR"]
    permitting = deciding(
        "{name: calm, match: {actions: ['*']}, effect: ALLOW, when: \"session.count_within('*', duration('1m')) < 2\"}"
    )
    assert effects(permitting, "read_x") == ["NO_MATCH"]
    permitting.clock.advance(Millis(MINUTE))
    assert effects(permitting, "read_x", "read_x", "read_x") == ["ALLOWED", "ALLOWED", "NO_MATCH"]


async def test_without_a_session_there_is_no_history() -> None:
    desk = deciding(READS, AFTER)
    desk.clock.advance(Millis(HOUR))
    assert effects(desk, "write_x", session=None) == ["RULE_ERROR"]


async def test_what_was_denied_did_not_happen() -> None:
    desk = deciding(READS, AFTER, "{name: wall, match: {actions: [read_pii_wall]}, effect: DENY}")
    desk.clock.advance(Millis(HOUR))
    assert effects(desk, "read_pii_wall", "write_x") == ["RULE_DENIED", "ALLOWED"]


async def test_explaining_looks_back_and_leaves_no_trace() -> None:
    desk = deciding(READS, AFTER)
    desk.clock.advance(Millis(HOUR))
    _, explained = desk.decisions.sitting().explain(ask("read_pii", session="s1"), ADMIN)
    assert explained.decision.effect is Effect.ALLOW
    assert effects(desk, "write_x") == ["ALLOWED"]


async def test_policies_that_begin_to_ask_know_nothing_of_before() -> None:
    desk = Desk()
    desk.let_decide(policy(READS))
    desk.clock.advance(Millis(HOUR))
    assert effects(desk, "read_pii") == ["ALLOWED"]
    desk.let_decide(policy(READS, AFTER))
    assert effects(desk, "write_x") == ["RULE_ERROR"]


async def test_an_answer_that_looked_back_is_not_used_again() -> None:
    desk = deciding(READS, AFTER)
    desk.clock.advance(Millis(HOUR))
    desk.agents.age = Millis(SECOND)
    assert desk.check(ask("write_x", session="s1")).cache is None
    assert desk.check(ask("read_x", session="s1")).cache is not None


async def test_numbers_and_objects_of_calls_are_kept() -> None:
    desk = deciding(
        "{name: pays, match: {actions: [write_payment]}, effect: ALLOW, when: "
        "\"session.sum_within('write_payment', 'amount', duration('1h')) + args.amount <= 100.0 && "
        "session.distinct_within('write_payment', 'resource.id', duration('1h')) < 2\"}"
    )
    desk.clock.advance(Millis(HOUR))

    def pay(amount: float, to: str) -> str:
        asked = ask("write_payment", session="s", arguments={"amount": amount}, resource=Resource(id=to))
        return desk.check(asked).decision.reason.name

    assert [pay(60.0, "a"), pay(41.0, "a"), pay(40.0, "b"), pay(0.0, "c")] == [
        "ALLOWED",
        "NO_MATCH",
        "ALLOWED",
        "NO_MATCH",
    ]


@pytest.mark.parametrize(
    "when",
    [
        "session == session",
        "session",
        "has(session)",
        "session.count_within('read_*') > 1",
        "session.count_within('read_*', 60) > 1",
        "session.formerly(5, duration('1m'))",
        "args.x == session",
    ],
)
def test_a_session_can_only_be_asked(when: str) -> None:
    with pytest.raises(BundleInvalid):
        bundle(policy(f"{{name: r, match: {{actions: ['*']}}, effect: DENY, when: \"{when}\"}}"))
