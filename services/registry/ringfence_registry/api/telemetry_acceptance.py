"""Telemetry as the gates need it: whether a version reaches what is asked of it."""

from collections.abc import Callable, Sequence

import grpc.aio
from ringfence.errors import RingfenceError
from ringfence.telemetry.v1 import evaluation_pb2, evaluation_pb2_grpc

from ringfence_registry.agents.acceptance import Version

DEADLINE_SECONDS = 2.0
"""An approval waits for this; without an answer it is refused."""

NAMES_MAX = 16
VERSION_MAX = 100
"""What telemetry takes."""


class TelemetryAcceptances:
    """`Acceptances` on the channel to telemetry, which is there once the registry runs."""

    def __init__(self, channel: Callable[[], grpc.aio.Channel]) -> None:
        self._channel = channel

    async def lacking(self, version: Version, /) -> Sequence[str]:
        """See `Acceptances`."""
        stub: evaluation_pb2_grpc.EvaluationServiceAsyncStub = evaluation_pb2_grpc.EvaluationServiceStub(
            self._channel()
        )
        request = evaluation_pb2.CheckAcceptanceRequest(
            agent=version.agent, version=version.version[:VERSION_MAX], also_known_as=version.dids[:NAMES_MAX]
        )
        try:
            answer = await stub.CheckAcceptance(request, timeout=DEADLINE_SECONDS)
        except RingfenceError as error:
            return [f"telemetry, which knows what is asked of it, does not answer ({error.reason or error.code.name})"]
        if answer.accepted:
            return []
        return [each.detail for each in answer.results if not each.reached] or ["telemetry does not accept it"]
