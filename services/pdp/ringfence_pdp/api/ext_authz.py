"""`envoy.service.auth.v3.Authorization`: what Envoy and its kin ask before they let a request pass.

The rules:

- the answer is given before the gateway stops waiting: when time is short it is a denial, because a gateway that got no
  answer may be told to let the request pass;
- what is wrong with a request is a denial; only what is wrong with us is an error.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, cast

from ringfence.extauthz.v3 import ext_authz_pb2 as gate
from ringfence.extauthz.v3 import ext_authz_pb2_grpc
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence_kit.callers import Caller, current_caller
from ringfence_kit.errors import Failure, InvalidRequest, NotPermitted
from ringfence_kit.service import Face

from ringfence_pdp.api.asking import decided
from ringfence_pdp.convert import ext_authz as convert
from ringfence_pdp.convert.decisions import response_to_proto
from ringfence_pdp.decisions import Decisions
from ringfence_pdp.doors.gateway import wanted
from ringfence_pdp.doors.json_rpc import RpcBody
from ringfence_pdp.doors.refusal import Refused
from ringfence_pdp.doors.route import route_of
from ringfence_pdp.doors.who_calls import caller_of
from ringfence_pdp.model import Reason
from ringfence_pdp.sitting import Sitting

ON_THE_WAY_SECONDS: Final = 0.02
"""What an answer gets of a gateway's patience to reach it."""


class ExtAuthzApi(ext_authz_pb2_grpc.AuthorizationServicer):
    """Answers gateways."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions

    async def Check(self, request: gate.CheckRequest, context: Any) -> gate.CheckResponse:
        """Decide about one HTTP request."""
        # The stub leaves out that a call may have no deadline.
        left = cast("float | None", context.time_remaining())
        return await self.answer(request, current_caller(), None if left is None else left - ON_THE_WAY_SECONDS)

    async def answer(self, request: gate.CheckRequest, caller: Caller, seconds: float | None) -> gate.CheckResponse:
        """Decide within `seconds`; None takes as long as it takes."""
        sitting = self._decisions.sitting()
        late = Refused(Reason.DEADLINE, "there was no time left to decide; give the pdp more, or see what slows it")
        try:
            if seconds is not None and seconds <= 0:
                return _refused(sitting, request, late, None)
            async with asyncio.timeout(seconds):
                return await _answered(sitting, request, caller)
        except TimeoutError:
            return _refused(sitting, request, late, None)
        except NotPermitted as failure:
            return convert.not_permitted(failure)
        except Failure as failure:
            return convert.undecided(failure)


async def _answered(sitting: Sitting, request: gate.CheckRequest, caller: Caller) -> gate.CheckResponse:
    body: RpcBody | None = None
    try:
        passed_on = convert.gateway_request(request)
        route = route_of(passed_on.extensions)
        if route.profile.protocols and passed_on.body:
            body = convert.UNREADABLE
        calls = caller_of(route, passed_on.principal, passed_on.claims.get(route.jwt_payload, {}), passed_on.headers)
        wants = wanted(passed_on, route)
        body = wants.body
        schemas = sitting.tool_schemas() if route.registry_schemas else {}
        questions = [convert.question(passed_on, route, calls, asked, schemas) for asked in wants.asked]
        if not questions:
            return convert.passing()
        return convert.answered(await _decided(sitting, questions, caller), body)
    except InvalidRequest as invalid:
        return _refused(sitting, request, convert.refusal_of(invalid), body)
    except Refused as refused:
        return _refused(sitting, request, refused, body)


async def _decided(
    sitting: Sitting, questions: Sequence[pb.CheckRequest], caller: Caller
) -> Sequence[pb.CheckResponse]:
    """Decide about every part of a request on one basis, in order, so that what counts is counted in order.

    A request passes as a whole or not at all, and one that does not costs nothing.
    """
    passes = False
    try:
        said = [await decided(sitting, question, caller) for question in questions]
        passes = all(one.effect == pb.EFFECT_ALLOW for one in said)
        return said
    finally:
        if not passes:
            sitting.give_back()


def _refused(
    sitting: Sitting, request: gate.CheckRequest, refused: Refused, body: RpcBody | None
) -> gate.CheckResponse:
    asked = request.SerializeToString(deterministic=True)
    answer = sitting.refuse(convert.refused_question(request), refused, asked)
    return convert.answered([response_to_proto(answer)], body)


def ext_authz_face(api: ExtAuthzApi) -> Face:
    """Return the service as the server takes it."""
    return Face(ext_authz_pb2_grpc.add_AuthorizationServicer_to_server, api)
