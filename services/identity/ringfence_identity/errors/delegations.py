"""Chains of delegation grants."""

from ringfence_kit.errors import Failure, Kind


class DelegationInvalid(Failure):
    """A chain of grants that breaks a rule; `link` counts from 1, the first grant of the chain."""

    kind = Kind.PERMISSION_DENIED
    reason = "DELEGATION_INVALID"

    def __init__(self, *, rule: str, link: int, problem: str) -> None:
        super().__init__(
            f"the delegation is refused at link {link}: {problem}",
            metadata={"rule": rule, "link": str(link), "problem": problem},
        )


class DelegationRevoked(Failure):
    """A grant of the chain was revoked, and with it everything below it."""

    kind = Kind.PERMISSION_DENIED
    reason = "DELEGATION_REVOKED"

    def __init__(self, *, delegation: str) -> None:
        super().__init__(f"{delegation} was revoked, and with it all below it", metadata={"delegation": delegation})


class DelegationNotFound(Failure):
    """A grant identity has not seen."""

    kind = Kind.NOT_FOUND
    reason = "DELEGATION_NOT_FOUND"

    def __init__(self, *, delegation: str) -> None:
        super().__init__(
            f"no grant {delegation} was seen here; present its chain to revoke it", metadata={"delegation": delegation}
        )


class DelegationBudgetExhausted(Failure):
    """Less is left of a link's budget than was asked for."""

    kind = Kind.RESOURCE_EXHAUSTED
    reason = "DELEGATION_BUDGET_EXHAUSTED"

    def __init__(self, *, delegation: str, member: str, left: int) -> None:
        super().__init__(
            f"{delegation} has {left} {member} left, which is less than was asked for",
            metadata={"delegation": delegation, "member": member, "left": str(left)},
        )
