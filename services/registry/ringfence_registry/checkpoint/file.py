"""The checkpoint of a catalog as one file, bound to the code that wrote it and to the database it was read from.

- What does not fit is ignored, with a line in the log, and everything is worked out anew: the file may be old, torn, of
  other code or of another database, and may be deleted at any time.
- What fits is still not believed: the catalog takes of it only what belongs to records as the database has them now
  (`AgentCatalog.restore`), so a database restored from a backup needs no care either.
- It holds what the database holds of agents, so nobody else may read it (0600).
"""

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import structlog
from ringfence_kit.proven_frames import NoFrames, read_frames, write_frames

from ringfence_registry.checkpoint.code import DIGEST_SIZE, digest_of_code
from ringfence_registry.checkpoint.held_agents import frames_of, held_in
from ringfence_registry.finding.catalog import HeldAgents

_FORMAT = b"ringfence registry checkpoint 1\n"

_log = structlog.get_logger(__name__)


class CheckpointFile:
    """Writes and reads the checkpoint."""

    def __init__(self, path: Path, database_key: Callable[[], bytes], *, code: bytes | None = None) -> None:
        """`database_key` returns a secret of the database, the same for each of its replicas; it has to be open."""
        self._path = path
        self._database_key = database_key
        self._code = code
        self._writing = threading.Lock()
        """A thread cannot be stopped: one that was begun may still be writing when the last one comes."""

    def write(self, held: HeldAgents) -> None:
        """Put `held` in the place of what was written before, in some seconds. What fails is told in the log."""
        mark = self._mark()
        if not mark:
            return
        with self._writing:
            self._write(mark, held)

    def read(self) -> HeldAgents | None:
        """Return what was written last; None when there is nothing that fits."""
        try:
            held = held_in(read_frames(self._path, self._key_for, len(_FORMAT) + DIGEST_SIZE))
        except NoFrames as reason:
            _log.info("checkpoint_ignored", path=str(self._path), reason=reason.problem)
            return None
        _log.info("checkpoint_read", agents=len(held.names))
        return held

    def _write(self, mark: bytes, held: HeldAgents) -> None:
        try:
            size = write_frames(self._path, mark, self._key(mark), frames_of(held))
        except OSError as error:
            _log.warning("checkpoint_not_written", path=str(self._path), problem=error.strerror)
            return
        _log.info("checkpoint_written", agents=len(held.names), bytes=size)

    def _key_for(self, mark: bytes) -> bytes:
        if not mark.startswith(_FORMAT):
            raise NoFrames("it is of another format")
        if mark != self._mark():
            raise NoFrames("it was written by other code")
        return self._key(mark)

    def _key(self, mark: bytes) -> bytes:
        return hashlib.blake2b(mark, key=self._database_key(), person=b"rf-checkpoint").digest()

    def _mark(self) -> bytes:
        if self._code is None:
            self._code = digest_of_code()
        return _FORMAT + self._code if self._code else b""
