"""Decisions that were made elsewhere on this pdp's snapshot, on their way to telemetry's audit log."""

from collections.abc import Awaitable, Callable

from ringfence.errors import RingfenceError
from ringfence_kit.errors import InvalidRequest, Unavailable, Violation

from ringfence_pdp.decision_batches import REFUSED_FOR_GOOD


async def log_uploaded(entries: bytes, append: Callable[[bytes], Awaitable[None]]) -> None:
    """Have entries appended; they are durable when this returns.

    Raises InvalidRequest for what telemetry refuses for good, and Unavailable for what may be tried again.
    """
    try:
        await append(entries)
    except RingfenceError as error:
        if error.reason in REFUSED_FOR_GOOD:
            raise InvalidRequest(Violation("entries", f"are refused by telemetry: {error}")) from error
        raise Unavailable(problem=f"telemetry does not take decisions: {error}") from error
