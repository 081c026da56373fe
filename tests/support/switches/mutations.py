"""Short ways to say who asks for what, for tests."""

from dataclasses import replace

from ringfence_kit.clock import Instant
from ringfence_kit.store import Mutation, fingerprint_of

NOW = Instant(1_767_225_600_000)


def by(principal: str = "ada", *, at: int = NOW) -> Mutation:
    """Return a mutation without a request id."""
    return Mutation(principal=principal, at=Instant(at))


def once(request_id: str, *, content: bytes = b"", method: str = "/switches/Flip", at: int = NOW) -> Mutation:
    """Return a mutation with a request id."""
    return replace(by(at=at), request_id=request_id, method=method, fingerprint=fingerprint_of(content))
