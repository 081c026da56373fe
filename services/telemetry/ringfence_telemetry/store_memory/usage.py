"""Usage and prices in memory: the same rows as in SQL, summed by a loop."""

from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from ringfence_kit.clock import Instant
from ringfence_kit.memory import MemoryDatabase, MemoryRows, MemoryTable

from ringfence_telemetry.durations import Buckets, merge, quantiles
from ringfence_telemetry.prices.book import KnownPrice
from ringfence_telemetry.prices.price import Price
from ringfence_telemetry.store.usage import NO_DURATIONS, NOBODY_CALLED, PricePlace
from ringfence_telemetry.usage import ZERO, CallerKey, Counts, UsageKey
from ringfence_telemetry.usage_levels import (
    AGENT_STEPS,
    FOUR_DAYS,
    HOUR,
    Marks,
    Piece,
    Stretch,
    by_agent,
    by_caller,
    floor,
    row_of,
)
from ringfence_telemetry.usage_query import (
    PERCENTS,
    Group,
    Percentiles,
    Summed,
    UsageGroup,
    UsageQuery,
    UsageTotals,
    answer,
    plus,
    too_many_histograms,
)

_K = TypeVar("_K")


class _Row(NamedTuple):
    counts: Counts = ZERO
    durations: Mapping[int, int] = {}


class _OfAgent(NamedTuple):
    """By what usage of agents is kept besides."""

    step: int
    called: bool
    key: CallerKey


USAGE: MemoryTable[UsageKey, _Row] = MemoryTable("usage")
OF_AGENTS: MemoryTable[_OfAgent, _Row] = MemoryTable("agent_usage")
SESSIONS_FROM: MemoryTable[None, int] = MemoryTable("session_usage_from")
"""Rows are kept with their sessions; before this minute nobody may see these any more."""
MARKS: MemoryTable[None, Marks] = MemoryTable("rollup_marks")
PRICES: MemoryTable[tuple[str, str, Instant], KnownPrice] = MemoryTable("prices")


class MemoryUsageTx:
    """The `RollupTx` and `PriceRows` on rows in memory."""

    rows: MemoryRows

    def add_usage(
        self,
        changes: Mapping[UsageKey, Counts],
        durations: Mapping[UsageKey, Buckets] = NO_DURATIONS,
        called: Mapping[CallerKey, Counts] = NOBODY_CALLED,
    ) -> None:
        """See `RollupTx`."""
        usage, marks = self.rows.table(USAGE), _marks(self.rows)
        for key, counts in changes.items():
            buckets = durations.get(key, {})
            _add(usage, key._replace(minute=row_of(key.minute, marks)), counts, buckets)
            whose = CallerKey(key.minute, key.agent, key.untrusted, key.currency)
            self._add_of_agent(whose, counts, buckets, called=False)
        for caller, counts in called.items():
            self._add_of_agent(caller, counts, {}, called=True)

    def fold_usage(self, step: int, *, before: int, limit: int) -> int:
        """See `RollupTx`."""
        usage, marks = self.rows.table(USAGE), _marks(self.rows)
        since = marks.hour if step == HOUR else marks.five
        found = [key for key in usage if since <= key.minute < before and key.minute % step][:limit]
        for key in found:
            row = usage.pop(key)
            _add(usage, key._replace(minute=floor(key.minute, step)), row.counts, row.durations)
        if len(found) < limit and before > since:
            self.rows.table(MARKS)[None] = replace(marks, **{"hour" if step == HOUR else "five": before})
        return len(found)

    def forget_usage(self, *, before: int, sessions_before: int, hours_before: int) -> int:
        """See `RollupTx`."""
        usage, of_agents, marks = self.rows.table(USAGE), self.rows.table(OF_AGENTS), _marks(self.rows)
        if hours_before > marks.hours_forgotten:
            self.rows.table(MARKS)[None] = replace(marks, hours_forgotten=hours_before)
        sessions = self.rows.table(SESSIONS_FROM)
        sessions[None] = max(sessions.get(None, 0), sessions_before)
        old = [key for key in usage if key.minute < before]
        old_of_agents = [
            each for each in of_agents if each.key.minute < (hours_before if each.step == HOUR else before)
        ]
        for key in old:
            del usage[key]
        for each in old_of_agents:
            del of_agents[each]
        return len(old) + len(old_of_agents)

    def has_usage(self, agent: str) -> bool:
        """See `RollupTx`."""
        return any(key.agent == agent and not key.untrusted for key in self.rows.table(USAGE))

    def price(self, model: str, provider: str, effective_at: Instant) -> Price | None:
        """See `PriceRows`."""
        known = self.rows.table(PRICES).get((model, provider, effective_at))
        return None if known is None else known.price

    def keep_price(self, known: KnownPrice) -> None:
        """See `PriceRows`."""
        self.rows.table(PRICES)[known.price.key] = known

    def _add_of_agent(self, key: CallerKey, counts: Counts, buckets: Mapping[int, int], *, called: bool) -> None:
        rows = self.rows.table(OF_AGENTS)
        for step in AGENT_STEPS:
            _add(rows, _OfAgent(step, called, key._replace(minute=floor(key.minute, step))), counts, buckets)


class MemoryUsageStore:
    """The `UsageStore` in memory."""

    _database: MemoryDatabase

    async def usage(self, query: UsageQuery) -> Sequence[UsageTotals]:
        """See `UsageStore`."""
        return await self._database.read(lambda rows: _usage(rows, query))

    async def known_prices(self) -> Sequence[KnownPrice]:
        """See `UsageStore`."""
        return await self._database.read(
            lambda rows: sorted(rows.table(PRICES).values(), key=lambda known: known.revision)
        )

    async def prices(self, *, models: Collection[str], after: PricePlace | None, limit: int) -> Sequence[Price]:
        """See `UsageStore`."""
        found = await self._database.read(lambda rows: sorted(rows.table(PRICES).items()))
        wanted = [(key, known.price) for key, known in found if not models or key[0] in models]
        return [price for key, price in wanted if after is None or key > after][:limit]


def _marks(rows: MemoryRows) -> Marks:
    return rows.table(MARKS).get(None, Marks())


def _add(rows: MutableMapping[_K, _Row], key: _K, counts: Counts, buckets: Mapping[int, int]) -> None:
    before = rows.get(key, _Row())
    durations = dict(before.durations)
    merge(durations, buckets)
    rows[key] = _Row(plus(before.counts, counts), {at: count for at, count in durations.items() if count > 0})


def _usage(rows: MemoryRows, query: UsageQuery) -> list[UsageTotals]:
    sums: dict[tuple[tuple[Group, ...], bool, str], Counts] = {}
    durations: dict[tuple[tuple[Group, ...], bool], Buckets] = {}
    found = list(_asked(rows, query))
    for labels, row, sign in found:
        groups = tuple(_group(labels, each, query.step) for each in query.group_by)
        key = groups, labels.untrusted, labels.currency
        sums[key] = plus(sums.get(key, ZERO), Counts._make(sign * count for count in row.counts))
        signed = {bucket: sign * count for bucket, count in row.durations.items()}
        merge(durations.setdefault((groups, labels.untrusted), {}), signed)
    rows_found = answer(Summed(*key, counts) for key, counts in sums.items())
    if not query.percentiles:
        return rows_found
    if len(found) > query.histograms_max:
        raise too_many_histograms(query.histograms_max)
    return [
        replace(row, percentiles=Percentiles(*quantiles(durations[row.groups, row.untrusted], PERCENTS)))
        for row in rows_found
    ]


def _asked(rows: MemoryRows, query: UsageQuery) -> Iterable[tuple[UsageKey | CallerKey, _Row, int]]:
    """Yield the rows that are asked about, each with its sign."""
    if query.window.empty:
        return
    if query.about_sessions or not query.about_agents_only:
        yield from _by_every_label(rows, query, Piece(query.window))
        return
    divide = by_caller if query.inclusive else by_agent
    plan = divide(
        query.window, _marks(rows), coarsest=FOUR_DAYS if UsageGroup.TIME not in query.group_by else query.step
    )
    for step, called, key, row in ((*of_agent, row) for of_agent, row in rows.table(OF_AGENTS).items()):
        wanted = query.agent in ("", key.agent) and (query.inclusive or not called)
        for of_step, (stretch, sign) in plan.by_step:
            if wanted and step == of_step and _within(key.minute, stretch):
                yield key, row, sign
    for piece in plan.rest:
        yield from _by_every_label(rows, query, piece)


def _by_every_label(rows: MemoryRows, query: UsageQuery, piece: Piece) -> Iterable[tuple[UsageKey, _Row, int]]:
    sessions_from = rows.table(SESSIONS_FROM).get(None, 0)
    for key, row in rows.table(USAGE).items():
        wanted = [(query.agent, key.agent), (query.session, key.session), (query.team, key.team)]
        wanted.append((query.model, key.model))
        if any(label not in ("", own) for label, own in wanted) or not _within(key.minute, piece.stretch):
            continue
        if not query.about_sessions:
            yield key, row, piece.sign
        elif key.minute >= sessions_from:
            yield key, row._replace(durations={}), piece.sign


def _within(minute: int, stretch: Stretch) -> bool:
    return (stretch.first is None or minute >= stretch.first) and (stretch.end is None or minute < stretch.end)


def _group(labels: UsageKey | CallerKey, group: UsageGroup, step: int) -> Group:
    if group is UsageGroup.TIME:
        return floor(labels.minute, step)
    label: str = getattr(labels, group.value)
    return label
