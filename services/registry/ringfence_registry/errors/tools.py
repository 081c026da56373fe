"""What can be wrong with what is asked of tools, and of the external systems they reach."""

from collections.abc import Iterable, Sequence

from ringfence_kit.errors import Failure, Kind, Violation

from ringfence_registry.cards.strict_json import JsonFault


class ToolNotFound(Failure):
    """No tool has this name."""

    kind = Kind.NOT_FOUND
    reason = "TOOL_NOT_FOUND"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"there is no {name}", metadata={"name": name})


class ToolAlreadyExists(Failure):
    """The id is taken, perhaps in another namespace, which keeps it: agents call a tool by its id alone."""

    kind = Kind.ALREADY_EXISTS
    reason = "TOOL_ALREADY_EXISTS"

    def __init__(self, *, name: str) -> None:
        super().__init__(
            f"the id {name} is taken; ids of tools are unique in the mesh and not handed on, choose another tool_id",
            metadata={"name": name},
        )


class ToolSchemaInvalid(Failure):
    """A schema is not JSON Schema 2020-12; each fault is a violation, its JSON pointer as the fragment."""

    kind = Kind.INVALID_ARGUMENT
    reason = "TOOL_SCHEMA_INVALID"

    def __init__(self, field: str, faults: Iterable[JsonFault]) -> None:
        violations = [Violation(f"{field}#{each.pointer}" if each.pointer else field, each.problem) for each in faults]
        listed = "; ".join(f"{violation.field}: {violation.problem}" for violation in violations)
        super().__init__(f"the schema is not JSON Schema 2020-12: {listed}", violations=violations)


class ExternalSystemNotFound(Failure):
    """No external system has this name."""

    kind = Kind.NOT_FOUND
    reason = "EXTERNAL_SYSTEM_NOT_FOUND"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"there is no {name}", metadata={"name": name})


class ExternalSystemAlreadyExists(Failure):
    """The name is taken."""

    kind = Kind.ALREADY_EXISTS
    reason = "EXTERNAL_SYSTEM_ALREADY_EXISTS"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"{name} is entered already", metadata={"name": name})


class ExternalSystemNotTrusted(Failure):
    """A tool may not name an external system that nobody trusts, or that is disabled."""

    kind = Kind.FAILED_PRECONDITION
    reason = "EXTERNAL_SYSTEM_NOT_TRUSTED"

    def __init__(self, *, name: str, why: str) -> None:
        super().__init__(
            f"{name} may not be named by a tool: {why}; an approver decides with DecideTrust",
            metadata={"name": name, "why": why},
        )


class ExternalSystemInUse(Failure):
    """Tools or boundaries name the system."""

    kind = Kind.FAILED_PRECONDITION
    reason = "EXTERNAL_SYSTEM_IN_USE"

    def __init__(self, *, name: str, used_by: Sequence[str]) -> None:
        listed = ", ".join(used_by)
        super().__init__(f"{name} is named by {listed}", metadata={"name": name, "used_by": listed})
