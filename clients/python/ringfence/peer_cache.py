"""Verdicts on peers, for as long as they hold: re-compared at every use, dropped at the first doubt.

The rules:

- a verdict is about one agent in one environment, at one version of its DID and one revocation epoch, and holds the
  score: whoever wants more than it was asked for at first is compared with that score again;
- it ends when it expires, by the steady clock or by the wall clock, whichever says so first: one stands still while the
  machine sleeps, the other can be set back;
- any revocation of the agent drops it, and an epoch once seen is remembered until nothing older can be shown any more:
  a verdict that was on its way meanwhile is not kept;
- the stream of revocations counts from its first bookmark. When nothing was heard of it for 15 s, what asks for ring 0
  or 1, or a score that only those have, is refused from memory; the rest is served until it expires.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from ringfence.proofs.peer_transcript import Requirements
from ringfence.proofs.peer_verdict import PeerRefusal, unmet

LONGEST_SILENCE = 15.0
"""Seconds: three heartbeats."""

MOST_PEERS = 10_000
EPOCHS_REMEMBERED = 180.0
"""Seconds: longer than a trust statement, or a call that was made before the revocation, can live."""

_SENSITIVE_RING = 1
_SENSITIVE_SCORE = 700


class PeerError(Exception):
    """A peer that is not to be relied on. The sentence is for our own log: tell the peer only that it was refused."""

    def __init__(self, peer: str, problem: str) -> None:
        super().__init__(f"{peer}: {problem}")
        self.peer = peer
        self.problem = problem


class PeerRefusedError(PeerError):
    """The peer was refused, for the reasons in `refusals`."""

    def __init__(self, peer: str, refusals: Iterable[PeerRefusal], *, detail: str = "") -> None:
        found = frozenset(refusals)
        self.refusals = tuple(reason for reason in PeerRefusal if reason in found)
        names = ", ".join(reason.name for reason in self.refusals)
        super().__init__(peer, f"refused: {names}{': ' if detail else ''}{detail}")


class PeerNotVerifiedError(PeerError):
    """There is no verdict on the peer that holds: meet it first, or again."""


class RevocationsSilentError(PeerNotVerifiedError):
    """What is required is too much to rely on memory while nothing is heard of revocations: ask identity, or wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedPeer:
    """An agent that proved who it is, and what identity said of it then."""

    did: str
    environment: str
    did_version_id: str
    revocation_epoch: int
    score: int
    ring: int
    scopes: tuple[str, ...]
    """What its birth certificate is known to cover: all of it by a statement, else what was required."""
    mutual: bool = False
    """Whether the other side was proven over the same transcript."""


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant by both clocks, in seconds."""

    steady: float
    wall: float

    def after(self, seconds: float) -> "Moment":
        """Return the moment so many seconds later."""
        return Moment(self.steady + seconds, self.wall + seconds)

    def reached(self, now: "Moment") -> bool:
        """Say whether `now` is this moment or later, by either clock."""
        return now.steady >= self.steady or now.wall >= self.wall


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the stream said of an agent: the lowest epoch still good, and whether that one is."""

    minimum_epoch: int
    usable: bool
    at: float


class PeerCache:
    """Verdicts by DID, shared by threads. One cache is of one agent, so of one environment."""

    def __init__(self, environment: str, *, most: int = MOST_PEERS) -> None:
        self._environment = environment
        self._most = most
        self._peers: OrderedDict[str, tuple[VerifiedPeer, Moment]] = OrderedDict()
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._heard = self._complete_since = -math.inf
        self._complete = False
        self._lock = threading.Lock()

    @property
    def epochs_remembered(self) -> int:
        """Of how many agents the stream's last word is remembered."""
        return len(self._seen)

    def keep(self, peer: VerifiedPeer, *, asked_at: Moment, until: Moment) -> None:
        """Keep a verdict, in place of the one on the same agent. Raises PeerRefusedError when it is out of date."""
        with self._lock:
            if peer.environment != self._environment or self._is_superseded(peer):
                raise PeerRefusedError(peer.did, {PeerRefusal.NOT_ACTIVE}, detail="it was revoked meanwhile")
            self._peers.pop(peer.did, None)
            if asked_at.steady < self._complete_since:
                return  # what happened between asking and the stream's beginning may have gone unheard
            self._peers[peer.did] = (peer, until)
            if len(self._peers) > self._most:
                self._peers.popitem(last=False)

    def find(self, did: str, require: Requirements, now: Moment) -> VerifiedPeer:
        """Return the verdict on `did` when it holds and meets `require` now. Raises PeerError."""
        with self._lock:
            held = self._peers.get(did)
            if held is None:
                raise PeerNotVerifiedError(did, "there is no verdict on it that holds")
            peer, until = held
            if until.reached(now):
                del self._peers[did]
                raise PeerNotVerifiedError(did, "the verdict on it has expired")
            self._require_news(did, require, now)
        lacking = unmet(require, score=peer.score, ring=peer.ring, scopes=peer.scopes)
        if lacking:
            raise PeerRefusedError(did, lacking)
        return peer

    def require_news(self, did: str, require: Requirements, now: Moment) -> None:
        """Raise RevocationsSilentError when `require` is too much for what cannot have been revoked unheard."""
        with self._lock:
            self._require_news(did, require, now)

    def stream_began(self) -> None:
        """Note that a new stream is read: it may have missed something, so it counts from its first bookmark on."""
        with self._lock:
            self._complete = False

    def revoked(self, did: str, *, minimum_epoch: int, usable: bool, now: Moment) -> None:
        """Note what the stream said of an agent, and drop the verdict on it."""
        with self._lock:
            self._peers.pop(did, None)
            self._seen.pop(did, None)
            self._seen[did] = _Seen(minimum_epoch, usable, now.steady)
            self._forget_seen(now)
            self._hear(now)

    def other_news(self, now: Moment) -> None:
        """Note that the stream said something that is not about an agent."""
        with self._lock:
            self._hear(now)

    def bookmark(self, now: Moment) -> None:
        """Note that the stream has told everything so far."""
        with self._lock:
            if not self._complete:
                self._peers.clear()  # something may have gone unheard before this stream
                self._complete, self._complete_since = True, now.steady
            self._heard = now.steady
            self._forget_seen(now)

    def _hear(self, now: Moment) -> None:
        if self._complete:
            self._heard = now.steady

    def _is_superseded(self, peer: VerifiedPeer) -> bool:
        seen = self._seen.get(peer.did)
        if seen is None or peer.revocation_epoch > seen.minimum_epoch:
            return False
        return peer.revocation_epoch < seen.minimum_epoch or not seen.usable

    def _require_news(self, did: str, require: Requirements, now: Moment) -> None:
        if require.ring > _SENSITIVE_RING and require.score < _SENSITIVE_SCORE:
            return
        if not self._complete or now.steady - self._heard >= LONGEST_SILENCE:
            raise RevocationsSilentError(did, "nothing is heard of revocations, and what is required is too much then")

    def _forget_seen(self, now: Moment) -> None:
        while self._seen:
            did, oldest = next(iter(self._seen.items()))
            if now.steady - oldest.at < EPOCHS_REMEMBERED:
                return
            del self._seen[did]
