"""Methods of the contract that no use case stands behind yet: refused as unknown, in one place to be emptied."""

from typing import Any

from ringfence.identity.v1 import delegation_pb2_grpc
from ringfence_kit.errors import MethodUnknown


def _unary(name: str) -> Any:
    async def method(*_: object) -> object:
        raise MethodUnknown

    method.__name__ = method.__qualname__ = name
    return method


class PendingIdentity:
    """What IdentityService still lacks."""


class PendingDelegation(delegation_pb2_grpc.DelegationServiceServicer):
    """What DelegationService still lacks."""

    ExchangeDelegation = _unary("ExchangeDelegation")
    RevokeDelegation = _unary("RevokeDelegation")
    ListDelegations = _unary("ListDelegations")
