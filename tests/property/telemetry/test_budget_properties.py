"""Budgets and alerts against naive oracles: any order and batching of usage, any history of alerts, any hours."""

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_kit.clock import DAY, EPOCH, HOUR, MINUTE, Instant, ManualClock, Millis
from ringfence_telemetry.alerts.alert import AlertEventType, AlertQuery
from ringfence_telemetry.alerts.book import fire, resolve
from ringfence_telemetry.alerts.draft import AlertDraft, AlertKind
from ringfence_telemetry.budgets.anomaly import HOURS_LEAST, Rise
from ringfence_telemetry.budgets.budget import WHOLE, Scope
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.usage import UNATTRIBUTED, Counts, UsageKey
from support.backends import Backend
from support.telemetry.opened import BY_TELEMETRY, opened_store
from support.telemetry.spans import NOW
from support.telemetry.spending import TODAY, budget, kept, spent, standing, used

AGENTS = st.sampled_from(["a", "b"])
TOKENS = st.integers(-50, 120)
TIMES = st.sampled_from([Instant(TODAY - MINUTE), TODAY, NOW, Instant(TODAY + DAY)])
USES = st.lists(st.tuples(AGENTS, TOKENS, TIMES), max_size=12)


def uses_of(rows: Iterable[tuple[str, int, Instant]]) -> list[tuple[UsageKey, Counts]]:
    return [used(tokens, agent=agent, at=at) for agent, tokens, at in rows]


@settings(max_examples=40)
@given(rows=USES, data=st.data())
async def test_any_order_and_batching_spends_the_same_whenever_the_budget_is_set(
    rows: list[tuple[str, int, Instant]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(rows))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    set_after = data.draw(st.integers(0, len(cuts) + 1))
    of = budget(soft_levels=(500_000,))
    batches = [shuffled[start:end] for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    async with opened_store(Backend(kind="memory"), clock=ManualClock()) as opened:
        for number, batch in enumerate(batches):
            if number == set_after:
                await kept(opened, of)
            await spent(opened, *uses_of(batch))
        if set_after >= len(batches):
            await kept(opened, of)
        today = Counter[str]()
        for agent, tokens, at in rows:
            today[agent] += tokens if TODAY <= at < TODAY + DAY else 0
        found = {each.subject: each for each in await standing(opened, of)}
        assert {agent: each.spent for agent, each in found.items() if each.spent} == {
            agent: tokens for agent, tokens in today.items() if tokens
        }
        firing = await opened.store.alerts(AlertQuery(firing_only=True, limit=100))
        raised = {(alert.agent, round(float(alert.evidence["level"]) * WHOLE)) for alert in firing}
        assert raised == {
            (agent, level) for agent, tokens in today.items() for level in of.levels if tokens * WHOLE >= level * 100
        }
        assert {each.subject: each.level for each in found.values() if each.level} == {
            agent: max(level for name, level in raised if name == agent) for agent, _ in raised
        }


_PATTERNS = st.lists(st.sampled_from(["a", "a*", "ab", "b*", "*", "A*", "c"]), unique=True, max_size=3).map(tuple)
_CLAIMS = st.lists(
    st.tuples(st.sampled_from(["a", "ab", "b", UNATTRIBUTED]), st.sampled_from(["t", "u", ""]), st.integers(-50, 120)),
    max_size=12,
)


@settings(max_examples=60)
@given(rows=_CLAIMS, agents=_PATTERNS, scope=st.sampled_from([Scope.TEAM, Scope.EVERYTHING]), at_once=st.booleans())
async def test_nobody_spends_of_a_budget_of_other_agents_whatever_they_say(
    rows: list[tuple[str, str, int]], agents: tuple[str, ...], scope: Scope, at_once: bool
) -> None:
    of, known = budget(scope=scope, agents=agents), ("a", "ab", "b")
    uses = [used(tokens, agent=agent, team=team) for agent, team, tokens in rows]
    async with opened_store(Backend(kind="memory"), clock=ManualClock()) as opened:
        if at_once:
            await kept(opened, of)
        await spent(opened, *uses)
        if not at_once:
            await kept(opened, of)
        expected = Counter[str]()
        for agent, team, tokens in rows:
            meant = any(agent.startswith(each[:-1]) if each.endswith("*") else agent == each for each in agents)
            if (not agents or (agent in known and meant)) and (team or scope is Scope.EVERYTHING):
                expected[team if scope is Scope.TEAM else ""] += tokens
        found = {each.subject: each.spent for each in await standing(opened, of) if each.spent}
        assert found == {subject: tokens for subject, tokens in expected.items() if tokens}


STEPS = st.lists(st.tuples(st.sampled_from(["k1", "k2", "k3"]), st.booleans(), st.booleans()), max_size=20)


@settings(max_examples=60)
@given(steps=STEPS)
async def test_events_are_without_a_gap_and_say_what_the_rows_say(steps: list[tuple[str, bool, bool]]) -> None:
    async with opened_store(Backend(kind="memory"), clock=ManualClock()) as opened:
        for place, (key, fires, page) in enumerate(steps):
            at = Instant(NOW + place * MINUTE)
            draft = AlertDraft(key=key, kind=AlertKind.DRIFT, message=str(place), page=page)

            def work(tx: TelemetryTx, *, draft: AlertDraft = draft, fires: bool = fires, at: Instant = at) -> None:
                if fires:
                    fire(tx, draft, at=at)
                else:
                    resolve(tx, draft.key, at=at)

            await opened.writer.write(work, mutation=BY_TELEMETRY, result=type(None))
        events = await opened.store.alert_events(after=0, limit=1_000)
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        firing: dict[str, int] = {}
        for event in events:
            if event.type is AlertEventType.FIRED:
                assert firing.setdefault(event.alert.key, event.alert.number) == event.alert.number
            else:
                assert firing.pop(event.alert.key) == event.alert.number
        rows = await opened.store.alerts(AlertQuery(firing_only=True, limit=100))
        assert {alert.key: alert.number for alert in rows} == firing
        last = {key: fires for key, fires, _ in steps}
        assert set(firing) == {key for key, fires in last.items() if fires}


@given(
    period=st.integers(1, 366 * 24 * 60).map(lambda minutes: Millis(minutes * MINUTE)),
    at=st.integers(0, 4_102_444_800_000).map(Instant),
)
def test_periods_lie_end_to_end_and_begin_with_1970(period: Millis, at: Instant) -> None:
    of = budget(period=period)
    start = of.start_at(at)
    end = of.end_of(start)
    assert end is not None
    assert start <= at < end == start + period
    assert of.start_at(end) == end
    assert of.start_at(Instant(end - 1)) == start
    assert of.start_at(EPOCH) == EPOCH == Instant(start % period)


@given(
    spent_=st.integers(-(10**30), 10**30),
    amount=st.integers(1, 2**63 - 1),
    levels=st.lists(st.integers(1, WHOLE - 1), unique=True, max_size=8).map(lambda found: tuple(sorted(found))),
)
def test_levels_are_crossed_exactly_when_their_share_is_spent(
    spent_: int, amount: int, levels: tuple[int, ...]
) -> None:
    of = budget(amount=amount, soft_levels=levels, scope=Scope.TEAM)
    assert of.crossed(spent_) == tuple(
        level for level in of.levels if Fraction(spent_, amount) >= Fraction(level, WHOLE)
    )


@given(before=st.lists(st.integers(0, 10**12), max_size=60), last=st.integers(0, 10**14), least=st.integers(0, 10**6))
def test_a_rise_is_what_exact_arithmetic_says(before: list[int], last: int, least: int) -> None:
    rise = Rise(last=last, before=before, least=least)
    if len(before) < HOURS_LEAST or last < least:
        assert not rise.begins
        assert not rise.goes_on
        return
    mean = Fraction(sum(before), len(before))
    variance = sum((each - mean) ** 2 for each in before) / len(before)

    def far(deviations: int, times: int) -> bool:
        above = last - mean
        return above > 0 and above**2 > deviations**2 * variance and last > times * mean

    assert (rise.begins, rise.goes_on) == (far(5, 3), far(2, 2))
    assert rise.goes_on or not rise.begins


def test_the_hours_looked_at_are_of_seven_days() -> None:
    assert HOURS_LEAST * HOUR == DAY
