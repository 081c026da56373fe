"""Under what the spans of a trace are kept: its id, and apart from it whatever a reporter says that is not believed.

Such a reporter has a ledger of its own for each trace, whose key is the trace id and eight bytes that stand for the
reporter: what it says touches nobody else's.
"""

import hashlib
from typing import NewType

TraceKey = NewType("TraceKey", bytes)
"""A trace id; with eight bytes that stand for the reporter when the reporter is not believed."""

TRACE_ID_SIZE = 16
SUFFIX_SIZE = 8


def suffix_of(principal: str) -> bytes:
    """Return what is added to a trace id for the ledger of a reporter that is not believed."""
    return hashlib.sha256(principal.encode()).digest()[:SUFFIX_SIZE]


def is_trusted(key: TraceKey) -> bool:
    """Say whether the spans under a key are believed."""
    return len(key) == TRACE_ID_SIZE


def trace_id_of(key: TraceKey) -> bytes:
    """Return the trace id of a key."""
    return key[:TRACE_ID_SIZE]


def keys_of(trace_id: bytes) -> tuple[TraceKey, TraceKey]:
    """Return the first and the last key a trace can have; between them is nothing of another trace."""
    return TraceKey(trace_id), TraceKey(trace_id + b"\xff" * SUFFIX_SIZE)
