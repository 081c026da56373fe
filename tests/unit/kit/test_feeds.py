"""What a feed knows, and how old it says that is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from ringfence.errors import RingfenceError
from ringfence.watch import Bookmark, Change, Changed, StateBegins, StateComplete
from ringfence_kit.clock import HOUR, Instant, ManualClock, Millis
from ringfence_kit.feeds import HEARTBEAT, Feed, FeedState, why_not_believed
from support.scripted_source import ScriptedSource, Word

UNREADABLE = "unreadable"


class RefusedError(RingfenceError):
    code = grpc.StatusCode.PERMISSION_DENIED


class Following:
    """A feed of words, its source and its clock."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.sources = [ScriptedSource[Word]()]
        self.changes = 0
        self.feed: Feed[Word, dict[str, str]] = Feed(
            "words",
            new_source=lambda: self.sources[-1],
            new_view=dict,
            take=self.take,
            clock=self.clock,
            on_change=self.changed,
        )

    def take(self, view: dict[str, str], change: Change, word: Word) -> None:
        if word.name == UNREADABLE:
            raise ValueError("unheard of")
        if change is Change.DELETED:
            view.pop(word.name, None)
        else:
            view[word.name] = word.value

    def changed(self) -> None:
        self.changes += 1

    async def say(self, *steps: object) -> None:
        await self.sources[-1].say(*steps)  # type: ignore[arg-type]  # a Step of Word, spelled shortly by the tests

    async def beats(self, count: int) -> None:
        """Let `count` heartbeats pass without a word."""
        for _ in range(count):
            self.clock.advance(HEARTBEAT)
            await settle()

    def state(self) -> FeedState:
        return self.feed.state(self.clock.now())


async def settle() -> None:
    """Let every task that can run, run."""
    for _ in range(5):
        await asyncio.sleep(0)


@asynccontextmanager
async def following() -> AsyncIterator[Following]:
    words = Following()
    async with words.feed.following():
        await settle()
        yield words


def word(revision: int, name: str, value: str, change: Change = Change.ADDED) -> Changed[Word]:
    return Changed(revision, change, Word(name, value))


STATE = (StateBegins(), word(7, "a", "one"), word(7, "b", "two"), StateComplete(7))


async def test_nothing_is_known_before_the_state_is_complete() -> None:
    async with following() as words:
        await words.say(*STATE[:-1])
        assert (words.feed.view, words.state()) == ({}, FeedState.CONNECTING)
        assert words.feed.age(words.clock.now()) is None
        await words.say(STATE[-1])
        assert words.feed.view == {"a": "one", "b": "two"}
        assert (words.state(), words.feed.revision) == (FeedState.LIVE, 7)


async def test_whoever_waits_is_told_when_the_first_state_is_complete() -> None:
    async with following() as words:
        waiting = asyncio.ensure_future(words.feed.caught_up())
        await words.say(*STATE)
        await asyncio.wait_for(waiting, 1)


async def test_changes_follow_the_state() -> None:
    async with following() as words:
        await words.say(*STATE, word(8, "a", "three", Change.MODIFIED), word(9, "b", "", Change.DELETED), Bookmark(12))
        assert (words.feed.view, words.feed.revision) == ({"a": "three"}, 12)


async def test_a_state_that_begins_anew_is_shown_only_when_it_is_whole() -> None:
    async with following() as words:
        await words.say(*STATE)
        await words.say(StateBegins(), word(20, "c", "new"))
        assert words.feed.view == {"a": "one", "b": "two"}
        await words.say(StateComplete(20))
        assert words.feed.view == {"c": "new"}


async def test_a_state_cut_in_the_middle_is_forgotten() -> None:
    async with following() as words:
        await words.say(*STATE)
        await words.say(StateBegins(), word(20, "ghost", "new"), StateBegins(), word(21, "c", "new"), StateComplete(21))
        assert words.feed.view == {"c": "new"}


async def test_a_bookmark_in_the_middle_of_a_state_makes_the_old_view_no_younger() -> None:
    async with following() as words:
        await words.say(*STATE)
        await words.beats(2)
        await words.say(StateBegins(), Bookmark(20))
        assert words.state() is FeedState.LATE


async def test_silence_ages_a_feed_and_a_word_makes_it_young_again() -> None:
    async with following() as words:
        await words.say(*STATE)
        seen = []
        for _ in range(4):
            seen.append(words.state())
            await words.beats(1)
        assert seen == [FeedState.LIVE, FeedState.LIVE, FeedState.LATE, FeedState.CUT]
        await words.say(Bookmark(7))
        assert words.state() is FeedState.LIVE


async def test_a_change_keeps_a_live_feed_young() -> None:
    async with following() as words:
        await words.say(*STATE)
        for revision in range(8, 14):
            await words.beats(1)
            await words.say(word(revision, "a", "more", Change.MODIFIED))
            assert words.state() is FeedState.LIVE


async def test_a_change_does_not_revive_a_late_feed_a_bookmark_does() -> None:
    """After a cut the first change is old news; what matters may still be on its way."""
    async with following() as words:
        await words.say(*STATE)
        await words.beats(3)
        await words.say(word(8, "a", "old news", Change.MODIFIED))
        assert (words.feed.view["a"], words.feed.revision) == ("old news", 8)
        assert words.state() is FeedState.CUT
        await words.say(Bookmark(9))
        assert words.state() is FeedState.LIVE


async def test_a_change_that_cannot_be_taken_ages_the_feed_until_a_whole_state_was() -> None:
    async with following() as words:
        await words.say(*STATE)
        words.sources[-1].hand_on(word(8, UNREADABLE, "", Change.MODIFIED))
        await settle()
        words.sources.append(ScriptedSource[Word]())
        assert "could not be taken: ValueError('unheard of')" in words.feed.report(words.clock.now()).problem
        await words.beats(4)
        assert words.state() is FeedState.CUT
        assert words.feed.view == {"a": "one", "b": "two"}
        await words.say(StateBegins(), word(9, "c", "new"), StateComplete(9))
        assert (words.feed.view, words.state()) == ({"c": "new"}, FeedState.LIVE)


async def test_a_clock_set_back_makes_no_old_view_young() -> None:
    async with following() as words:
        await words.say(*STATE)
        words.clock.set(Instant(words.clock.now() - HOUR))
        for _ in range(5):
            # What the wall clock says is nothing to the timer behind it: it goes on beating.
            words.clock.set(Instant(words.clock.now() + HOUR + HEARTBEAT))
            await settle()
            words.clock.set(Instant(words.clock.now() - HOUR))
        age = words.feed.age(Instant(words.clock.now() - 2 * HOUR))
        assert age is not None
        assert age >= 4 * HEARTBEAT


async def test_a_silent_stream_is_doubted_and_a_busy_one_is_not() -> None:
    async with following() as words:
        await words.say(*STATE)
        await words.beats(3)
        assert words.sources[-1].interruptions == 0
        await words.beats(1)
        assert words.sources[-1].interruptions == 1
        await words.say(StateBegins())
        for revision in range(6):
            await words.say(word(30, f"n{revision}", ""))
            await words.beats(1)
        assert words.sources[-1].interruptions == 1


async def test_a_refused_watch_is_tried_again_and_says_why_it_is_cut() -> None:
    async with following() as words:
        await words.say(*STATE)
        words.sources[-1].fail(RefusedError("this service may not watch"))
        await settle()
        words.sources.append(ScriptedSource[Word]())
        assert "may not watch" in words.feed.report(words.clock.now()).problem
        await words.beats(4)
        assert words.state() is FeedState.CUT
        assert why_not_believed(words.feed.report(words.clock.now())).startswith("the feed from words is cut")
        await words.say(*STATE)
        assert words.state() is FeedState.LIVE
        assert why_not_believed(words.feed.report(words.clock.now())) == ""


async def test_whoever_depends_on_the_feed_hears_of_words_and_of_silence() -> None:
    async with following() as words:
        await words.say(*STATE)
        before = words.changes
        await words.beats(1)
        assert words.changes == before + 1


async def test_a_feed_never_heard_from_says_so() -> None:
    async with following() as words:
        await words.beats(10)
        assert words.state() is FeedState.CONNECTING
        report = words.feed.report(words.clock.now())
        assert (report.age, why_not_believed(report)) == (
            None,
            "the feed from words is connecting: nothing heard for 3 heartbeats",
        )
        assert words.feed.age(Instant(words.clock.now() + Millis(1))) is None
