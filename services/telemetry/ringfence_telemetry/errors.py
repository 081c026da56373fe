"""What can go wrong in telemetry, one class a failure."""

from ringfence_kit.clock import Millis
from ringfence_kit.errors import COMMON_FAILURES, Failure, Kind, Violation


class EntryNotFound(Failure):
    """The audit log has no such entry."""

    kind = Kind.NOT_FOUND
    reason = "ENTRY_NOT_FOUND"

    def __init__(self, *, key: str, size: int) -> None:
        super().__init__(
            f"the audit log of {size} entries has no entry {key}", metadata={"entry": key, "tree_size": str(size)}
        )


class TreeSizeOutOfRange(Failure):
    """A tree size is larger than the log, or too small for what is to be proven in it."""

    kind = Kind.OUT_OF_RANGE
    reason = "TREE_SIZE_OUT_OF_RANGE"

    def __init__(self, *, field: str, asked: int, least: int, most: int) -> None:
        super().__init__(
            f"{field} is {asked}; it must be from {least} to {most}, the size of the newest checkpoint",
            metadata={"field": field, "asked": str(asked), "least": str(least), "most": str(most)},
        )


class DecisionEntryInvalid(Failure):
    """An entry is not the canonical JSON document a decision is logged as."""

    kind = Kind.INVALID_ARGUMENT
    reason = "DECISION_ENTRY_INVALID"

    def __init__(self, *violations: Violation) -> None:
        listed = "; ".join(f"{v.field}: {v.problem}" for v in violations)
        super().__init__(f"a decision cannot be logged as it is: {listed}", violations=violations)


class DecisionConflict(Failure):
    """Another entry with this decision id is in the log already."""

    kind = Kind.ALREADY_EXISTS
    reason = "DECISION_CONFLICT"

    def __init__(self, *, decision_id: str, index: int) -> None:
        super().__init__(
            f"decision {decision_id} is in the log as entry {index} with other content, and entries are never "
            "replaced; a new decision needs a new id",
            metadata={"decision_id": decision_id, "index": str(index)},
        )


class IngestOverloaded(Failure):
    """More is coming in than can be worked off; the sender is asked to wait and send the same again."""

    kind = Kind.RESOURCE_EXHAUSTED
    reason = "INGEST_OVERLOADED"

    def __init__(self, *, problem: str, retry_after: Millis) -> None:
        super().__init__(
            f"nothing of this batch was accepted: {problem}; send it again in {retry_after} ms",
            metadata={"problem": problem},
            retry_after=retry_after,
        )


class AgentNotFound(Failure):
    """Nothing is known of this agent in this environment, so no outcome can be credited to it."""

    kind = Kind.NOT_FOUND
    reason = "AGENT_NOT_FOUND"

    def __init__(self, *, did: str, environment: str) -> None:
        super().__init__(
            f"neither a decision about {did} in {environment} nor usage by it has been seen; "
            "an outcome is credited to work that left a trace",
            metadata={"did": did, "environment": environment},
        )


class OutcomeConflict(Failure):
    """The same judge reported another outcome for the same piece of work."""

    kind = Kind.ALREADY_EXISTS
    reason = "OUTCOME_CONFLICT"

    def __init__(self, *, work_id: str, index: int) -> None:
        super().__init__(
            f"another outcome of {work_id} was reported before and is entry {index} of the audit log; "
            "a verdict is not replaced",
            metadata={"work_id": work_id, "index": str(index)},
        )


FAILURES: tuple[type[Failure], ...] = (
    *COMMON_FAILURES,
    EntryNotFound,
    TreeSizeOutOfRange,
    DecisionEntryInvalid,
    DecisionConflict,
    IngestOverloaded,
    AgentNotFound,
    OutcomeConflict,
)
"""Every failure a caller may see, one to one with the reasons in `errors.proto`."""
