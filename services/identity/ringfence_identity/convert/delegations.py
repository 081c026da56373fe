"""Delegation requests in, grants and tokens out. The chain itself is judged where its rule can be named."""

import re
from collections.abc import Sequence

from ringfence.identity.v1 import delegation_pb2 as pb
from ringfence.proofs.delegation_grant import (
    MAX_CALLS,
    MAX_COST_MICROS,
    MAX_DEPTH,
    MAX_GRANT_BYTES,
    NAME_PREFIX,
    Budget,
)
from ringfence.proofs.scopes import MAX_SCOPE_BYTES, SCOPE_SHAPE, is_scope
from ringfence_kit.clock import Instant
from ringfence_kit.errors import PageTokenInvalid
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_identity.client_assertion import MAX_ASSERTION_BYTES
from ringfence_identity.convert.births import MAX_PERMISSIONS
from ringfence_identity.delegation.exchange import ExchangedDelegation, ExchangeDelegation
from ringfence_identity.delegation.listing import ListDelegations
from ringfence_identity.delegation.model import Delegation, Position
from ringfence_identity.delegation.revocation import RevokedDelegation, RevokeDelegation

_AUDIENCE = re.compile(r"[\x21-\x7e]+")
_NAME = re.compile(rf"{NAME_PREFIX}[A-Za-z0-9_-]{{43}}")
_NAME_SHAPE = "delegations/{hash}, the SHA-256 of the grant in base64url"


def exchange_delegation(request: pb.ExchangeDelegationRequest) -> ExchangeDelegation:
    """Return what a delegatee shows and asks for."""
    found = Violations()
    scopes = list(found.items(request.scopes, "scopes", max_items=MAX_PERMISSIONS))
    for path, scope in scopes:
        if not is_scope(scope):
            found.add(path, f"must have the form {SCOPE_SHAPE}, at most {MAX_SCOPE_BYTES} bytes")
    found.distinct([scope for _, scope in scopes], "scopes")
    wanted = ExchangeDelegation(
        grants=_grants(request.grants, found, least=1),
        assertion=found.text(request.assertion, "assertion", max_bytes=MAX_ASSERTION_BYTES),
        audience=found.text(
            request.audience, "audience", max_bytes=256, pattern=_AUDIENCE, shape="printable ASCII without spaces"
        ),
        scopes=tuple(scope for _, scope in scopes),
        budget=_budget(request.budget, found.at("budget")),
    )
    return found.ok(wanted)


def exchanged_to_proto(exchanged: ExchangedDelegation) -> pb.ExchangeDelegationResponse:
    """Return the response with the token."""
    return pb.ExchangeDelegationResponse(
        access_token=exchanged.access_token,
        expire_time=to_timestamp(exchanged.token.expires_at),
        scopes=exchanged.token.scopes,
        ring=exchanged.token.ring,
        delegation=delegation_to_proto(exchanged.delegation),
    )


def revoke_delegation(request: pb.RevokeDelegationRequest) -> tuple[RevokeDelegation, str]:
    """Return which grant to revoke, and the request id."""
    found = Violations()
    wanted = RevokeDelegation(
        name=found.text(request.name, "name", max_bytes=64, pattern=_NAME, shape=_NAME_SHAPE),
        grants=_grants(request.grants, found),
        reason=found.text(request.reason, "reason", max_bytes=500),
    )
    request_id = found.request_id(request.request_id)
    return found.ok(wanted), request_id


def revoked_to_proto(revoked: RevokedDelegation) -> pb.RevokeDelegationResponse:
    """Return the response with the grant, revoked."""
    return pb.RevokeDelegationResponse(
        delegation=delegation_to_proto(revoked.delegation), descendants_revoked=revoked.descendants
    )


def list_delegations(request: pb.ListDelegationsRequest, *, cursor: bytes | None) -> ListDelegations:
    """Return which grants are wanted, from where the opened page token says."""
    found = Violations()
    wanted = ListDelegations(
        environment=found.text(request.environment, "environment", max_bytes=63),
        delegator=found.text(request.delegator, "delegator", max_bytes=1_024, required=False),
        delegatee=found.text(request.delegatee, "delegatee", max_bytes=1_024, required=False),
        show_ended=request.show_ended,
        page_size=found.page_size(request.page_size),
        after=None if cursor is None else _position(cursor),
    )
    return found.ok(wanted)


def cursor_of(position: Position) -> bytes:
    """Return a place in the list as a page token seals it."""
    return f"{position.seen_at} {position.path}".encode()


def delegation_to_proto(delegation: Delegation) -> pb.Delegation:
    """Return the message of a grant."""
    grant = delegation.grant
    message = pb.Delegation(
        name=grant.name,
        environment=grant.environment,
        delegator=grant.delegator,
        delegatee=grant.delegatee,
        ancestors=grant.ancestors,
        origin=grant.agents[0],
        depth=len(grant.hashes),
        scopes=grant.scopes,
        audiences=grant.audiences,
        tools=grant.tools,
        budget=_budget_to_proto(grant.limit),
        spent=_budget_to_proto(delegation.spent),
        start_time=to_timestamp(grant.not_before),
        expire_time=to_timestamp(grant.expires_at),
        revocation_reason=delegation.revocation_reason,
        create_time=to_timestamp(grant.seen_at),
    )
    if delegation.revoked_at is not None:
        message.revoke_time.CopyFrom(to_timestamp(delegation.revoked_at))
    return message


def _grants(grants: Sequence[str], found: Violations, *, least: int = 0) -> tuple[str, ...]:
    listed = list(found.items(grants, "grants", max_items=MAX_DEPTH, min_items=least))
    for path, compact in listed:
        found.text(compact, path, max_bytes=MAX_GRANT_BYTES)
    return tuple(compact for _, compact in listed)


def _budget(message: pb.DelegationBudget, found: Violations) -> Budget:
    return Budget(
        calls=found.integer(message.calls, "calls", minimum=0, maximum=MAX_CALLS),
        cost_micros=found.integer(message.cost_micros, "cost_micros", minimum=0, maximum=MAX_COST_MICROS),
    )


def _budget_to_proto(budget: Budget) -> pb.DelegationBudget:
    return pb.DelegationBudget(calls=budget.calls, cost_micros=budget.cost_micros)


def _position(cursor: bytes) -> Position:
    seen_at, _, path = cursor.decode("ascii", "replace").partition(" ")
    if not seen_at.isdecimal() or not path:
        raise PageTokenInvalid(problem="it is not a place in this list")
    return Position(seen_at=Instant(int(seen_at)), path=path)
