"""A classifier elsewhere, for tests: a small real gRPC server that answers what a test lays out, or does not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import grpc
import grpc.aio
from ringfence.pdp.v1 import classifier_pb2 as pb
from ringfence.pdp.v1 import classifier_pb2_grpc
from ringfence.pdp.v1 import filter_pb2 as filters

Says: TypeAlias = Callable[[pb.ClassifyRequest], pb.ClassifyResponse]


def nothing(request: pb.ClassifyRequest) -> pb.ClassifyResponse:
    """Find nothing."""
    return pb.ClassifyResponse(id=request.id, model="example-guard-1")


def label(
    name: str = "exfiltration", *, severity: int = filters.SEVERITY_HIGH, argument: str = "", message: str = ""
) -> Says:
    """Return an answerer that finds one thing."""

    def says(request: pb.ClassifyRequest) -> pb.ClassifyResponse:
        response = nothing(request)
        found = filters.Severity.ValueType(severity)
        response.labels.add(name=name, severity=found, argument=argument, message=message)
        return response

    return says


@dataclass
class ScriptedClassifier(classifier_pb2_grpc.IntentClassifierServiceServicer):
    """Answers each question by `says`; keeps what it was asked."""

    says: Says = nothing
    asked: list[pb.ClassifyRequest] = field(default_factory=list)
    streams: int = 0
    metadata: list[dict[str, Any]] = field(default_factory=list)
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared, it hears and says nothing."""
    hangs_up: bool = False
    """It ends the stream instead of answering."""
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    """Set with every question."""

    def __post_init__(self) -> None:
        self.answers.set()

    async def Classify(
        self, request_iterator: AsyncIterator[pb.ClassifyRequest], context: Any
    ) -> AsyncIterator[pb.ClassifyResponse]:
        self.streams += 1
        self.metadata.append(dict(context.invocation_metadata()))
        async for request in request_iterator:
            self.asked.append(request)
            self.heard.set()
            if self.hangs_up:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "it goes home")
            await self.answers.wait()
            yield self.says(request)


@asynccontextmanager
async def served_classifier(
    classifier: ScriptedClassifier, credentials: grpc.ServerCredentials | None = None, address: str = "127.0.0.1:0"
) -> AsyncIterator[str]:
    """Serve it on loopback and give the address."""
    server = grpc.aio.server()
    classifier_pb2_grpc.add_IntentClassifierServiceServicer_to_server(classifier, server)
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
