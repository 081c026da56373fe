"""Use cases of the rollout: try a kept bundle, let it decide, go back, and end a trial that goes wrong.

Whatever a bundle has to show (that it is kept, that it compiles here) is shown before the transaction, in a thread;
what may have changed meanwhile is looked at again inside it. So going back takes one event, however large the bundle.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from ringfence_kit import records
from ringfence_kit.errors import EtagMismatch
from ringfence_kit.events import Change
from ringfence_kit.store import Mutation, Writer

from ringfence_pdp.bundle import Bundle, PolicyFile, name_of
from ringfence_pdp.errors import BundleNotFound, RolloutConflict
from ringfence_pdp.rollout.rollout import NOTHING_YET, ROLLOUT, AutoAbort, Mode, Rollout
from ringfence_pdp.store import PolicyTx


class KeptBundles(Protocol):
    """The bundles there are, and what decides, as this process knows them."""

    @property
    def rollout(self) -> Rollout:
        """What decides, and what is tried."""
        ...

    def kept(self, digest: str) -> Bundle:
        """Return a bundle that is kept. Raises BundleNotFound."""
        ...

    def find(self, digest: str) -> Bundle | None:
        """Return a bundle that is kept, or None."""
        ...

    def compiled(self, files: Sequence[PolicyFile]) -> object:
        """Return files compiled. Raises BundleInvalid."""
        ...


async def set_rollout(
    writer: Writer[PolicyTx],
    bundles: KeptBundles,
    *,
    candidate: str,
    mode: Mode,
    percent: int,
    auto_abort: AutoAbort,
    etag: str,
    mutation: Mutation,
) -> Rollout:
    """Try `candidate` beside the active bundle, or nothing any more (NONE), and return the rollout."""
    if mode is not Mode.NONE:
        await asyncio.to_thread(bundles.compiled, bundles.kept(candidate).files)

    def changed(tx: PolicyTx, before: Rollout) -> Rollout:
        if mode is Mode.NONE:
            return _untried(before)
        if tx.bundle(candidate) is None:
            raise BundleNotFound(name=name_of(candidate))
        if candidate == before.active:
            problem = f"{name_of(candidate)} decides already; upload another one and try that"
            raise RolloutConflict(problem=problem)
        return replace(_untried(before), candidate=candidate, mode=mode, percent=percent, auto_abort=auto_abort)

    return await _change(writer, changed, etag=etag, mutation=mutation)


async def promote_bundle(writer: Writer[PolicyTx], *, etag: str, mutation: Mutation) -> Rollout:
    """Let what is tried decide everything, and return the rollout."""

    def changed(_: PolicyTx, before: Rollout) -> Rollout:
        if not before.candidate:
            raise RolloutConflict(
                problem="nothing is tried; SetRollout tries a kept bundle, PushBundle activates files"
            )
        return activated(before, before.candidate)

    return await _change(writer, changed, etag=etag, mutation=mutation)


async def roll_back(
    writer: Writer[PolicyTx], bundles: KeptBundles, *, digest: str, reason: str, etag: str, mutation: Mutation
) -> Rollout:
    """Let an earlier bundle decide again, the previous one when `digest` is empty, and return the rollout."""
    wanted = digest or bundles.rollout.previous
    if not wanted:
        raise BundleNotFound(name="")
    await asyncio.to_thread(bundles.compiled, bundles.kept(wanted).files)

    def changed(tx: PolicyTx, before: Rollout) -> Rollout:
        if not digest and before.previous != wanted:
            raise RolloutConflict(
                problem="the rollout changed meanwhile; look again, and name the bundle to go back to"
            )
        if tx.bundle(wanted) is None:
            raise BundleNotFound(name=name_of(wanted))
        return replace(activated(before, wanted), reason=reason)

    return await _change(writer, changed, etag=etag, mutation=mutation)


async def abort_trial(writer: Writer[PolicyTx], trial: Rollout, *, because: str, mutation: Mutation) -> None:
    """End `trial`, and keep why. Nothing happens when another change came first."""

    def work(tx: PolicyTx) -> None:
        before = tx.rollout() or NOTHING_YET
        if before.revision == trial.revision:
            _record(tx, replace(_untried(before), aborted_because=because), mutation)

    await writer.write(work, mutation=mutation, result=type(None))


def activated(before: Rollout, digest: str) -> Rollout:
    """Return the rollout after `digest` was put in force; what was tried is tried no more."""
    previous = before.previous if before.active in ("", digest) else before.active
    return replace(_untried(before), active=digest, previous=previous)


def put_in_force(tx: PolicyTx, digest: str, mutation: Mutation) -> Rollout:
    """Let the kept bundle `digest` decide, inside a transaction of somebody else."""
    return _record(tx, activated(tx.rollout() or NOTHING_YET, digest), mutation)


async def _change(
    writer: Writer[PolicyTx], changed: Callable[[PolicyTx, Rollout], Rollout], *, etag: str, mutation: Mutation
) -> Rollout:
    def work(tx: PolicyTx) -> Rollout:
        before = tx.rollout() or NOTHING_YET
        if etag and etag != before.etag:
            raise EtagMismatch(name=ROLLOUT, expected=etag, current=before.etag)
        return _record(tx, changed(tx, before), mutation)

    return await writer.write(work, mutation=mutation, result=Rollout)


def _untried(before: Rollout) -> Rollout:
    return Rollout(active=before.active, previous=before.previous)


def _record(tx: PolicyTx, after: Rollout, mutation: Mutation) -> Rollout:
    stamped = replace(after, actor=mutation.principal, changed_at=mutation.at, revision=tx.next_revision)
    tx.put_rollout(stamped)
    tx.record(Change.MODIFIED, ROLLOUT, ROLLOUT, records.encode(stamped))
    return stamped
