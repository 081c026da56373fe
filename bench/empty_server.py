"""The yardstick: an empty `grpc.aio` unary handler in a process of its own, which does nothing but answer.

python bench/empty_server.py PORT
"""

import asyncio
import sys

import grpc
import grpc.aio

METHOD = "/bench.Empty/Call"
ANSWER = b"\x08\x01"


async def _call(request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:  # noqa: ARG001 - grpc's
    return ANSWER


async def main(port: int) -> None:
    """Serve until the process is ended."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(_call)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Empty", {"Call": handler}),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
