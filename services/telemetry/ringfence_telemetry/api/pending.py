"""Methods of the contract that no use case stands behind yet: refused as unknown, in one place to be emptied."""

from typing import Any

from ringfence_kit.errors import MethodUnknown


def _unary(name: str) -> Any:
    async def method(*_: object) -> object:
        raise MethodUnknown

    method.__name__ = method.__qualname__ = name
    return method


class PendingWorkflows:
    """What WorkflowService still lacks."""

    GetWorkflow = _unary("GetWorkflow")
    ListWorkflows = _unary("ListWorkflows")
