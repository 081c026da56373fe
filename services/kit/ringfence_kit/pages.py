"""Page tokens (AIP-158): where a List goes on, sealed for one caller and one set of arguments.

A token holds a keyset cursor and no authority: whoever presents one is still checked like any caller. It is authentic
(HMAC-SHA256), bound to the caller and to the other arguments of the List, lasts three days, and is URL-safe text.
Tokens are for one service's own use; their form is free to change, which costs clients one restarted List.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable

from ringfence_kit.clock import DAY, Instant, Millis
from ringfence_kit.errors import PageTokenInvalid

TOKEN_KEPT = Millis(3 * DAY)
"""How long a token may be used."""

MIN_KEY_BYTES = 32

_VERSION = b"\x01"
_TIME_BYTES = 8
_MAC_BYTES = hashlib.sha256().digest_size
_OVERHEAD = len(_VERSION) + _TIME_BYTES + _MAC_BYTES
_FOREIGN = "it was not made here for this caller and these arguments"


class PageTokens:
    """Seals and opens tokens with one key of at least 32 bytes, the same on all replicas.

    `key` is asked at each use, because the store that keeps it is opened later: `PageTokens(database.mac_key)`.
    """

    def __init__(self, key: Callable[[], bytes]) -> None:
        self._key = key

    def seal(self, cursor: bytes, *, caller: str, arguments: bytes, now: Instant) -> str:
        """Return a token for `cursor` (never empty text, so an empty `page_token` keeps its meaning).

        `arguments` are the deterministic bytes of the request with page_token and page_size cleared: AIP-158 lets the
        page size change between pages, and nothing else.
        """
        body = _VERSION + now.to_bytes(_TIME_BYTES, "big", signed=True) + cursor
        return _to_text(body + self._mac(body, caller, arguments))

    def open(self, token: str, *, caller: str, arguments: bytes, now: Instant) -> bytes:
        """Return the cursor sealed in `token`, or raise `PageTokenInvalid`."""
        sealed = _from_text(token)
        if len(sealed) < _OVERHEAD:
            raise PageTokenInvalid(problem=_FOREIGN)
        body, mac = sealed[:-_MAC_BYTES], sealed[-_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(body, caller, arguments)) or body[:1] != _VERSION:
            raise PageTokenInvalid(problem=_FOREIGN)
        made_at = int.from_bytes(body[1 : 1 + _TIME_BYTES], "big", signed=True)
        if now >= made_at + TOKEN_KEPT:
            raise PageTokenInvalid(problem="it has expired")
        return body[1 + _TIME_BYTES :]

    def _mac(self, body: bytes, caller: str, arguments: bytes) -> bytes:
        # Each part is hashed first: parts of fixed length cannot be shifted into each other.
        parts = (hashlib.sha256(part).digest() for part in (body, caller.encode(), arguments))
        key = self._key()
        if len(key) < MIN_KEY_BYTES:
            raise ValueError(f"a page token key needs at least {MIN_KEY_BYTES} bytes, not {len(key)}")
        return hmac.digest(key, b"".join(parts), "sha256")


def _to_text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")


def _from_text(token: str) -> bytes:
    try:
        sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise PageTokenInvalid(problem=_FOREIGN) from None
    # RFC 4648 3.5: spare bits at the end decode to the same bytes. One token has one spelling.
    if _to_text(sealed) != token:
        raise PageTokenInvalid(problem=_FOREIGN)
    return sealed
