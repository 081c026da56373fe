"""Methods of the contract that no use case stands behind yet: refused as unknown, in one place to be emptied."""

from typing import Any

from ringfence_kit.errors import MethodUnknown


def _unary(name: str) -> Any:
    async def method(*_: object) -> object:
        raise MethodUnknown

    method.__name__ = method.__qualname__ = name
    return method


class PendingRegistry:
    """What RegistryService still lacks."""

    GetCardAttestation = _unary("GetCardAttestation")
    ValidateCard = _unary("ValidateCard")
    DeleteAgent = _unary("DeleteAgent")
    UndeleteAgent = _unary("UndeleteAgent")
    SubmitAgent = _unary("SubmitAgent")
    ApproveAgent = _unary("ApproveAgent")
    SuspendAgent = _unary("SuspendAgent")
    ResumeAgent = _unary("ResumeAgent")
    DeprecateAgent = _unary("DeprecateAgent")
    RenewLease = _unary("RenewLease")
    ListAgentRevisions = _unary("ListAgentRevisions")
    TagRevision = _unary("TagRevision")
    RollbackAgent = _unary("RollbackAgent")
    SetRollout = _unary("SetRollout")
    CompareRevisions = _unary("CompareRevisions")
    CheckReadiness = _unary("CheckReadiness")
    RecordEvaluation = _unary("RecordEvaluation")
