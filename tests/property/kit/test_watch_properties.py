"""Watches against writes, heartbeats, compaction, slowness and restarts, in any order: each event once, in order."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from ringfence_kit.clock import ManualClock
from ringfence_kit.errors import RevisionCompacted, Unavailable, WatcherTooSlow
from ringfence_kit.events import Bookmark, Revision, WatchItem
from ringfence_kit.watch import BOOKMARK_EVERY
from support.backends import Backend
from support.switches.flip_switch import flip_switch, remove_switch
from support.switches.mutations import by
from support.switches.opened import Switches, opened_switches

SETTLED = 30
"""More turns of the event loop than anything in memory takes."""


class Watcher:
    """Reads one item at a time, when it is let, and resumes where it is told to."""

    def __init__(self, start: Revision) -> None:
        self.position = start
        self.seen: list[int] = []
        self.forgotten = False
        self.slowed = False
        self._stream: AsyncGenerator[WatchItem, None] | None = None
        self._next: asyncio.Task[WatchItem] | None = None

    async def read(self, service: Switches) -> None:
        """Take the next item if there is one."""
        if self._stream is None:
            self._stream = service.hub.watch(self.position)
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self._stream))
        for _ in range(SETTLED):
            await asyncio.sleep(0)
        if self._next.done():
            self._take(self._next)
            self._next = None

    def _take(self, done: asyncio.Task[WatchItem]) -> None:
        match done.exception():
            case None:
                self._accept(done.result())
            case WatcherTooSlow(metadata={"resume_revision": resume}):
                self._stream = None
                assert int(resume) == self.position + 1
                self.slowed = True
            case RevisionCompacted(metadata={"oldest_revision": oldest}):
                self._stream, self.forgotten = None, True
                assert int(oldest) > self.position + 1
            case Unavailable():
                self._stream = None
            case unexpected:
                raise unexpected

    def _accept(self, item: WatchItem) -> None:
        if isinstance(item, Bookmark):
            assert item.revision == self.position
        else:
            self.seen.append(item.revision)
            self.position = item.revision

    async def leave(self) -> None:
        """Close whatever is open; reading again starts where this watcher was."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.wait({self._next})
        if self._stream is not None:
            await self._stream.aclose()
        self._next = self._stream = None


class WatchMachine(RuleBasedStateMachine):
    """One service in memory that keeps four events at hand, and watchers that come and go."""

    watchers = Bundle("watchers")

    def __init__(self) -> None:
        super().__init__()
        self.backend = Backend(kind="memory")
        self.clock = ManualClock()
        self.runner = asyncio.Runner()
        self.newest = 0
        self.kept_after = 0
        self.all: list[tuple[int, Watcher]] = []
        self.open()

    def open(self) -> None:
        self.stack = AsyncExitStack()
        opening = opened_switches(self.backend, clock=self.clock, events_in_memory=4)
        self.service = self.runner.run(self.stack.enter_async_context(opening))

    @rule(names=st.lists(st.sampled_from("abc"), min_size=1, max_size=9))
    def write(self, names: list[str]) -> None:
        async def flip_all() -> None:
            for name in names:
                before = self.service.snapshot.switch(name)
                if before is not None and before.flips > 2:
                    await remove_switch(self.service.writer, name=name, mutation=by())
                else:
                    on = before is None or not before.on
                    await flip_switch(self.service.writer, name=name, on=on, reason="", mutation=by())

        self.runner.run(flip_all())
        self.newest += len(names)

    @rule(target=watchers, back=st.integers(0, 20))
    def watch(self, back: int) -> Watcher:
        watcher = Watcher(Revision(max(self.kept_after, self.newest - back)))
        self.all.append((watcher.position, watcher))
        return watcher

    @rule(watcher=watchers, times=st.integers(1, 6))
    def read(self, watcher: Watcher, times: int) -> None:
        async def read_all() -> None:
            for _ in range(times):
                await watcher.read(self.service)

        self.runner.run(read_all())

    @rule(watcher=watchers, names=st.lists(st.sampled_from("abc"), min_size=6, max_size=12))
    def write_faster_than_it_reads(self, watcher: Watcher, names: list[str]) -> None:
        self.read(watcher, 1)
        self.write(names)
        self.read(watcher, 2)

    @rule(watcher=consumes(watchers))
    def leave(self, watcher: Watcher) -> None:
        self.runner.run(watcher.leave())

    @rule()
    def beat(self) -> None:
        self.clock.advance(BOOKMARK_EVERY)

    @rule(keep=st.integers(0, 8))
    def compact(self, keep: int) -> None:
        self.kept_after = self.runner.run(self.service.writer.compact(keep))

    @rule()
    def restart(self) -> None:
        self.runner.run(self.stack.aclose())
        self.open()

    @invariant()
    def every_watcher_has_seen_a_run_without_gap_or_repeat(self) -> None:
        for start, watcher in self.all:
            assert watcher.seen == list(range(start + 1, watcher.position + 1))

    @invariant()
    def nobody_has_seen_more_than_happened(self) -> None:
        assert self.service.hub.newest == self.newest

    def teardown(self) -> None:
        async def finish() -> None:
            for _, watcher in self.all:
                for _ in range(2 * self.newest + 10):
                    if watcher.forgotten or watcher.position == self.newest:
                        break
                    await watcher.read(self.service)
                # Whoever was not told that its past is forgotten gets to the end of it.
                assert watcher.forgotten or watcher.position == self.newest
                await watcher.leave()
                event(f"slowed: {watcher.slowed}, forgotten: {watcher.forgotten}")
            await self.stack.aclose()

        try:
            self.runner.run(finish())
            self.every_watcher_has_seen_a_run_without_gap_or_repeat()
        finally:
            self.runner.close()


TestWatches = WatchMachine.TestCase
TestWatches.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
