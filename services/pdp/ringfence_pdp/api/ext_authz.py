"""`envoy.service.auth.v3.Authorization`: what Envoy and its kin ask before they let a request pass.

The rules:

- the answer is given before the gateway stops waiting: when time is short it is a denial, because a gateway that got no
  answer may be told to let the request pass;
- what is wrong with a request is a denial; only what is wrong with us is an error.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from ringfence.extauthz.v3 import ext_authz_pb2_grpc
from ringfence_kit.callers import Caller, current_caller
from ringfence_kit.errors import Failure, InvalidRequest, NotPermitted
from ringfence_kit.service import Face

from ringfence_pdp.answer import Answer
from ringfence_pdp.api.asking import checked
from ringfence_pdp.convert import ext_authz as convert
from ringfence_pdp.convert.ext_authz import AtGate
from ringfence_pdp.convert.gate_answers import answered_bytes
from ringfence_pdp.convert.gate_questions import Passed, asked_at_gate
from ringfence_pdp.convert.question_bytes import Asked
from ringfence_pdp.decisions import Decisions
from ringfence_pdp.doors.gateway import wanted
from ringfence_pdp.doors.json_rpc import RpcBody
from ringfence_pdp.doors.refusal import Refused
from ringfence_pdp.doors.route import route_of
from ringfence_pdp.doors.who_calls import caller_of
from ringfence_pdp.model import Effect, Reason
from ringfence_pdp.reckoning import Unsettled
from ringfence_pdp.sitting import Sitting

DIGESTED_HERE: Final = 64 << 10
"""Bytes whose digest takes a tenth of a millisecond or two."""

ON_THE_WAY_SECONDS: Final = 0.02
"""What an answer gets of a gateway's patience to reach it."""


class ExtAuthzApi(ext_authz_pb2_grpc.AuthorizationServicer):
    """Answers gateways."""

    def __init__(self, decisions: Decisions, key: Callable[[], bytes]) -> None:
        """`key` makes digests of content; another one finds no approval of what was asked with this."""
        self._decisions = decisions
        self._key = key

    async def Check(self, request: Any, context: Any) -> Any:
        """Decide about one HTTP request, `AtGate`; the response is given as its bytes."""
        # The stub leaves out that a call may have no deadline.
        left = cast("float | None", context.time_remaining())
        return await self.answer(request, current_caller(), None if left is None else left - ON_THE_WAY_SECONDS)

    async def answer(self, request: AtGate, caller: Caller, seconds: float | None) -> bytes:
        """Decide within `seconds`; None takes as long as it takes."""
        sitting = self._decisions.sitting()
        ends = None if seconds is None else asyncio.get_running_loop().time() + seconds
        try:
            if seconds is not None and seconds <= 0:
                return _refused(sitting, request, _late(), None)
            return await _answered(sitting, request, caller, ends, self._key)
        except TimeoutError:
            return _refused(sitting, request, _late(), None)
        except NotPermitted as failure:
            return convert.not_permitted(failure).SerializeToString()
        except Failure as failure:
            return convert.undecided(failure).SerializeToString()


def _late() -> Refused:
    return Refused(Reason.DEADLINE, "there was no time left to decide; give the pdp more, or see what slows it")


async def _answered(
    sitting: Sitting, request: AtGate, caller: Caller, ends: float | None, key: Callable[[], bytes]
) -> bytes:
    body: RpcBody | None = None
    try:
        passed_on = convert.gateway_request(request.request)
        route = route_of(passed_on.extensions)
        if route.profile.protocols and passed_on.body:
            body = convert.UNREADABLE
        calls = caller_of(route, passed_on.principal, passed_on.claims.get(route.jwt_payload, {}), passed_on.headers)
        wants = wanted(passed_on, route)
        body = wants.body
        schemas = sitting.tool_schemas() if route.registry_schemas else {}
        unread = convert.unread_content(passed_on, route)
        content = await _digest(unread, ends, key) if unread else ""
        passed = [Passed(request.sent, passed_on, route, calls, one, schemas, content) for one in wants.asked]
        questions = [asked_at_gate(one) for one in passed]
        if not questions:
            return convert.passing().SerializeToString()
        return answered_bytes(await _decided(sitting, questions, caller, ends), body)
    except InvalidRequest as invalid:
        return _refused(sitting, request, convert.refusal_of(invalid), body)
    except Refused as refused:
        return _refused(sitting, request, refused, body)


async def _digest(content: bytes, ends: float | None, key: Callable[[], bytes]) -> str:
    """Digest what is not read, a large one in a thread: others are not held up by it."""
    if len(content) <= DIGESTED_HERE:
        return convert.content_digest(key(), content)
    async with asyncio.timeout_at(ends):
        return await asyncio.to_thread(convert.content_digest, key(), content)


async def _decided(
    sitting: Sitting, questions: Sequence[Asked], caller: Caller, ends: float | None
) -> Sequence[Answer]:
    """Decide about every part of a request on one basis, in order, so that what counts is counted in order.

    A request passes as a whole or not at all, and one that does not costs nothing. Only who is waited for can be late.
    """
    passes, said = False, list[Answer]()
    try:
        for question in questions:
            answer = checked(sitting, question, caller)
            if isinstance(answer, Unsettled):
                async with asyncio.timeout_at(ends):
                    answer = await sitting.settled(answer)
            said.append(answer)
        passes = all(one.decision.effect is Effect.ALLOW for one in said)
        return said
    finally:
        if not passes:
            sitting.give_back()


def _refused(sitting: Sitting, request: AtGate, refused: Refused, body: RpcBody | None) -> bytes:
    answer = sitting.refuse(convert.refused_question(request.request), refused, request.sent)
    return answered_bytes([answer], body)


def ext_authz_face(api: ExtAuthzApi) -> Face:
    """Return the service as the server takes it."""
    return Face(ext_authz_pb2_grpc.add_AuthorizationServicer_to_server, api, {"Check": convert.at_gate})
