"""Signing what the log has become: after the commits, beside the writer, and never anything but what was committed.

The rules:

- a checkpoint is signed over a committed state, in a thread that only reads; the writer does no more than keep it;
- it leaves this service after it is kept: whatever was shown is what the next start is held to;
- whoever asks for the newest gets one that covers everything acknowledged before they asked; those who ask together
  share one signature;
- nobody needs to ask: what is not yet covered is signed within `every`.
"""

import asyncio

import structlog
from ringfence_kit.clock import Clock, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.events import EMPTY
from ringfence_kit.log_keys import LogKeys, StoredCheckpoint
from ringfence_kit.records import RecordUnreadable
from ringfence_kit.store import Mutation, Writer
from ringfence_kit.watch import EventHub

from ringfence_identity.store.transparency import LogStore, LogTx, LogView
from ringfence_identity.transparency.log import LogDoesNotFit, check_log, is_signed_by, keep_checkpoint, sign_log

_log = structlog.get_logger(__name__)


class Checkpoints:
    """The signed checkpoints of the log, in the order they were signed."""

    def __init__(
        self, store: LogStore, writer: Writer[LogTx], hub: EventHub, keys: LogKeys, *, principal: str, clock: Clock
    ) -> None:
        """`principal` keeps the checkpoints: the service itself."""
        self._store = store
        self._writer = writer
        self._hub = hub
        self._keys = keys
        self._principal = principal
        self._clock = clock
        self._signing = asyncio.Lock()

    async def open(self) -> None:
        """Check that the stored log is the one that was signed, and sign it as it stands. Raises LogDoesNotFit."""
        revision = self._hub.newest
        try:
            await self._store.with_log(lambda log: check_log(log, self._keys, revision=revision))
        except RecordUnreadable as error:
            raise LogDoesNotFit(problem=f"is damaged ({error})") from error
        await self.newest()

    async def newest(self) -> StoredCheckpoint:
        """Return a checkpoint that covers whatever was acknowledged before this call."""
        covering = await self._store.with_log(self._covering)
        if covering is not None:
            return covering
        async with self._signing:
            # Who held the lock before us may have signed just this.
            return await self._store.with_log(self._covering) or await self._sign()

    async def run(self, *, every: Millis) -> None:
        """Sign what has been committed, `every` so often, until cancelled."""
        signed = EMPTY
        while True:
            await self._clock.sleep(every)
            revision = self._hub.newest
            if revision == signed:
                continue
            try:
                await self.newest()
            except Unavailable as error:
                _log.warning("checkpoint_put_off", problem=error.message)
            else:
                signed = revision

    async def _sign(self) -> StoredCheckpoint:
        at = self._clock.now()
        signed = await self._store.with_log(lambda log: sign_log(log, self._keys, at=at))
        return await self._writer.write(
            lambda tx: keep_checkpoint(tx, signed),
            mutation=Mutation(principal=self._principal, at=at),
            result=StoredCheckpoint,
        )

    def _covering(self, log: LogView) -> StoredCheckpoint | None:
        newest = log.log_checkpoint()
        if newest is None or newest.frontier.size != log.log_tree().size:
            return None
        return newest if is_signed_by(newest.note, self._keys.verifier_key) else None
