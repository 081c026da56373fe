"""Use cases of people: approve, deny, cancel.

Who may is looked at inside the transaction, on the approval as it is then. What the caller may not see is not there.
Two votes that race are taken one after the other, and a late one changes nothing.
"""

from collections.abc import Callable

from ringfence_kit.callers import Caller
from ringfence_kit.errors import EtagMismatch
from ringfence_kit.store import Mutation, Writer

from ringfence_pdp.approvals.approval import Approval, State, Vote
from ringfence_pdp.approvals.settling import keep_changed
from ringfence_pdp.approvals.store import ApprovalTx
from ringfence_pdp.approvals.voters import groups_of, may_cancel, why_not_vote, within_reach
from ringfence_pdp.errors import AlreadyVoted, ApprovalNotFound, ApprovalNotPending, ApproverNotEligible


async def vote(
    writer: Writer[ApprovalTx],
    *,
    caller: Caller,
    name: str,
    approve: bool,
    comment: str,
    binding: str,
    mutation: Mutation,
) -> Approval:
    """Cast the caller's vote and return the approval with it. `binding`: the digest they saw; empty takes any.

    Raises ApprovalNotFound, ApproverNotEligible, AlreadyVoted, ApprovalNotPending or EtagMismatch.
    """

    def work(tx: ApprovalTx) -> Approval:
        found = _found(tx, name, caller, mutation, known_to=within_reach)
        why_not = why_not_vote(caller, found)
        if why_not:
            raise ApproverNotEligible(name=name, principal=caller.principal, problem=why_not)
        if found.vote_of(caller.principal) is not None:
            raise AlreadyVoted(name=name, principal=caller.principal)
        if found.state is not State.PENDING:
            raise ApprovalNotPending(name=name, state=found.state.name)
        if binding and binding != found.binding_digest:
            raise EtagMismatch(name=name, expected=binding, current=found.binding_digest)
        cast = Vote(
            voter=caller.principal,
            approve=approve,
            comment=comment,
            at=mutation.at,
            groups=groups_of(caller, found),
        )
        return keep_changed(tx, found.voted(cast))

    return await writer.write(work, mutation=mutation, result=Approval)


async def cancel(writer: Writer[ApprovalTx], *, caller: Caller, name: str, reason: str, mutation: Mutation) -> Approval:
    """Call an approval off and return it. Raises ApprovalNotFound or ApprovalNotPending."""

    def work(tx: ApprovalTx) -> Approval:
        found = _found(tx, name, caller, mutation, known_to=may_cancel)
        if not found.state.is_open:
            raise ApprovalNotPending(name=name, state=found.state.name)
        return keep_changed(tx, found.cancelled(mutation.at, reason))

    return await writer.write(work, mutation=mutation, result=Approval)


def _found(
    tx: ApprovalTx, name: str, caller: Caller, mutation: Mutation, *, known_to: Callable[[Caller, Approval], bool]
) -> Approval:
    """Return the approval as it stands now. What is none of the caller's is as if it were not there."""
    found = tx.approval(name)
    if found is None or not known_to(caller, found):
        raise ApprovalNotFound(name=name)
    return found.at(mutation.at)
