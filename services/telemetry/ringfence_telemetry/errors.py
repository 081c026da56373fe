"""What can go wrong in telemetry, one class a failure."""

from ringfence_kit.clock import Millis
from ringfence_kit.errors import COMMON_FAILURES, Failure, Kind, MessageTooLarge, Violation


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


class TooManyParts(MessageTooLarge):
    """A request is small enough, and made of more parts than may be read at once."""

    def __init__(self, *, what: str, most: int) -> None:
        Failure.__init__(
            self,
            f"the request has more than {most} {what}, and no more are accepted at once; send less at a time",
            metadata={"what": what, "limit": str(most)},
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


class BudgetNotFound(Failure):
    """There is no such budget, or it is none of the caller's."""

    kind = Kind.NOT_FOUND
    reason = "BUDGET_NOT_FOUND"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"there is no budget {name} that you may see", metadata={"name": name})


class BudgetAlreadyExists(Failure):
    """A budget of this name exists."""

    kind = Kind.ALREADY_EXISTS
    reason = "BUDGET_ALREADY_EXISTS"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"{name} exists; change it with UpdateBudget, or choose another id", metadata={"name": name})


class PriceConflict(Failure):
    """Another price of this model, provider and date is known."""

    kind = Kind.ALREADY_EXISTS
    reason = "PRICE_CONFLICT"

    def __init__(self, *, model: str, provider: str, effective: str) -> None:
        super().__init__(
            f"another price of {model} from {effective} on is known, and what was charged by it stays; "
            "give the new price a later date",
            metadata={"model": model, "provider": provider, "effective_time": effective},
        )


class SloNotFound(Failure):
    """There is no such objective, or it is none of the caller's."""

    kind = Kind.NOT_FOUND
    reason = "SLO_NOT_FOUND"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"there is no objective {name} that you may see", metadata={"name": name})


class SloAlreadyExists(Failure):
    """An objective of this name exists."""

    kind = Kind.ALREADY_EXISTS
    reason = "SLO_ALREADY_EXISTS"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"{name} exists; change it with UpdateSlo, or choose another id", metadata={"name": name})


class SloInfeasible(Failure):
    """The dependencies make the target impossible."""

    kind = Kind.FAILED_PRECONDITION
    reason = "SLO_INFEASIBLE"

    def __init__(self, *, name: str, target: str, feasible: str, decimal: str) -> None:
        super().__init__(
            f"{name} cannot reach {target}: its dependencies allow {decimal} at most; "
            "ask for less, or give one of them a retry or a fallback",
            metadata={"name": name, "target": target, "feasible": feasible, "decimal": decimal},
        )


class OpenSloInvalid(Failure):
    """A document is no OpenSLO v1."""

    kind = Kind.INVALID_ARGUMENT
    reason = "OPENSLO_INVALID"

    def __init__(self, *violations: Violation) -> None:
        listed = "; ".join(f"{v.field}: {v.problem}" for v in violations)
        super().__init__(f"this is no OpenSLO v1 that can be read: {listed}", violations=violations)


class AlertNotFound(Failure):
    """There is no such alert, or it is none of the caller's."""

    kind = Kind.NOT_FOUND
    reason = "ALERT_NOT_FOUND"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"there is no alert {name} that you may see", metadata={"name": name})


class AlertNotFiring(Failure):
    """The alert is over."""

    kind = Kind.FAILED_PRECONDITION
    reason = "ALERT_NOT_FIRING"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"{name} is over; there is nothing left to look at", metadata={"name": name})


class SilenceNotFound(Failure):
    """There is no such silence, or it is over."""

    kind = Kind.NOT_FOUND
    reason = "SILENCE_NOT_FOUND"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"there is no silence {name}, or it is over", metadata={"name": name})


class BaselineNotFound(Failure):
    """Nothing is pinned for this version."""

    kind = Kind.NOT_FOUND
    reason = "BASELINE_NOT_FOUND"

    def __init__(self, *, agent: str, version: str) -> None:
        super().__init__(
            f"no baseline is pinned for {agent}, version {version or '(any)'}; pin how it did in a good time",
            metadata={"agent": agent, "version": version},
        )


class BaselineTooSmall(Failure):
    """There is too little in that time to compare with."""

    kind = Kind.FAILED_PRECONDITION
    reason = "BASELINE_TOO_SMALL"

    def __init__(self, *, agent: str, workflows: int, least: int) -> None:
        super().__init__(
            f"{agent} had {workflows} pieces of work in that time; a baseline needs at least {least}",
            metadata={"agent": agent, "workflows": str(workflows), "least": str(least)},
        )


class WorkflowNotFound(Failure):
    """No span of this trace is kept, or none the caller may see."""

    kind = Kind.NOT_FOUND
    reason = "WORKFLOW_NOT_FOUND"

    def __init__(self, *, trace_id: str) -> None:
        super().__init__(
            f"no span of trace {trace_id} that you may see is kept; raw traces are forgotten after the time "
            "that telemetry.ingest.keep_raw says",
            metadata={"trace_id": trace_id},
        )


class CosignatureInvalid(Failure):
    """A witness' signature does not verify, is of no known witness, or of no checkpoint of this log."""

    kind = Kind.INVALID_ARGUMENT
    reason = "COSIGNATURE_INVALID"

    def __init__(self, *, tree_size: int, problem: str) -> None:
        super().__init__(
            f"the signature under the checkpoint of {tree_size} entries is not kept: {problem}",
            metadata={"tree_size": str(tree_size), "problem": problem},
        )


class CheckpointNotFound(Failure):
    """No checkpoint is as it was asked for: so small, or with so many witnesses behind it."""

    kind = Kind.NOT_FOUND
    reason = "CHECKPOINT_NOT_FOUND"

    def __init__(self, *, asked: str) -> None:
        super().__init__(
            f"no checkpoint is kept for what was asked: {asked}; ListWitnesses says how far each witness has come",
            metadata={"asked": asked},
        )


class TileNotFound(Failure):
    """The tree has no such tile yet."""

    kind = Kind.NOT_FOUND
    reason = "TILE_NOT_FOUND"

    def __init__(self, *, level: int, index: int, tree_size: int) -> None:
        super().__init__(
            f"a tree of {tree_size} entries has no tile {index} at level {level}",
            metadata={"level": str(level), "index": str(index), "tree_size": str(tree_size)},
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
    BudgetNotFound,
    BudgetAlreadyExists,
    PriceConflict,
    SloNotFound,
    SloAlreadyExists,
    SloInfeasible,
    OpenSloInvalid,
    AlertNotFound,
    AlertNotFiring,
    SilenceNotFound,
    BaselineNotFound,
    BaselineTooSmall,
    WorkflowNotFound,
    CosignatureInvalid,
    CheckpointNotFound,
    TileNotFound,
)
"""Every failure a caller may see, one to one with the reasons in `errors.proto`."""
