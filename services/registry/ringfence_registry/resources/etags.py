"""Which state of a resource somebody decided on (AIP-154), and when it changed."""

import hashlib
from typing import Protocol

from ringfence_kit.clock import Instant
from ringfence_kit.errors import EtagMismatch
from ringfence_kit.events import Revision


class Versioned(Protocol):
    """What every stored resource carries."""

    @property
    def name(self) -> object:
        """Its resource name, as text."""
        ...

    @property
    def uid(self) -> str:
        """A UUID that is never reused."""
        ...

    @property
    def revision(self) -> Revision:
        """Of its last change."""
        ...

    @property
    def updated_at(self) -> Instant:
        """When that was."""
        ...


def etag_of(resource: Versioned) -> str:
    """Return a strong etag (RFC 9110 8.8.3). Revisions alone may come again after a restore from a backup."""
    change = f"{resource.uid} {resource.revision} {resource.updated_at}"
    return f'"{resource.revision}-{hashlib.sha256(change.encode()).hexdigest()[:12]}"'


def require_etag(resource: Versioned, etag: str) -> None:
    """Raise `EtagMismatch` when `etag` is given and `resource` has changed since."""
    current = etag_of(resource)
    if etag and etag != current:
        raise EtagMismatch(name=str(resource.name), expected=etag, current=current)


def later(resource: Versioned, now: Instant) -> Instant:
    """Return `now`, or the last change when a clock was set back: nothing is changed before it was."""
    return max(resource.updated_at, now)
