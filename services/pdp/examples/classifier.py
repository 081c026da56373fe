"""A classifier of intent of one's own, as small as it can be: it finds code names of a house in what agents pass on.

    python classifier.py 127.0.0.1:7500 bluebird nightjar

Then, in pdp.toml, `[[pdp.classifiers]]` with `name = "house"` and `address = "127.0.0.1:7500"`; and in a policy a
filter with `use: remote` and `classifier: house`. On another machine it needs TLS: docs/filters.md.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc.aio
from ringfence.pdp.v1 import classifier_pb2 as pb
from ringfence.pdp.v1 import classifier_pb2_grpc, filter_pb2


class CodeNames(classifier_pb2_grpc.IntentClassifierServiceServicer):
    """Answers every question on the stream, each by its id."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = [name.casefold() for name in names]

    async def Classify(  # noqa: N802 - the proto's name
        self,
        request_iterator: AsyncIterator[pb.ClassifyRequest],
        context: Any,  # noqa: ARG002 - gRPC gives it
    ) -> AsyncIterator[pb.ClassifyResponse]:
        """Label each text that has a code name in it."""
        async for request in request_iterator:
            response = pb.ClassifyResponse(id=request.id, model="code-names-1")
            for text in request.texts:
                if any(name in text.text.casefold() for name in self._names):
                    response.labels.add(
                        name="code-name",
                        severity=filter_pb2.SEVERITY_HIGH,
                        argument=text.argument,
                        message="a code name of the house is in it",
                    )
            yield response


async def serve(address: str, names: Sequence[str]) -> None:
    """Serve until the process is ended."""
    server = grpc.aio.server()
    classifier_pb2_grpc.add_IntentClassifierServiceServicer_to_server(CodeNames(names), server)
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2:]))
