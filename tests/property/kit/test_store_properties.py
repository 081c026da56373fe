"""The store under any mix of good, failing, repeated and rehearsed works at once: one history without a gap."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ringfence_kit import records
from ringfence_kit.errors import RequestIdReused
from ringfence_kit.events import EMPTY, Change, Event
from support.backends import Backend
from support.switches.model import SWITCH, Switch
from support.switches.mutations import by, once
from support.switches.opened import Switches, opened_switches
from support.switches.snapshot import SwitchSnapshot
from support.switches.store import SwitchTx


class Refused(Exception):  # noqa: N818 - named for what happened, like every failure
    """A work changed its mind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One mutation: puts or removes switches, one event each, and may fail after some of them."""

    names: tuple[str, ...]
    remove: bool = False
    fails_after: int | None = None
    request_id: str = ""
    rehearsed: bool = False

    def work(self, tx: SwitchTx) -> tuple[int, ...]:
        return tuple(self._one(tx, index, name) for index, name in enumerate(self.names))

    def _one(self, tx: SwitchTx, index: int, name: str) -> int:
        if self.fails_after == index:
            raise Refused
        before = tx.switch(name)
        if self.remove:
            tx.remove(name)
            return tx.record(Change.DELETED, SWITCH, name, b"{}")
        after = Switch(name=name, on=True, reason="", flips=0 if before is None else before.flips + 1)
        tx.put(after)
        return tx.record(Change.ADDED if before is None else Change.MODIFIED, SWITCH, name, records.encode(after))

    async def do(self, service: Switches) -> tuple[int, ...] | None:
        content = repr((self.names, self.remove, self.fails_after)).encode()
        mutation = once(self.request_id, content=content) if self.request_id else by()
        try:
            revisions = await service.writer.write(
                self.work, mutation=mutation, result=tuple[int, ...], validate_only=self.rehearsed
            )
        except (Refused, RequestIdReused):
            return None
        return None if self.rehearsed else revisions


deeds = st.builds(
    Deed,
    names=st.lists(st.sampled_from("abcde"), max_size=4).map(tuple),
    remove=st.booleans(),
    fails_after=st.none() | st.integers(0, 3),
    rehearsed=st.sampled_from((False, False, False, True)),
)


def with_ids(groups: list[list[Deed]], run: int) -> list[list[Deed]]:
    """Give some deeds request ids of this run, a few of them shared."""
    return [
        [
            Deed(
                names=deed.names,
                remove=deed.remove,
                fails_after=deed.fails_after,
                rehearsed=deed.rehearsed,
                request_id=f"{run}-{len(deed.names)}" if index % 2 else "",
            )
            for index, deed in enumerate(group)
        ]
        for group in groups
    ]


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as opened:
        yield opened


histories = given(st.lists(st.lists(deeds, min_size=1, max_size=8), max_size=5))


@histories
@settings(max_examples=100, deadline=None)
def test_in_memory_every_history_has_no_gap(groups: list[list[Deed]]) -> None:
    async def run() -> None:
        async with opened_switches(Backend(kind="memory")) as service:
            await check(service, with_ids(groups, 0))

    asyncio.run(run())


@histories
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_on_disk_every_history_has_no_gap(sqlite: "OnDisk", groups: list[list[Deed]]) -> None:
    sqlite.runs += 1
    sqlite.runner.run(check(sqlite.service, with_ids(groups, sqlite.runs)))


@dataclass(slots=True)
class OnDisk:
    """One open store for all examples: opening costs more than an example."""

    runner: asyncio.Runner
    service: Switches
    runs: int = 0


@pytest.fixture
def sqlite(runner: asyncio.Runner, tmp_path: Path) -> Iterator[OnDisk]:
    stack = AsyncExitStack()
    backend = Backend(kind="sqlite", url=f"sqlite:///{tmp_path}/store.db")
    yield OnDisk(runner=runner, service=runner.run(stack.enter_async_context(opened_switches(backend))))
    runner.run(stack.aclose())


async def check(service: Switches, groups: list[list[Deed]]) -> None:
    before = service.hub.newest
    done: list[tuple[Deed, tuple[int, ...] | None]] = []
    for group in groups:
        done += zip(group, await asyncio.gather(*(deed.do(service) for deed in group)), strict=True)
    stored = await service.events.read(EMPTY, 1_000_000)
    # No gap, and the snapshot is where the store is.
    assert [event.revision for event in stored] == list(range(1, service.hub.newest + 1))
    # Every new event belongs to exactly one answered work, or to the repetitions of one request.
    answered = {revisions for _, revisions in done if revisions}
    assert sorted(revision for revisions in answered for revision in revisions) == list(
        range(before + 1, service.hub.newest + 1)
    )
    # A work's events stand together.
    assert all(revisions == tuple(range(revisions[0], revisions[0] + len(revisions))) for revisions in answered)
    # Rows, events and snapshot tell one story.
    assert replayed(stored) == service.snapshot.all() == {s.name: s for s in (await service.store.load())[1]}


def replayed(stored: Iterable[Event]) -> dict[str, Switch]:
    snapshot = SwitchSnapshot()
    for event in stored:
        snapshot.apply(event)
    return snapshot.all()
