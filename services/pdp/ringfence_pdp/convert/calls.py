"""The parties of a call, and what is shown for it, as `CheckRequest` carries them: judged only where they are there."""

import re
from typing import NamedTuple

from google.protobuf import json_format
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence.proofs.access_token import MAX_TOKEN_CHARACTERS
from ringfence.proofs.canonical_json import CanonicalFormError
from ringfence.proofs.elevation import MAX_ELEVATION_CHARACTERS
from ringfence_kit.names import AgentName
from ringfence_kit.validation import Violations

from ringfence_pdp.answer import Answer
from ringfence_pdp.approvals.binding import arguments_digest
from ringfence_pdp.model import Obligation, Plain, SideVerdict, Target, Usage

CHAIN_MAX = 32
"""More than may be in a chain, which is a decision and no mistake in the request."""

GRANTS_MAX = 4
OBLIGATIONS_MAX = 64
TOKENS_MAX = 1_000_000_000
COST_MICROS_MAX = 1_000_000_000_000

DID = re.compile(r"did:[a-z0-9]+:[A-Za-z0-9._:%-]+")
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_OBLIGATION = re.compile(r"[a-z][a-z0-9_.-]{0,62}")
_APPROVAL = re.compile(r"approvals/[0-9a-z-]{1,64}")


class Parties(NamedTuple):
    """Who is brought up besides the agent that acts, and by what."""

    target: Target | None = None
    delegation_token: str | None = None
    chain: tuple[str, ...] = ()
    elevation_grants: tuple[str, ...] = ()


def parties(request: pb.CheckRequest, found: Violations) -> Parties:
    """Judge the parties of a call."""
    return Parties(
        target=_target(request.target, found) if request.HasField("target") else None,
        delegation_token=_proof(request.delegation_token, "delegation_token", MAX_TOKEN_CHARACTERS, found)
        if request.delegation_token
        else None,
        chain=tuple(
            _agent(text, field, found) for field, text in found.items(request.chain, "chain", max_items=CHAIN_MAX)
        ),
        elevation_grants=tuple(
            _proof(text, field, MAX_ELEVATION_CHARACTERS, found)
            for field, text in found.items(request.elevation_grants, "elevation_grants", max_items=GRANTS_MAX)
        ),
    )


def supported_obligations(request: pb.CheckRequest, found: Violations) -> frozenset[str]:
    """Judge the types of obligations that are fulfilled."""
    several = found.items(request.supported_obligations, "supported_obligations", max_items=OBLIGATIONS_MAX)
    shape = "a type such as redact: a-z, 0-9 and _ . -, at most 63"
    return frozenset(found.text(text, field, max_bytes=63, pattern=_OBLIGATION, shape=shape) for field, text in several)


def approval_name(text: str, found: Violations) -> str:
    """Judge the name of an approval."""
    return found.text(text, "approval", max_bytes=128, pattern=_APPROVAL, shape="approvals/{approval}")


def usage(message: pb.Usage, found: Violations) -> Usage:
    """Judge what a call is expected to use."""
    return Usage(
        tokens=found.integer(message.tokens, "usage.tokens", minimum=0, maximum=TOKENS_MAX),
        cost_micros=found.integer(message.cost_micros, "usage.cost_micros", minimum=0, maximum=COST_MICROS_MAX),
    )


def require_digest_of(arguments: Plain, digest: str, found: Violations) -> None:
    """Note a digest that is not that of the arguments it stands beside."""
    try:
        theirs = arguments_digest(arguments)
    except CanonicalFormError:
        theirs = ""
    if digest != theirs:
        found.add("action.arguments_digest", "must be sha256- and the digest of action.arguments in RFC 8785 form")


def _target(subject: pb.Subject, found: Violations) -> Target:
    if not subject.did and not subject.agent:
        found.add("target", "did or agent must be set")
    if subject.did:
        found.text(subject.did, "target.did", max_bytes=512, pattern=DID, shape="did:method:id")
    agent = AgentName.parse(subject.agent) if subject.agent else None
    if subject.agent and agent is None:
        found.add("target.agent", "must have the form namespaces/{namespace}/agents/{agent}")
    return Target(did=subject.did or None, agent=agent)


def _agent(text: str, field: str, found: Violations) -> str:
    if text.startswith("did:"):
        return found.text(text, field, max_bytes=512, pattern=DID, shape="did:method:id")
    if AgentName.parse(text) is None:
        found.add(field, "must be a DID, or have the form namespaces/{namespace}/agents/{agent}")
    return text


def _proof(text: str, field: str, longest: int, found: Violations) -> str:
    # Only its form is judged here: whether it is believed is part of the answer.
    return found.text(text, field, max_bytes=longest, pattern=_COMPACT, shape="a compact JWS: three parts with dots")


def put_composed(response: pb.CheckResponse, answer: Answer) -> None:
    """Say in the response what a decision is made of, when more than the rules for one agent had a say."""
    composed = answer.decision.composed
    response.chain.extend(composed.chain)
    response.sides.extend(map(_side, composed.sides))
    for obligation in composed.obligations:
        response.obligations.append(obligation_to_proto(obligation))


def obligation_to_proto(obligation: Obligation) -> pb.Obligation:
    """Return what has to be done; its properties are JSON, as the policy's author wrote them."""
    message = pb.Obligation(type=obligation.type, id=obligation.id)
    # Parsed by protobuf itself, which knows how JSON is a Struct, deep or not.
    json_format.ParseDict(dict(obligation.properties), message.properties)
    return message


def _side(side: SideVerdict) -> pb.SideVerdict:
    return pb.SideVerdict(
        hop=side.hop,
        side=pb.Side.ValueType(side.side),
        party=side.party,
        effect=pb.Effect.ValueType(side.verdict.effect),
        reason=pb.DecisionReason.ValueType(side.verdict.reason),
        rules=side.verdict.rules,
    )
