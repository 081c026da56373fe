"""Verdicts in memory: re-compared, dropped, and never served for longer or for more than they are worth."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence.agent_key import AgentKey
from ringfence.backoff import Backoff
from ringfence.errors import PermissionDeniedError, RingfenceError, UnavailableError
from ringfence.identity.v1.revocation_pb2 import (
    REVOCATION_EVENT_TYPE_BOOKMARK,
    REVOCATION_EVENT_TYPE_REVOKED,
    REVOCATION_KIND_AGENT,
    REVOCATION_KIND_DELEGATION,
    Revocation,
    WatchRevocationsResponse,
)
from ringfence.peer_cache import (
    EPOCHS_REMEMBERED,
    LONGEST_SILENCE,
    Moment,
    PeerCache,
    PeerError,
    PeerNotVerifiedError,
    PeerRefusedError,
    RevocationsSilentError,
    VerifiedPeer,
)
from ringfence.peers import AioPeerVerifier, PeerVerifier
from ringfence.proofs.peer_transcript import Requirements
from ringfence.proofs.peer_verdict import PeerRefusal
from support.peer_meetings import did_of
from support.stepped_pace import SteppedPace

DID, OTHER = did_of("P"), did_of("Q")
START = Moment(steady=1_000.0, wall=1_767_225_600.0)
ANYBODY = Requirements()
SENSITIVE = (Requirements(ring=1), Requirements(ring=0), Requirements(score=700))

PEER = VerifiedPeer(
    did=DID,
    environment="prod",
    did_version_id="1-Qm",
    revocation_epoch=3,
    score=750,
    ring=1,
    scopes=("orders:*",),
)


def kept(cache: PeerCache, peer: VerifiedPeer = PEER, *, at: Moment = START, seconds: float = 300.0) -> None:
    cache.keep(peer, asked_at=at, until=at.after(seconds))


@pytest.fixture
def cache() -> PeerCache:
    cache = PeerCache("prod")
    cache.stream_began()
    cache.bookmark(START)
    return cache


class TestVerdicts:
    @given(
        score=st.integers(0, 1_000),
        ring=st.integers(0, 3),
        wanted=st.integers(0, 1_000),
        wanted_ring=st.integers(0, 3),
        scopes=st.sets(st.sampled_from(["orders:read", "orders:read:eu", "ledger:read"])),
    )
    def test_every_later_requirement_is_compared_with_the_score_kept(
        self, score: int, ring: int, wanted: int, wanted_ring: int, scopes: set[str]
    ) -> None:
        cache = PeerCache("prod")
        cache.bookmark(START)
        kept(cache, replace(PEER, score=score, ring=ring))
        require = Requirements(score=wanted, ring=wanted_ring, scopes=tuple(scopes))
        enough = score >= wanted and ring <= wanted_ring and "ledger:read" not in scopes
        if enough:
            assert cache.find(DID, require, START).score == score
        else:
            with pytest.raises(PeerRefusedError):
                cache.find(DID, require, START)

    @pytest.mark.parametrize(
        "later",
        [
            START.after(300.0),
            Moment(START.steady + 300.0, START.wall - 86_400.0),
            Moment(START.steady + 1.0, START.wall + 300.0),
        ],
        ids=["later", "the wall clock was set back", "the machine slept"],
    )
    def test_none_outlives_its_expiry_by_either_clock(self, cache: PeerCache, later: Moment) -> None:
        kept(cache)
        with pytest.raises(PeerNotVerifiedError, match="expired"):
            cache.find(DID, ANYBODY, later)
        with pytest.raises(PeerNotVerifiedError, match="no verdict"):
            cache.find(DID, ANYBODY, START)

    def test_one_is_about_one_environment(self, cache: PeerCache) -> None:
        with pytest.raises(PeerRefusedError):
            kept(cache, replace(PEER, environment="dev"))

    def test_a_newer_one_takes_its_place(self, cache: PeerCache) -> None:
        kept(cache)
        kept(cache, replace(PEER, did_version_id="2-Qm", revocation_epoch=4, score=100))
        assert cache.find(DID, ANYBODY, START).score == 100

    def test_there_are_never_more_than_allowed(self) -> None:
        cache = PeerCache("prod", most=2)
        for name in "ABC":
            kept(cache, replace(PEER, did=did_of(name)))
        with pytest.raises(PeerNotVerifiedError):
            cache.find(did_of("A"), ANYBODY, START)
        assert cache.find(did_of("C"), ANYBODY, START).did == did_of("C")

    def test_errors_name_peer_and_reasons(self, cache: PeerCache) -> None:
        kept(cache)
        with pytest.raises(PeerRefusedError, match="SCORE_TOO_LOW, SCOPE_NOT_GRANTED") as refused:
            cache.find(DID, Requirements(score=1_000, scopes=("x",)), START)
        assert refused.value.peer == DID
        assert refused.value.refusals == (PeerRefusal.SCORE_TOO_LOW, PeerRefusal.SCOPE_NOT_GRANTED)


class TestRevocations:
    @given(st.integers(0, 10), st.booleans())
    def test_any_news_of_a_peer_drops_what_is_known_of_it(self, epoch: int, usable: bool) -> None:
        cache = PeerCache("prod")
        cache.bookmark(START)
        kept(cache)
        kept(cache, replace(PEER, did=OTHER))
        cache.revoked(DID, minimum_epoch=epoch, usable=usable, now=START)
        with pytest.raises(PeerNotVerifiedError):
            cache.find(DID, ANYBODY, START)
        assert cache.find(OTHER, ANYBODY, START).did == OTHER

    @given(st.integers(1, 10), st.integers(1, 10), st.booleans())
    def test_once_an_epoch_was_seen_nothing_older_passes(self, seen: int, shown: int, usable: bool) -> None:
        """A verdict that was on its way when the revocation came, or a statement made before it."""
        cache = PeerCache("prod")
        cache.bookmark(START)
        cache.revoked(DID, minimum_epoch=seen, usable=usable, now=START)
        good = shown > seen or (shown == seen and usable)
        if good:
            kept(cache, replace(PEER, revocation_epoch=shown))
            assert cache.find(DID, ANYBODY, START).did == DID
        else:
            with pytest.raises(PeerRefusedError) as refused:
                kept(cache, replace(PEER, revocation_epoch=shown))
            assert refused.value.refusals == (PeerRefusal.NOT_ACTIVE,)

    def test_it_is_remembered_for_longer_than_anything_older_lives(self, cache: PeerCache) -> None:
        cache.revoked(DID, minimum_epoch=9, usable=False, now=START)
        cache.bookmark(START.after(EPOCHS_REMEMBERED - 1))
        with pytest.raises(PeerRefusedError):
            kept(cache, at=START.after(EPOCHS_REMEMBERED - 1))

    def test_and_not_for_ever(self, cache: PeerCache) -> None:
        for number in range(1_000):
            cache.revoked(did_of(f"{number}"), minimum_epoch=2, usable=False, now=START)
        cache.bookmark(START.after(EPOCHS_REMEMBERED))
        assert cache.epochs_remembered == 0

    def test_what_was_asked_before_the_stream_began_is_not_kept(self) -> None:
        cache = PeerCache("prod")
        kept(cache)
        cache.stream_began()
        cache.bookmark(START.after(1.0))
        with pytest.raises(PeerNotVerifiedError):
            cache.find(DID, ANYBODY, START.after(1.0))
        kept(cache)
        with pytest.raises(PeerNotVerifiedError):
            cache.find(DID, ANYBODY, START.after(1.0))
        kept(cache, at=START.after(1.0))
        assert cache.find(DID, ANYBODY, START.after(1.0)).did == DID


class TestSilence:
    @pytest.mark.parametrize("require", SENSITIVE, ids=str)
    def test_rings_0_and_1_fail_closed_after_three_heartbeats(self, cache: PeerCache, require: Requirements) -> None:
        kept(cache, replace(PEER, ring=0))
        just_before, silent = START.after(LONGEST_SILENCE - 0.001), START.after(LONGEST_SILENCE)
        assert cache.find(DID, require, just_before).did == DID
        with pytest.raises(RevocationsSilentError):
            cache.find(DID, require, silent)
        assert cache.find(DID, Requirements(score=699, ring=2), silent).did == DID, (
            "the rest is served until it expires"
        )
        with pytest.raises(PeerNotVerifiedError, match="expired"):
            cache.find(DID, Requirements(ring=2), START.after(300.0))

    def test_every_word_of_the_stream_counts_as_a_heartbeat(self, cache: PeerCache) -> None:
        kept(cache)
        for number, say in enumerate((cache.bookmark, cache.other_news, cache.bookmark), start=1):
            say(START.after(10.0 * number))
        cache.revoked(OTHER, minimum_epoch=2, usable=True, now=START.after(40.0))
        assert cache.find(DID, SENSITIVE[0], START.after(54.0)).did == DID

    def test_a_stream_counts_from_its_first_bookmark(self) -> None:
        cache = PeerCache("prod")
        kept(cache)
        cache.stream_began()
        cache.revoked(OTHER, minimum_epoch=2, usable=True, now=START)
        cache.other_news(START)
        with pytest.raises(RevocationsSilentError):
            cache.find(DID, SENSITIVE[0], START)
        assert cache.find(DID, ANYBODY, START).did == DID

    def test_while_a_new_stream_is_on_its_way_the_old_word_does_not_count(self, cache: PeerCache) -> None:
        kept(cache)
        cache.stream_began()
        with pytest.raises(RevocationsSilentError):
            cache.find(DID, SENSITIVE[0], START)
        assert cache.find(DID, Requirements(ring=2), START).did == DID

    def test_a_silent_stream_is_a_kind_of_not_verified(self) -> None:
        assert issubclass(RevocationsSilentError, PeerNotVerifiedError)
        assert issubclass(PeerNotVerifiedError, PeerError)


def bookmark(revision: int = 1, *, end: bool = False) -> WatchRevocationsResponse:
    return WatchRevocationsResponse(type=REVOCATION_EVENT_TYPE_BOOKMARK, revision=revision, initial_state_end=end)


def revoked(
    did: str, epoch: int, *, usable: bool = False, kind: Any = REVOCATION_KIND_AGENT
) -> WatchRevocationsResponse:
    about = Revocation(kind=kind, subject=did, environment="prod", minimum_epoch=epoch, usable=usable)
    return WatchRevocationsResponse(type=REVOCATION_EVENT_TYPE_REVOKED, revision=2, revocation=about)


@dataclass
class ScriptedStreams:
    """Streams of revocations, each as a list of answers; an error among them ends its stream."""

    scripts: list[list[WatchRevocationsResponse | Exception]]
    opened: int = 0
    cancelled: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self) -> "ScriptedStream":
        self.opened += 1
        return ScriptedStream(self, self.scripts.pop(0) if self.scripts else [])


@dataclass
class ScriptedStream:
    streams: ScriptedStreams
    script: list[WatchRevocationsResponse | Exception]

    async def __aiter__(self) -> AsyncIterator[WatchRevocationsResponse]:
        for told in self:
            yield told
        if not self.streams.scripts:
            self.streams.ended.set()
            await asyncio.Event().wait()

    def __iter__(self) -> Iterator[WatchRevocationsResponse]:
        for told in self.script:
            if isinstance(told, Exception):
                raise told
            yield told

    def cancel(self) -> bool:
        self.streams.cancelled += 1
        return True


KEY = replace(AgentKey.generate(), did=did_of("V"), environment="prod")


def cache_of(peers: AioPeerVerifier | PeerVerifier) -> PeerCache:
    return peers._meetings.cache


def verifier(clock: Callable[[], Moment] = lambda: START) -> AioPeerVerifier:
    return AioPeerVerifier(KEY, clock=clock)


async def followed(peers: AioPeerVerifier, script: ScriptedStreams, pace: SteppedPace) -> None:
    """Follow until the script is told to its end."""
    following = asyncio.create_task(peers.follow(script.open, pace=pace.pace(), backoff=Backoff(draw=lambda: 0.0)))
    ended = asyncio.create_task(script.ended.wait())
    await asyncio.wait({following, ended}, return_when=asyncio.FIRST_COMPLETED)
    for task in (following, ended):
        task.cancel()
    await asyncio.gather(following, ended, return_exceptions=True)
    if following.done() and not following.cancelled() and (error := following.exception()) is not None:
        raise error


class TestFollowing:
    async def test_the_stream_drops_what_it_speaks_of(self) -> None:
        peers = verifier()
        await followed(peers, ScriptedStreams([[bookmark(end=True)]]), SteppedPace())
        cache = cache_of(peers)
        kept(cache)
        kept(cache, replace(PEER, did=OTHER))
        peers.hear(revoked(OTHER, 4, kind=REVOCATION_KIND_DELEGATION))
        assert peers.require(OTHER).did == OTHER, "a delegation of that name is not the agent"
        peers.hear(revoked(DID, 4))
        with pytest.raises(PeerNotVerifiedError):
            peers.require(DID)
        assert peers.require(OTHER).did == OTHER

    async def test_after_a_break_it_is_read_anew_and_nothing_from_before_is_served(self) -> None:
        pace = SteppedPace()
        script = ScriptedStreams([[bookmark(end=True), UnavailableError("cut")], [revoked(DID, 4), bookmark(end=True)]])
        peers = verifier()
        kept(cache_of(peers))
        await followed(peers, script, pace)
        assert script.opened == script.cancelled == 2, "each stream is ended by who opened it"
        assert pace.waits
        with pytest.raises(PeerNotVerifiedError):
            peers.require(DID)
        with pytest.raises(PeerRefusedError):
            kept(cache_of(peers))

    @pytest.mark.parametrize("error", [UnavailableError("cut"), RingfenceError("reset", code=grpc.StatusCode.INTERNAL)])
    async def test_breaks_are_mended_for_ever(self, error: Exception) -> None:
        pace = SteppedPace()
        cuts: list[list[WatchRevocationsResponse | Exception]] = [[error] for _ in range(20)]
        script = ScriptedStreams([*cuts, [bookmark(end=True)]])
        await followed(verifier(), script, pace)
        assert script.opened == 21
        assert max(pace.waits) <= 10.0

    async def test_what_no_new_stream_mends_is_raised(self) -> None:
        script = ScriptedStreams([[PermissionDeniedError("no")], [bookmark()]])
        with pytest.raises(PermissionDeniedError):
            await followed(verifier(), script, SteppedPace())
        assert script.opened == 1

    def test_the_same_from_a_thread(self) -> None:
        peers = PeerVerifier(KEY, clock=lambda: START)
        stopped = threading.Event()
        script = ScriptedStreams([[bookmark(end=True), UnavailableError("cut")], [bookmark(end=True), revoked(DID, 4)]])

        def streams() -> ScriptedStream:
            if not script.scripts:
                stopped.set()
            return script.open()

        peers.follow(streams, stopped, backoff=Backoff(first=0.0, cap=0.0))
        with pytest.raises(PeerRefusedError):
            kept(cache_of(peers))
        assert script.opened == script.cancelled == 3
