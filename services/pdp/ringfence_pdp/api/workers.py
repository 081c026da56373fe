"""The doors of a worker: what it can decide it decides, and the rest its leader does, word for word."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

import grpc
import grpc.aio
from google.protobuf import descriptor_pool
from google.rpc import status_pb2

# Also those whose methods are only passed on: whoever asks gets all of them described.
from ringfence.pdp.v1 import approval_pb2, bundle_pb2, filter_pb2, limit_pb2, snapshot_pb2
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence_kit.callers import Caller
from ringfence_kit.methods import Handler
from ringfence_kit.service import Face
from ringfence_kit.workers.passing_on import Leader, passed_on

from ringfence_pdp.api.asking import checked
from ringfence_pdp.api.decisions import DecisionApi
from ringfence_pdp.api.ext_authz import ExtAuthzApi
from ringfence_pdp.api.streams import Said
from ringfence_pdp.convert.answer_bytes import response_bytes
from ringfence_pdp.convert.ext_authz import AtGate, at_gate
from ringfence_pdp.convert.question_bytes import Asked, asked, asked_batch
from ringfence_pdp.convert.stream_bytes import asked_on_stream, failed, responded
from ringfence_pdp.decisions import Decisions
from ringfence_pdp.grants import GRANTS
from ringfence_pdp.reckoning import Unsettled
from ringfence_pdp.snapshots.elsewhere import DecidedElsewhere, refuse_unsettled
from ringfence_pdp.workers.elsewhere import Where

DESCRIBED: Final = (approval_pb2, bundle_pb2, filter_pb2, limit_pb2, snapshot_pb2)

DECISIONS: Final = "ringfence.pdp.v1.DecisionService"
GATES: Final = "envoy.service.auth.v3.Authorization"
CHECK: Final = f"/{DECISIONS}/Check"

Read = TypeVar("Read")


class Sent(NamedTuple, Generic[Read]):
    """A request as it came, and what it says."""

    sent: bytes
    read: Read


class WorkerAsking:
    """Answers what comes on streams."""

    def __init__(self, decisions: Decisions, where: Where, leader: Leader) -> None:
        self._decisions = decisions
        self._where = where
        self._leader = leader

    def ask(self, asked: Asked, caller: Caller) -> Said | Awaitable[Said]:
        """See `streams.Asking`."""
        # Whoever is asked would say what is wrong with it, but not where in the stream's message.
        asked.question()
        if self._where.all_left:
            return self._left(asked.sent, caller)
        try:
            answer = checked(self._decisions.sitting(), asked, caller)
            if isinstance(answer, Unsettled):
                refuse_unsettled(answer)
        except DecidedElsewhere:
            return self._left(asked.sent, caller)
        return responded(response_bytes(answer))

    async def _left(self, sent: bytes, caller: Caller) -> Said:
        try:
            return responded(await self._leader.ask(CHECK, sent, caller))
        except grpc.aio.AioRpcError as error:
            details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
            if isinstance(details, bytes):
                return failed(status_pb2.Status.FromString(details))
            return failed(status_pb2.Status(code=error.code().value[0], message=error.details() or ""))


class WorkerApi:
    """Answers the calls that can be decided here. Its `decisions` raise DecidedElsewhere for those that cannot."""

    def __init__(self, own: DecisionApi, gates: ExtAuthzApi, where: Where, leader: Leader) -> None:
        self._own = own
        self._gates = gates
        self._where = where
        self._leader = leader

    async def check(self, request: Asked, context: Any) -> Any:
        """Decide one request."""
        if not self._where.all_left:
            try:
                return await self._own.Check(request, context)
            except DecidedElsewhere:
                pass  # before anything was done for it
        return await self._leader.answer(CHECK, request.sent, context)

    async def batch_check(self, request: Sent[Sequence[Asked]], context: Any) -> Any:
        """Decide several on one basis."""
        return await self._whole(f"/{DECISIONS}/BatchCheck", request, self._own.BatchCheck, context)

    async def check_at_gate(self, request: AtGate, context: Any) -> Any:
        """Decide about one HTTP request, which may be several questions."""
        return await self._whole(f"/{GATES}/Check", Sent(request.sent, request), self._gates.Check, context)

    async def _whole(
        self, path: str, request: Sent[Read], here: Callable[[Read, Any], Awaitable[Any]], context: Any
    ) -> Any:
        if not self._where.any_left:
            try:
                return await here(request.read, context)
            except DecidedElsewhere:
                pass  # what was decided before is in the log: it was decided, though nobody was told
        return await self._leader.answer(path, request.sent, context)


def worker_faces(api: WorkerApi, own: DecisionApi, leader: Leader, *, hot: bool = False) -> Sequence[Face]:
    """Return every method of a pdp: those decided here, and the others passed on; of `hot` ports, what those have."""
    unary, stream = grpc.unary_unary_rpc_method_handler, grpc.stream_stream_rpc_method_handler
    here: dict[str, dict[str, Handler]] = {
        DECISIONS: {
            "Check": unary(api.check, request_deserializer=asked),
            "BatchCheck": unary(api.batch_check, request_deserializer=lambda sent: Sent(sent, asked_batch(sent))),
            "CheckStream": stream(
                own.CheckStream,
                request_deserializer=asked_on_stream,
                response_serializer=pb.CheckStreamResponse.SerializeToString,
            ),
        },
        GATES: {
            "Check": unary(api.check_at_gate, request_deserializer=at_gate),
        },
    }

    def add(_api: WorkerApi, server: grpc.aio.Server) -> None:
        for service, handlers in here.items():
            server.add_registered_method_handlers(service, handlers)

    decided = {f"/{service}/{name}" for service, handlers in here.items() for name in handlers}
    served = [path for path in GRANTS if not hot or path.split("/")[1] in here]
    others = {path: _is_stream(path) for path in served if path not in decided}
    return [Face(add, api), passed_on(leader, others)]


def _is_stream(path: str) -> bool:
    _, service, name = path.split("/")
    method = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    return bool(method.client_streaming or method.server_streaming)
