"""Use cases of bundles: push one, and only a whole one; read the active one.

Compiling happens before the transaction and in a thread of its own, so a large bundle holds up neither the writer nor
the decisions made meanwhile. The etag is checked inside the transaction, where nobody can come between.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from ringfence_kit import records
from ringfence_kit.errors import EtagMismatch
from ringfence_kit.events import Change
from ringfence_kit.store import Mutation, Writer

from ringfence_pdp.bundle import BUNDLE, Bundle, PolicyFile, digest_of, in_order
from ringfence_pdp.store import PolicyTx


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
    """Activate `files` as one bundle and return it.

    Raises whatever `compile_files` raises (`BundleInvalid`), and `EtagMismatch` when `etag` is given and another bundle
    is active. `validate_only` does everything but activate.
    """
    ordered = in_order(files)
    compiled = await asyncio.to_thread(compile_files, ordered)
    digest = digest_of(ordered)

    def work(tx: PolicyTx) -> Bundle:
        active = tx.active_bundle()
        current = active.etag if active is not None else ""
        if etag and etag != current:
            raise EtagMismatch(name=active.name if active is not None else "bundles/-", expected=etag, current=current)
        bundle = Bundle(
            digest=digest,
            files=ordered,
            policy_count=compiled.policy_count,
            rule_count=compiled.rule_count,
            author=mutation.principal,
            pushed_at=mutation.at,
            revision=tx.next_revision,
        )
        tx.activate(bundle)
        tx.record(Change.ADDED if active is None else Change.MODIFIED, BUNDLE, bundle.name, records.encode(bundle))
        return bundle

    return await writer.write(work, mutation=mutation, result=Bundle, validate_only=validate_only)
