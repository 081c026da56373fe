"""Whether a tool an agent is approved for can be called as it was approved: values in, value out."""

import enum

from ringfence_registry.agents.surroundings import ToolFacts
from ringfence_registry.model import ApprovedTool


class ApprovalState(enum.Enum):
    """Whether an approval is in force, and if not, the first thing against it."""

    IN_FORCE = "IN_FORCE"
    TOOL_UNKNOWN = "TOOL_UNKNOWN"
    TOOL_DISABLED = "TOOL_DISABLED"
    SCHEMA_CHANGED = "SCHEMA_CHANGED"
    """Somebody has to look at the new schema and approve that."""
    EXTERNAL_SYSTEM_NOT_TRUSTED = "EXTERNAL_SYSTEM_NOT_TRUSTED"


def approval_state(approved: ApprovedTool, tool: ToolFacts | None) -> ApprovalState:
    """Return how the approval stands while the tool is as it is; None means that nobody knows such a tool."""
    if tool is None:
        return ApprovalState.TOOL_UNKNOWN
    if not tool.enabled:
        return ApprovalState.TOOL_DISABLED
    if approved.schema_hash not in ("", tool.schema_hash):
        return ApprovalState.SCHEMA_CHANGED
    if not tool.trusted:
        return ApprovalState.EXTERNAL_SYSTEM_NOT_TRUSTED
    return ApprovalState.IN_FORCE
