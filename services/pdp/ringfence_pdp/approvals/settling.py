"""Use cases of the question: ask people, find what they said, use it up; and end what nobody answered.

What may happen only once happens in one transaction: an approval is opened, or found, or used there, so two calls that
race, two replicas, and a process that is killed in between cannot use one approval twice.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Change
from ringfence_kit.store import Mutation, Writer

from ringfence_pdp.approvals.approval import APPROVAL, Approval, Asked, Question, State
from ringfence_pdp.approvals.binding import binding_digest
from ringfence_pdp.approvals.store import ApprovalTx

FORGET_AT_ONCE = 16
"""Ended approvals forgotten beside the opening of one: more than come to be in its place."""

PDP = "pdp"
"""Who ends an approval whose time is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How many approvals there may be."""

    open_of_one: int
    """Open ones of one agent."""
    open_of_namespace: int
    """Open ones of all agents of one namespace, so that none can fill what all share."""
    open_in_all: int
    kept: int
    """Ended ones that are kept to be looked at."""


class Settlement(enum.Enum):
    """What became of a question."""

    OPENED = "opened"
    WAITING = "waiting"
    USED = "used"
    TOO_MANY_OF_ONE = "too many of one"
    TOO_MANY_OF_NAMESPACE = "too many of one namespace"
    TOO_MANY = "too many"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of a question, and the approval it stands on; None when there are too many."""

    settlement: Settlement
    approval: Approval | None
    expired: Approval | None = None
    """One of the same question that was found to be over."""


async def settle(
    writer: Writer[ApprovalTx],
    *,
    question: Question,
    question_key: str,
    asked: Asked,
    approval_id: str,
    nonce: str,
    bounds: Bounds,
    mutation: Mutation,
) -> Settled:
    """Use the approval of this question if it was given, else return the one that waits, else open one."""

    def work(tx: ApprovalTx) -> Settled:
        found = tx.open_approval(question_key)
        expired = None
        if found is not None:
            found = found.at(mutation.at)
            if found.state is State.EXPIRED:
                expired, found = keep_changed(tx, found), None
        # Whoever said yes does not use it as well, whatever else they may do here.
        if found is not None and found.state is State.APPROVED and found.vote_of(asked.principal) is None:
            used = keep_changed(tx, found.used(asked.decision_id, mutation.at))
            return Settled(settlement=Settlement.USED, approval=used)
        if found is not None:
            return Settled(settlement=Settlement.WAITING, approval=found)
        if tx.count_open(did=question.did) >= bounds.open_of_one:
            return Settled(settlement=Settlement.TOO_MANY_OF_ONE, approval=None, expired=expired)
        if tx.count_open(namespace=question.namespace) >= bounds.open_of_namespace:
            return Settled(settlement=Settlement.TOO_MANY_OF_NAMESPACE, approval=None, expired=expired)
        if tx.count_open() >= bounds.open_in_all:
            return Settled(settlement=Settlement.TOO_MANY, approval=None, expired=expired)
        _forget_old(tx, bounds.kept)
        expires_at = Instant(mutation.at + question.timeout)
        opened = Approval(
            name=f"approvals/{approval_id}",
            question=question,
            question_key=question_key,
            asked=asked,
            nonce=nonce,
            binding_digest=binding_digest(question, nonce=nonce, expires_at=expires_at),
            opened_at=mutation.at,
            expires_at=expires_at,
            revision=tx.next_revision,
        )
        tx.keep_approval(opened)
        tx.record(Change.ADDED, APPROVAL, opened.name, records.encode(opened))
        return Settled(settlement=Settlement.OPENED, approval=opened, expired=expired)

    return await writer.write(work, mutation=mutation, result=Settled)


async def end_expired(writer: Writer[ApprovalTx], *, names: Sequence[str], now: Instant) -> Sequence[Approval]:
    """End those of `names` whose time is over, and return them."""

    def work(tx: ApprovalTx) -> tuple[Approval, ...]:
        ended = []
        for name in names:
            found = tx.approval(name)
            if found is not None and found.state.is_open and found.at(now).state is State.EXPIRED:
                ended.append(keep_changed(tx, found.at(now)))
        return tuple(ended)

    return await writer.write(work, mutation=Mutation(principal=PDP, at=now), result=tuple[Approval, ...])


def keep_changed(tx: ApprovalTx, approval: Approval) -> Approval:
    """Store a changed approval with its event; return it as stored."""
    stored = replace(approval, revision=tx.next_revision)
    tx.keep_approval(stored)
    tx.record(Change.MODIFIED, APPROVAL, stored.name, records.encode(stored))
    return stored


def _forget_old(tx: ApprovalTx, kept: int) -> None:
    for old in tx.ended_approvals(beyond=kept, at_most=FORGET_AT_ONCE):
        tx.forget_approval(old.name)
        tx.record(Change.DELETED, APPROVAL, old.name, records.encode(old))
