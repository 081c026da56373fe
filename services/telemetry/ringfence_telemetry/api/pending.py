"""Methods of the contract that no use case stands behind yet: refused as unknown, in one place to be emptied."""

from collections.abc import AsyncGenerator
from typing import Any

from ringfence_kit.errors import MethodUnknown


def _unary(name: str) -> Any:
    async def method(*_: object) -> object:
        raise MethodUnknown

    method.__name__ = method.__qualname__ = name
    return method


def _stream(name: str) -> Any:
    async def method(*_: object) -> AsyncGenerator[object, None]:
        nothing: tuple[object, ...] = ()
        for each in nothing:
            yield each
        raise MethodUnknown

    method.__name__ = method.__qualname__ = name
    return method


class PendingWorkflows:
    """What WorkflowService still lacks."""

    GetWorkflow = _unary("GetWorkflow")
    ListWorkflows = _unary("ListWorkflows")


class PendingAudit:
    """What AuditService still lacks."""

    WatchCheckpoints = _stream("WatchCheckpoints")
    GetTile = _unary("GetTile")
    AddCosignature = _unary("AddCosignature")
    ListWitnesses = _unary("ListWitnesses")
