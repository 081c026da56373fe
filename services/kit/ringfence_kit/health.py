"""grpc.health.v1: whether each proto service of a port can be used now.

The rules (grpc/doc/health-checking.md):

- a name is a full proto service name; the empty name is the port as a whole;
- an unknown name is NOT_FOUND for Check and SERVICE_UNKNOWN, without an end, for Watch;
- NOT_SERVING until the service is ready, whenever it is not, and from the first moment of a drain, for good.
"""

import asyncio
from collections.abc import AsyncIterator, Collection

import grpc
import grpc.aio
from grpc_health.v1.health_pb2 import (
    HealthCheckRequest,
    HealthCheckResponse,
    HealthListRequest,
    HealthListResponse,
)

NAME = "grpc.health.v1.Health"

_SERVING = HealthCheckResponse(status=HealthCheckResponse.SERVING)
_NOT_SERVING = HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING)
_UNKNOWN = HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN)


class Health:
    """The servicer of one port. Its proto services belong to one service of ours: they are well or unwell together."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(names) | {""}
        self._serving = False
        self._drained = False
        self._changed = asyncio.Event()

    def set(self, *, serving: bool) -> None:
        """Tell everyone who asks or watches; without effect once draining."""
        serving = serving and not self._drained
        if serving != self._serving:
            self._serving = serving
            # Those who wait hold the old event; those who come later get the new one.
            self._changed.set()
            self._changed = asyncio.Event()

    def drain(self) -> None:
        """Say NOT_SERVING from now on, whatever is set later."""
        self._drained = True
        self.set(serving=False)

    async def Check(  # noqa: N802 - named by the proto
        self, request: HealthCheckRequest, context: grpc.aio.ServicerContext[HealthCheckRequest, HealthCheckResponse]
    ) -> HealthCheckResponse:
        """Answer for one name."""
        if request.service not in self._names:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service here")
        return self._status(request.service)

    async def List(  # noqa: N802 - named by the proto
        self, _request: HealthListRequest, _context: grpc.aio.ServicerContext[HealthListRequest, HealthListResponse]
    ) -> HealthListResponse:
        """Answer for every name."""
        return HealthListResponse(statuses={name: self._status(name) for name in sorted(self._names)})

    async def Watch(  # noqa: N802 - named by the proto
        self, request: HealthCheckRequest, _context: grpc.aio.ServicerContext[HealthCheckRequest, HealthCheckResponse]
    ) -> AsyncIterator[HealthCheckResponse]:
        """Answer for one name now and at every change."""
        last = None
        while True:
            changed, status = self._changed, self._status(request.service)
            if status is not last:
                yield status
                last = status
            await changed.wait()

    def _status(self, name: str) -> HealthCheckResponse:
        if name not in self._names:
            return _UNKNOWN
        return _SERVING if self._serving else _NOT_SERVING
