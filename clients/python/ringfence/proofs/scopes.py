"""Scopes: what a permission says, which permission covers which wish, and what two holders have in common.

A scope is segments joined by colons, ASCII lower case; `*` may stand only as the whole last segment and covers any
one or more segments there. `*` alone is no scope: nobody holds everything.

Two scopes have something in common only when one covers the other, so what two holders have in common is made of scopes
that one of them wrote; nothing new is ever spelled.
"""

import re
from collections.abc import Iterable, Iterator

MAX_SCOPE_BYTES = 256

_SEGMENT = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"
_SCOPE = re.compile(rf"{_SEGMENT}(?::{_SEGMENT})*(?::\*)?")

SCOPE_SHAPE = "segment:segment with [a-z0-9._-], `*` only as the last of several segments"


def is_scope(text: str) -> bool:
    """Say whether `text` is a scope."""
    return len(text) <= MAX_SCOPE_BYTES and _SCOPE.fullmatch(text) is not None


def covers(held: str, wanted: str) -> bool:
    """Say whether whoever holds `held` may be given `wanted`."""
    if held == wanted:
        return True
    return held.endswith(":*") and wanted.startswith(held[:-1]) and len(wanted) > len(held) - 1


def not_covered(held: Iterable[str], wanted: Iterable[str]) -> tuple[str, ...]:
    """Return the scopes of `wanted` that nothing in `held` covers."""
    known = frozenset(held)
    return tuple(scope for scope in wanted if not _is_covered(known, scope))


def meet(one: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    """Return the fewest scopes that cover exactly what both cover, in order of spelling."""
    mine, theirs = frozenset(one), frozenset(other)
    common = {scope for scope in mine if _is_covered(theirs, scope)}
    common |= {scope for scope in theirs if _is_covered(mine, scope)}
    return tuple(sorted(scope for scope in common if not any(wider in common for wider in _wider(scope))))


def _is_covered(held: frozenset[str], wanted: str) -> bool:
    return wanted in held or any(wider in held for wider in _wider(wanted))


def _wider(scope: str) -> Iterator[str]:
    """Yield every other scope that covers `scope`: as many as it has colons, however many scopes there are."""
    end = scope.find(":")
    while end != -1:
        if scope[end:] != ":*":
            yield scope[: end + 1] + "*"
        end = scope.find(":", end + 1)
