"""Methods of the contract that no use case stands behind yet: refused as unknown, in one place to be emptied."""

from typing import Any

from ringfence_kit.errors import MethodUnknown


def _unary(name: str) -> Any:
    async def method(*_: object) -> object:
        raise MethodUnknown

    method.__name__ = method.__qualname__ = name
    return method


def _stream(name: str) -> Any:
    async def method(*_: object) -> Any:
        raise MethodUnknown
        yield

    method.__name__ = method.__qualname__ = name
    return method


class PendingDecisions:
    """What DecisionService still lacks."""

    CheckStream = _stream("CheckStream")
    ListAllowedTools = _unary("ListAllowedTools")
    WatchDecisions = _stream("WatchDecisions")


class PendingBundles:
    """What BundleService still lacks."""

    ValidateBundle = _unary("ValidateBundle")
    TestBundle = _unary("TestBundle")
