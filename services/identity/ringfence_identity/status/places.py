"""Where the status of a birth certificate stands: a place in a pair of status lists that tells nothing by itself.

- a certificate has one place for good: the same index in a list for revocation and in one for suspension;
- places are given out by a keyed permutation of the order in which certificates are issued. Two certificates never
  share one, no free one has to be looked for, and from its index nobody learns when an agent was enrolled, or which
  certificates are of one agent (Bitstring Status List 1.0, section 6.3);
- how many certificates an environment issued shows in its number of lists, to the nearest 131,072.
"""

import hmac
from dataclasses import dataclass
from hashlib import sha256

from ringfence_kit.sealed_keys import MacKey

PLACES = 131_072
"""The entries of a list: the fewest a list may have, so that one entry hides among many (section 2.2)."""

_LOW_BITS = 9
_HIGH_BITS = 8
_ROUNDS = 4
_PREFIX = b"ringfence.dev/identity/v1/status-place\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPlace:
    """A place in the `pair`-th pair of lists of an environment, from 1."""

    number: int
    """How many were given out in the environment before it; known to nobody outside."""
    pair: int
    index: int

    @property
    def revocation_list(self) -> int:
        """The number of the list that says whether it is revoked."""
        return 2 * self.pair - 1

    @property
    def suspension_list(self) -> int:
        """The number of the list that says whether its agent is suspended."""
        return 2 * self.pair


def place_of(number: int, key: MacKey) -> StatusPlace:
    """Return the place of certificate `number`, from 0, of the environment that holds `key`."""
    pair, position = divmod(number, PLACES)
    high, low = position >> _LOW_BITS, position & (1 << _LOW_BITS) - 1
    # A Feistel network over 8 and 9 bits: each half is masked by a function of the other, so every step can be undone
    # and two positions never meet.
    for turn in range(_ROUNDS):
        high ^= _mask(key, pair, turn, low) >> 16 - _HIGH_BITS
        low ^= _mask(key, pair, turn + _ROUNDS, high) >> 16 - _LOW_BITS
    return StatusPlace(number=number, pair=pair + 1, index=high << _LOW_BITS | low)


def _mask(key: MacKey, pair: int, turn: int, half: int) -> int:
    message = _PREFIX + pair.to_bytes(8, "big") + bytes((turn,)) + half.to_bytes(2, "big")
    return int.from_bytes(hmac.digest(key.secret, message, sha256)[:2], "big")
