"""Whatever happens in whatever order, memory never serves a verdict that does not hold: checked against a plain record.

The record keeps everything that was ever said and judges by the rules alone; the cache keeps little and must agree in
every refusal. It may refuse more (it forgets), never less.
"""

from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from ringfence.peer_cache import (
    EPOCHS_REMEMBERED,
    LONGEST_SILENCE,
    Moment,
    PeerCache,
    PeerError,
    PeerRefusedError,
    VerifiedPeer,
)
from ringfence.proofs.peer_transcript import Requirements
from ringfence.proofs.peer_verdict import unmet
from support.peer_meetings import did_of

PEERS = tuple(did_of(name) for name in "AB")
peers = st.sampled_from(PEERS)
epochs = st.integers(1, 4)


@dataclass(frozen=True)
class Kept:
    peer: VerifiedPeer
    at: float
    until: float


@dataclass(frozen=True)
class Said:
    did: str
    minimum_epoch: int
    usable: bool
    at: int
    """Its place among all that was said and kept."""


class VerdictsInMemory(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.cache = PeerCache("prod")
        self.now = 1_000.0
        self.step = 0
        self.kept: dict[str, tuple[Kept, int]] = {}
        self.said: list[Said] = []
        self.said_at: dict[str, float] = {}
        self.heard: float | None = None
        self.bookmarked = False

    @property
    def moment(self) -> Moment:
        return Moment(steady=self.now, wall=self.now + 1e9)

    @rule(did=peers, epoch=epochs, score=st.integers(0, 1_000), ring=st.integers(0, 3), life=st.floats(0.0, 300.0))
    def a_verdict_comes(self, did: str, epoch: int, score: int, ring: int, life: float) -> None:
        self.step += 1
        peer = VerifiedPeer(
            did=did,
            environment="prod",
            did_version_id=f"{epoch}-Qm",
            revocation_epoch=epoch,
            score=score,
            ring=ring,
            scopes=("orders:*",),
        )
        try:
            self.cache.keep(peer, asked_at=self.moment, until=self.moment.after(life))
        except PeerRefusedError:
            assert self._superseded(peer)
            return
        assert not self._superseded(peer) or self._long_ago(peer)
        self.kept[did] = (Kept(peer, self.now, self.now + life), self.step)

    @rule(did=peers, epoch=epochs, usable=st.booleans())
    def something_is_revoked(self, did: str, epoch: int, usable: bool) -> None:
        self.step += 1
        self.cache.revoked(did, minimum_epoch=epoch, usable=usable, now=self.moment)
        self.said = [one for one in self.said if one.did != did]
        self.said.append(Said(did, epoch, usable, self.step))
        self.said_at[did] = self.now
        if self.bookmarked:
            self.heard = self.now

    @rule()
    def a_bookmark_comes(self) -> None:
        self.cache.bookmark(self.moment)
        self.bookmarked, self.heard = True, self.now

    @rule()
    def a_new_stream_begins(self) -> None:
        self.cache.stream_began()
        self.bookmarked = False

    @rule(seconds=st.floats(0.0, 60.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(did=peers, score=st.integers(0, 1_000), ring=st.integers(0, 3), scope=st.sampled_from(["orders:read", "x:y"]))
    def somebody_relies_on_it(self, did: str, score: int, ring: int, scope: str) -> None:
        require = Requirements(score=score, ring=ring, scopes=(scope,))
        try:
            served = self.cache.find(did, require, self.moment)
        except PeerError:
            return
        kept, at = self.kept[did]
        assert served == kept.peer
        assert self.now < kept.until
        assert not unmet(require, score=served.score, ring=served.ring, scopes=served.scopes)
        assert not any(one.did == did and one.at > at for one in self.said), "revoked since"
        if require.ring <= 1 or require.score >= 700:
            assert self.bookmarked
            assert self.heard is not None
            assert self.now - self.heard < LONGEST_SILENCE
        lower = replace(require, score=0, ring=3)
        assert self.cache.find(did, lower, self.moment) == served, "whoever passes passes every lower requirement"

    def _superseded(self, peer: VerifiedPeer) -> bool:
        return any(
            peer.revocation_epoch < one.minimum_epoch or (peer.revocation_epoch == one.minimum_epoch and not one.usable)
            for one in self.said
            if one.did == peer.did
        )

    def _long_ago(self, peer: VerifiedPeer) -> bool:
        return self.now - self.said_at[peer.did] >= EPOCHS_REMEMBERED


TestVerdictsInMemory = VerdictsInMemory.TestCase
TestVerdictsInMemory.settings = settings(max_examples=60, stateful_step_count=40)
