"""What identity said of DIDs a moment ago, so that a hundred cards of one agent ask once.

- An answer is good for `GOOD_FOR`, or until identity's stream reports a change of that DID, which forgets it: also one
  that was asked for before and arrives after.
- That a DID is unknown is remembered for a shorter while: an agent is enrolled first and signs then.
- At most `DIDS_REMEMBERED` answers are kept; the oldest go.
"""

from collections import OrderedDict
from dataclasses import dataclass

from ringfence_kit.clock import SECOND, Instant, Millis

from ringfence_registry.cards.signatures.keys import AgentKeys, IdentityReader

GOOD_FOR = Millis(15 * SECOND)
UNKNOWN_FOR = Millis(2 * SECOND)
DIDS_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Answer:
    keys: AgentKeys | None
    at: Instant

    def good(self, now: Instant) -> bool:
        return 0 <= now - self.at < (UNKNOWN_FOR if self.keys is None else GOOD_FOR)


class RememberedKeys:
    """The keys of agents by DID."""

    def __init__(self, identity: IdentityReader, *, at_most: int = DIDS_REMEMBERED) -> None:
        self._identity = identity
        self._at_most = at_most
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._asking: dict[str, object] = {}
        """DID → the call whose answer will be remembered."""

    async def keys_of(self, did: str, now: Instant) -> AgentKeys | None:
        """Return what identity says of `did`, None when it knows no such agent. Raises `IdentityAway`."""
        known = self._answers.get(did)
        if known is not None and known.good(now):
            return known.keys
        call = self._asking[did] = object()
        try:
            keys = await self._identity.keys_of(did)
        finally:
            wanted = self._asking.get(did) is call
            if wanted:
                del self._asking[did]
        if wanted:
            self._remember(did, _Answer(keys, now))
        return keys

    def forget(self, did: str) -> None:
        """Ask anew about `did`, and remember no answer that is on its way."""
        self._answers.pop(did, None)
        self._asking.pop(did, None)

    def _remember(self, did: str, answer: _Answer) -> None:
        self._answers.pop(did, None)
        while len(self._answers) >= self._at_most:
            self._answers.popitem(last=False)
        self._answers[did] = answer
