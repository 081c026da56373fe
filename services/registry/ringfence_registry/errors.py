"""The failures only the registry knows, next to the common ones of the kit; documented in its `errors.proto`."""

from collections.abc import Iterable

from ringfence_kit.errors import COMMON_FAILURES, Failure, Kind, Violation

from ringfence_registry.cards.strict_json import JsonFault


class AgentNotFound(Failure):
    """No agent has this name."""

    kind = Kind.NOT_FOUND
    reason = "AGENT_NOT_FOUND"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"there is no {name}", metadata={"name": name})


class AgentAlreadyExists(Failure):
    """The name is taken, perhaps by a retired agent; names are never reused."""

    kind = Kind.ALREADY_EXISTS
    reason = "AGENT_ALREADY_EXISTS"

    def __init__(self, *, name: str, state: str) -> None:
        super().__init__(
            f"{name} is registered already and is {state}; names are not reused, choose another agent_id",
            metadata={"name": name, "state": state},
        )


class AgentRetired(Failure):
    """A retired agent does not change."""

    kind = Kind.FAILED_PRECONDITION
    reason = "AGENT_RETIRED"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"{name} is retired and does not change; register a new agent", metadata={"name": name})


class CardInvalid(Failure):
    """The card cannot be admitted; each fault is a violation of `card`, its JSON pointer as the fragment."""

    kind = Kind.INVALID_ARGUMENT
    reason = "CARD_INVALID"

    def __init__(self, faults: Iterable[JsonFault]) -> None:
        violations = [
            Violation(f"card#{fault.pointer}" if fault.pointer else "card", fault.problem) for fault in faults
        ]
        listed = "; ".join(f"{violation.field}: {violation.problem}" for violation in violations)
        super().__init__(f"the card cannot be admitted: {listed}", violations=violations)


class FilterInvalid(Failure):
    """The filter does not parse, names an unknown field, or compares what cannot be compared."""

    kind = Kind.INVALID_ARGUMENT
    reason = "FILTER_INVALID"

    def __init__(self, *, column: int, problem: str) -> None:
        super().__init__(
            f"the filter is invalid at column {column}: {problem}",
            metadata={"column": str(column), "problem": problem},
            violations=(Violation("filter", f"column {column}: {problem}"),),
        )


FAILURES: tuple[type[Failure], ...] = (
    *COMMON_FAILURES,
    AgentNotFound,
    AgentAlreadyExists,
    AgentRetired,
    CardInvalid,
    FilterInvalid,
)
"""Every failure this service answers with."""
