"""Which version of a DID is meant, and what DID Resolution says about it; pure, from the stored lines of its log.

- without a wish the newest version is meant; a version that is named is shown as it was, also of a DID that is out of
  use by now, which the metadata says either way (did:webvh 1.0, Read);
- by a moment, the version that was in force then is meant: the last one whose `versionTime` is not after it.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from ringfence.proofs.did_log import LogEntry
from ringfence.proofs.did_log_check import stored_entry
from ringfence.proofs.timestamps import timestamp
from ringfence_kit.clock import Instant

from ringfence_identity.errors import DidVersionNotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which version is asked for: by its id, by a moment, or the newest."""

    version_id: str = ""
    version_time: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a DID among the others."""

    entry: LogEntry
    first: LogEntry
    following: LogEntry | None
    """The version after it; None for the newest."""
    deactivated: bool
    """Whether the DID is out of use, now, whatever version this is."""

    @property
    def ends_the_did(self) -> bool:
        """Whether this is the version that took the DID out of use: it has no document."""
        return ends_the_did(self.entry)


def find_version(did: str, lines: Sequence[str], wanted: Wanted) -> Version:
    """Return the version that is `wanted`, or raise `DidVersionNotFound`; `lines` are the whole log, oldest first."""
    index = _index(did, lines, wanted)
    newest = stored_entry(lines[-1])
    return Version(
        entry=stored_entry(lines[index]),
        first=stored_entry(lines[0]),
        following=stored_entry(lines[index + 1]) if index + 1 < len(lines) else None,
        deactivated=ends_the_did(newest),
    )


def ends_the_did(entry: LogEntry) -> bool:
    """Say whether `entry` takes its DID out of use."""
    return entry.parameters.get("deactivated") is True


def _index(did: str, lines: Sequence[str], wanted: Wanted) -> int:
    if wanted.version_id:
        return _by_id(did, lines, wanted.version_id)
    if wanted.version_time is not None:
        return _by_time(did, lines, wanted.version_time)
    return len(lines) - 1


def _by_id(did: str, lines: Sequence[str], version_id: str) -> int:
    number, _, _ = version_id.partition("-")
    # Numbers count from 1 without a gap, so the id says where to look; nothing else has to be read.
    index = int(number) - 1 if number.isascii() and number.isdecimal() and len(number) < 10 else -1
    if not 0 <= index < len(lines) or stored_entry(lines[index]).version_id != version_id:
        raise DidVersionNotFound(did=did, wanted=version_id)
    return index


def _by_time(did: str, lines: Sequence[str], at: Instant) -> int:
    # Times strictly increase, so a few entries tell.
    index = bisect_right(lines, at, key=lambda line: stored_entry(line).version_time) - 1
    if index < 0:
        raise DidVersionNotFound(did=did, wanted=f"as early as {timestamp(at)}")
    return index
