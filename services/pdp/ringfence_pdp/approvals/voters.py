"""Who may see an approval, vote on it, and call it off: one table of who stands where.

Whoever has a part in a call does not vote on it (separation of duties): the agents it is made for and what speaks for
them, who asked, who owns them in the registry, and the owners of their namespaces, who could make of them what they
like. Software does not vote at all.
"""

from ringfence_kit.callers import Caller, Role

from ringfence_pdp.approvals.approval import Approval

_GROUP = "group:"
_SOFTWARE = (Role.AGENT, Role.GATEWAY, Role.SERVICE)


def groups_of(caller: Caller, approval: Approval) -> tuple[str, ...]:
    """Return the groups that are asked and that the caller is in."""
    return tuple(group for group in approval.question.approver_groups if group.removeprefix(_GROUP) in caller.groups)


def why_not_vote(caller: Caller, approval: Approval) -> str:
    """Return why the caller may not vote, for them to read; empty when they may."""
    asked, groups = approval.asked, approval.question.approver_groups
    owns = _owns(caller, asked.owners) or any(_owns_namespace(caller, one) for one in asked.subject_namespaces)
    objections = (
        (not caller.has(Role.APPROVER), "only an approver votes"),
        (caller.has(*_SOFTWARE), "agents, gateways and services do not vote; a person does"),
        (caller.principal in asked.subjects or any(map(caller.speaks_for, asked.subjects)), "it is their own call"),
        (caller.principal == asked.principal, "they asked for it themselves"),
        (owns, "they own an agent that the call is made for; somebody else has to approve"),
        (not within_reach(caller, approval), "they approve for other namespaces"),
        (groups and not groups_of(caller, approval), f"they are in none of {', '.join(groups)}"),
    )
    return next((why for objects, why in objections if objects), "")


def may_see(caller: Caller, approval: Approval) -> bool:
    """Say whether the caller may look at it."""
    if caller.has(Role.PLATFORM_ADMIN, Role.AUDITOR, Role.SERVICE):
        return True
    if any(map(caller.owns, approval.asked.namespaces)) or may_cancel(caller, approval):
        return True
    if any(map(caller.speaks_for, approval.asked.subjects)):
        return True
    asked = bool(groups_of(caller, approval)) or not approval.question.approver_groups
    return caller.has(Role.APPROVER) and asked and within_reach(caller, approval)


def may_cancel(caller: Caller, approval: Approval) -> bool:
    """Say whether the caller may call it off."""
    question = approval.question
    acts = caller.has(Role.AGENT) and caller.principal == question.did
    return acts or any(map(caller.owns, approval.asked.subject_namespaces))


def within_reach(caller: Caller, approval: Approval) -> bool:
    """Say whether an approver speaks for a call: bound to namespaces, only when one of their agents takes part."""
    return not caller.namespaces or not caller.namespaces.isdisjoint(approval.asked.namespaces)


def _owns(caller: Caller, owners: tuple[str, ...]) -> bool:
    """A person is known to the registry by a contact, and to us as `<issuer>:<sub>`."""
    names = {caller.principal.lower(), caller.principal.partition(":")[2].lower()}
    return any(owner.lower() in names for owner in owners)


def _owns_namespace(caller: Caller, namespace: str) -> bool:
    return caller.has(Role.NAMESPACE_OWNER) and namespace in caller.namespaces
