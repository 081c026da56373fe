"""What is asked through every door, the policies that allow it, and which answer is the right one.

1,000 rules with three comparisons each, ten to a policy, one of which governs the agent that asks; a thousand different
questions, asked in turn, so that no answer is kept and given again.
"""

import itertools

from google.protobuf.struct_pb2 import Struct
from pdp_process import ENVIRONMENT, question
from ringfence.extauthz.v3 import ext_authz_pb2
from ringfence.pdp.v1 import bundle_pb2, decision_pb2

RULES = 1_000
RULES_PER_POLICY = 10
BATCHED = 64
BATCHES = 32
QUESTIONS = 1_000

_COMPARED = "resource.data_class in ['public', 'internal']"
_FOR_GATEWAYS = f"environment == '{ENVIRONMENT}'"


def policies(groups: int = RULES // RULES_PER_POLICY, *, note: str = "") -> list[bundle_pb2.PolicyFile]:
    """Return so many policies of ten rules; with another `note` they are another bundle that decides the same."""
    files = []
    for group in range(groups):
        # The last rule of each is for gateways: what an HTTP request is decided as.
        last = RULES_PER_POLICY - 1
        matched = [(f"read_{rule}*", _COMPARED) for rule in range(last)] + [("get_http", _FOR_GATEWAYS)]
        rules = "".join(
            f"    - name: r{rule}\n      match: {{actions: ['{action}']}}\n      effect: ALLOW\n"
            f'      when: "agent.ring <= 3 && agent.trust >= {group % 300} && {third}"\n'
            for rule, (action, third) in enumerate(matched)
        )
        head = f"apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {{name: p{group}}}\nspec:\n"
        governs = f"  governs: {{agents: ['ns/bench/agents/agent{group}'], environments: [{ENVIRONMENT}]}}\n  rules:\n"
        text = f"# {note}\n{head}{governs}{rules}"
        files.append(bundle_pb2.PolicyFile(path=f"p{group}.yaml", content=text.encode()))
    return files


def checks() -> list[bytes]:
    """Return questions of Check."""
    return [question(number).SerializeToString() for number in range(QUESTIONS)]


def batches() -> list[bytes]:
    """Return questions of BatchCheck."""
    asked = itertools.cycle(range(QUESTIONS))
    return [
        decision_pb2.BatchCheckRequest(
            requests=[question(number) for number in itertools.islice(asked, BATCHED)]
        ).SerializeToString()
        for _ in range(BATCHES)
    ]


def streamed() -> list[bytes]:
    """Return questions of CheckStream, each with an id of its own."""
    return [
        decision_pb2.CheckStreamRequest(id=number + 1, request=question(number)).SerializeToString()
        for number in range(QUESTIONS)
    ]


def envoys(did: str) -> list[bytes]:
    """Return what Envoy asks about GET requests of an agent."""
    payload = Struct()
    payload.update({"ringfence": {"sub": did, "env": ENVIRONMENT}})
    asked = []
    for number in range(QUESTIONS):
        request = ext_authz_pb2.CheckRequest()
        attributes = request.attributes
        http = attributes.request.http
        http.method, http.path, http.host = "GET", f"/orders/{number}", "orders"
        http.scheme, http.protocol = "http", "HTTP/1.1"
        sent = {":method": "GET", ":path": http.path, ":authority": "orders", "x-request-id": f"{number:032x}"}
        http.header_map.headers.extend(
            ext_authz_pb2.HeaderValue(key=key, raw_value=value.encode()) for key, value in sent.items()
        )
        for key, value in {"environment": ENVIRONMENT, "side": "caller", "profile": "http"}.items():
            attributes.context_extensions[key] = value
        attributes.metadata_context.filter_metadata["envoy.filters.http.jwt_authn"].CopyFrom(payload)
        asked.append(request.SerializeToString())
    return asked


def allowed(body: bytes) -> bool:
    """Say whether Check allowed."""
    return decision_pb2.CheckResponse.FromString(body).effect == decision_pb2.EFFECT_ALLOW


def all_allowed(body: bytes) -> bool:
    """Say whether BatchCheck allowed everything."""
    results = decision_pb2.BatchCheckResponse.FromString(body).results
    return len(results) == BATCHED and all(each.response.effect == decision_pb2.EFFECT_ALLOW for each in results)


def stream_allowed(body: bytes) -> bool | None:
    """Say whether an answer of CheckStream allowed; None for what is no answer."""
    message = decision_pb2.CheckStreamResponse.FromString(body)
    if message.WhichOneof("message") != "answer":
        return None
    answer = message.answer
    return 1 <= answer.id <= QUESTIONS and answer.response.effect == decision_pb2.EFFECT_ALLOW


def passed(body: bytes) -> bool:
    """Say whether Envoy would let the request pass."""
    response = ext_authz_pb2.CheckResponse.FromString(body)
    return response.status.code == 0 and response.WhichOneof("http_response") == "ok_response"
