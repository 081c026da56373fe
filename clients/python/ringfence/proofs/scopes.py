"""Scopes: what a permission says, and which permission covers which wish.

A scope is segments joined by colons, ASCII lower case; `*` may stand only as the whole last segment and covers any
one or more segments there. `*` alone is no scope: nobody holds everything.
"""

import re

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


def not_covered(held: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the scopes of `wanted` that nothing in `held` covers."""
    return tuple(scope for scope in wanted if not any(covers(permission, scope) for permission in held))
