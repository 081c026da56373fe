"""AuthZEN 1.0 over HTTP: evaluation, evaluations, and the document that says where they are.

The rules:

- the same callers, grants and quotas as Check and BatchCheck: what one door refuses no other lets through;
- the document names the address the request came in at, never the Host it claimed: whoever can choose that would choose
  whom enforcement points ask;
- `/{environment}/access/v1/…` is asked by enforcement points that stand in that environment, whatever they say.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ringfence_kit.callers import Caller
from ringfence_kit.errors import Failure, InvalidRequest, Violation
from ringfence_kit.grants import Grants
from ringfence_kit.http_methods import HttpCall, HttpMethod
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ringfence_pdp.api.asking import decided
from ringfence_pdp.convert import authzen as convert
from ringfence_pdp.convert.decisions import response_to_proto
from ringfence_pdp.decisions import Decisions
from ringfence_pdp.doors.authzen import Evaluation, evaluation, evaluations, read_object
from ringfence_pdp.doors.refusal import UNREAD, Refused
from ringfence_pdp.model import CheckRequest
from ringfence_pdp.sitting import Sitting

BODY_MAX: Final = 1 << 20
EVALUATION: Final = "/access/v1/evaluation"
EVALUATIONS: Final = "/access/v1/evaluations"
CONFIGURATION: Final = "/.well-known/authzen-configuration"


class AuthZenApi:
    """Answers enforcement points that speak the standard."""

    def __init__(self, decisions: Decisions, *, public_url: str) -> None:
        """`public_url` is where the world reaches this port; empty for the address a request came in at."""
        self._decisions = decisions
        self._public_url = public_url

    async def evaluate(self, call: HttpCall) -> Response:
        """Decide about one question."""
        request = _object(call)
        answer = await _decided(self._decisions.sitting(), evaluation(request), call.caller, _environment(call))
        return JSONResponse(answer)

    async def evaluate_several(self, call: HttpCall) -> Response:
        """Decide about a row of questions on one basis; without any, about the defaults as one question."""
        request = _object(call)
        row = evaluations(request)
        if not row.items:
            return await self.evaluate(call)
        sitting, answers = self._decisions.sitting(), []
        for place in range(len(row.items)):
            try:
                answer = await _decided(sitting, row.item(place), call.caller, _environment(call))
            except Failure as failure:
                answer = convert.item_error(failure)
            answers.append(answer)
            if row.semantic.ends_after(permitted=answer["decision"]):
                break
        return JSONResponse({"evaluations": answers})

    async def describe(self, request: Request) -> Response:
        """Say where everything is (AuthZEN 1.0, 9)."""
        url = self._public_url or _came_in_at(request.scope)
        base = f"{url}/{request.path_params['environment']}" if request.path_params else url
        return JSONResponse(
            {
                "policy_decision_point": base,
                "access_evaluation_endpoint": f"{base}{EVALUATION}",
                "access_evaluations_endpoint": f"{base}{EVALUATIONS}",
            },
            headers={"cache-control": "max-age=300"},
        )


def authzen_methods(api: AuthZenApi, grants: Grants) -> Sequence[HttpMethod]:
    """Return the paths that need a caller, granted to whom the native methods are."""
    check = grants["/ringfence.pdp.v1.DecisionService/Check"]
    batch = grants["/ringfence.pdp.v1.DecisionService/BatchCheck"]
    return [
        HttpMethod(prefix + path, f"authzen{path}", grant, answer, BODY_MAX)
        for prefix in ("", "/{environment}")
        for path, grant, answer in ((EVALUATION, check, api.evaluate), (EVALUATIONS, batch, api.evaluate_several))
    ]


def authzen_routes(api: AuthZenApi) -> Sequence[BaseRoute]:
    """Return the public document, for all environments and for each."""
    return [Route(CONFIGURATION, api.describe), Route(f"{CONFIGURATION}/{{environment}}", api.describe)]


async def _decided(sitting: Sitting, asked: Evaluation, caller: Caller, environment: str) -> dict[str, Any]:
    try:
        question = convert.question(asked, environment)
    except Refused as refused:
        denied = sitting.refuse(CheckRequest(action=UNREAD, environment=environment), refused, b"")
        return convert.decision(response_to_proto(denied))
    return convert.decision(await decided(sitting, question, caller))


def _object(call: HttpCall) -> Mapping[str, Any]:
    kind = call.content_type.partition(";")[0].strip().lower()
    if kind != "application/json":
        raise InvalidRequest(Violation("content-type", "must be application/json"))
    return read_object(call.body)


def _environment(call: HttpCall) -> str:
    """What is surer than the request: the path an enforcement point was configured with, or an agent's token."""
    return str(call.path.get("environment", "")) or call.caller.environment


def _came_in_at(scope: Mapping[str, Any]) -> str:
    """Return the address of our own socket; what a client sends has no part in it."""
    host, port = scope["server"]
    return f"{scope['scheme']}://{f'[{host}]' if ':' in host else host}:{port}"
