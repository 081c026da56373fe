"""What can be wrong with what is asked of an agent."""

from collections.abc import Mapping, Sequence

from ringfence_kit.errors import Failure, Kind, Violation


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


class IllegalStateTransition(Failure):
    """The agent's state does not allow the step."""

    kind = Kind.FAILED_PRECONDITION
    reason = "ILLEGAL_STATE_TRANSITION"

    def __init__(self, *, name: str, state: str, step: str, allowed: Sequence[str]) -> None:
        super().__init__(
            f"{name} is {state}, and {step} is taken from {' or '.join(allowed)}",
            metadata={"name": name, "state": state, "step": step, "allowed": ",".join(allowed)},
        )


class ReadinessNotMet(Failure):
    """The agent lacks something it needs to serve there; each gate that is not met is a violation, with its remedy."""

    kind = Kind.FAILED_PRECONDITION
    reason = "READINESS_NOT_MET"

    def __init__(self, *, name: str, unmet: Mapping[str, str]) -> None:
        super().__init__(
            f"{name} is not ready: {'; '.join(f'{gate}: {what}' for gate, what in unmet.items())}",
            metadata={"name": name, "unmet": ",".join(unmet)},
            violations=[Violation(gate, what) for gate, what in unmet.items()],
        )


class RevisionNotFound(Failure):
    """The agent has no such revision, by number or alias."""

    kind = Kind.NOT_FOUND
    reason = "REVISION_NOT_FOUND"

    def __init__(self, *, name: str, revision: str) -> None:
        super().__init__(f"{name} has no revision or alias {revision!r}", metadata={"name": name, "revision": revision})


class LookAlikeName(Failure):
    """Another agent of the namespace has a name that looks the same, and the namespace's policy refuses that."""

    kind = Kind.ALREADY_EXISTS
    reason = "LOOK_ALIKE_NAME"

    def __init__(self, *, shown: str, other: str) -> None:
        super().__init__(
            f"{shown!r} looks like the name of {other}; choose a display_name that people can tell apart",
            metadata={"display_name": shown, "other": other},
        )


class AgentNotDeleted(Failure):
    """There is nothing to bring back."""

    kind = Kind.ALREADY_EXISTS
    reason = "AGENT_NOT_DELETED"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"{name} is not deleted", metadata={"name": name})
