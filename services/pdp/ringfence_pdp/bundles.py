"""Use cases of bundles: push one, or keep it without letting it decide; and only a whole one.

Compiling, and working out the digest, happen before the transaction and in a thread of their own, so a large bundle
holds up neither the writer nor the decisions made meanwhile. The etag is checked inside the transaction, where nobody
can come between. The newest bundles are kept, and those the rollout speaks of; the others are forgotten in the same
transaction.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from ringfence_kit import records
from ringfence_kit.errors import EtagMismatch
from ringfence_kit.events import Change
from ringfence_kit.store import Mutation, Writer

from ringfence_pdp.bundle import BUNDLE, Bundle, PolicyFile, digest_of, in_order
from ringfence_pdp.rollout.rollout import NOTHING_YET
from ringfence_pdp.rollout.rollouts import put_in_force
from ringfence_pdp.store import PolicyTx

BUNDLES_KEPT = 20
"""Bundles that are kept because they are the newest."""


class Compiled(Protocol):
    """What a bundle that compiles consists of."""

    @property
    def policy_count(self) -> int:
        """How many policies there are."""
        ...

    @property
    def rule_count(self) -> int:
        """How many rules they have."""
        ...


async def push_bundle(
    writer: Writer[PolicyTx],
    *,
    files: Sequence[PolicyFile],
    compile_files: Callable[[Sequence[PolicyFile]], Compiled],
    etag: str,
    mutation: Mutation,
    validate_only: bool = False,
) -> Bundle:
    """Activate `files` as one bundle and return it. What was tried beside the active one is tried no more.

    Raises whatever `compile_files` raises (`BundleInvalid`), and `EtagMismatch` when `etag` is given and another bundle
    is active. `validate_only` does everything but activate.
    """
    draft = await _draft(files, compile_files, mutation)

    def work(tx: PolicyTx) -> Bundle:
        active = tx.bundle((tx.rollout() or NOTHING_YET).active)
        current = active.etag if active is not None else ""
        if etag and etag != current:
            raise EtagMismatch(name=active.name if active is not None else "bundles/-", expected=etag, current=current)
        bundle = _keep(tx, draft)
        put_in_force(tx, bundle.digest, mutation)
        _forget_old(tx, bundle)
        return bundle

    return await writer.write(work, mutation=mutation, result=Bundle, validate_only=validate_only)


async def upload_bundle(
    writer: Writer[PolicyTx],
    *,
    files: Sequence[PolicyFile],
    compile_files: Callable[[Sequence[PolicyFile]], Compiled],
    mutation: Mutation,
) -> Bundle:
    """Keep `files` as one bundle, which decides nothing, and return it. Raises what `compile_files` raises."""
    draft = await _draft(files, compile_files, mutation)

    def work(tx: PolicyTx) -> Bundle:
        bundle = _keep(tx, draft)
        _forget_old(tx, bundle)
        return bundle

    return await writer.write(work, mutation=mutation, result=Bundle)


async def _draft(
    files: Sequence[PolicyFile], compile_files: Callable[[Sequence[PolicyFile]], Compiled], mutation: Mutation
) -> Bundle:
    ordered = in_order(files)

    def look() -> tuple[Compiled, str]:
        return compile_files(ordered), digest_of(ordered)

    compiled, digest = await asyncio.to_thread(look)
    return Bundle(
        digest=digest,
        files=ordered,
        policy_count=compiled.policy_count,
        rule_count=compiled.rule_count,
        author=mutation.principal,
        pushed_at=mutation.at,
        revision=0,
    )


def _keep(tx: PolicyTx, draft: Bundle) -> Bundle:
    bundle = replace(draft, revision=tx.next_revision)
    there = tx.bundle(bundle.digest) is not None
    tx.keep(bundle)
    tx.record(Change.MODIFIED if there else Change.ADDED, BUNDLE, bundle.name, records.encode(bundle))
    return bundle


def _forget_old(tx: PolicyTx, newest: Bundle) -> None:
    """Forget what is neither among the newest nor spoken of."""
    named = (tx.rollout() or NOTHING_YET).named | {newest.digest}
    for digest in tx.kept_digests()[BUNDLES_KEPT:]:
        if digest in named:
            continue
        forgotten = tx.bundle(digest)
        if forgotten is not None:
            tx.drop(digest)
            tx.record(Change.DELETED, BUNDLE, forgotten.name, records.encode(replace(forgotten, files=())))


def page_of(kept: Sequence[Bundle], *, before: int, size: int) -> tuple[Sequence[Bundle], bool]:
    """Return up to `size` of the kept bundles older than revision `before` (0: the newest), and whether more follow."""
    older = [bundle for bundle in kept if not before or bundle.revision < before]
    return older[:size], len(older) > size
