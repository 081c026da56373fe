"""`ringfence.pdp.v1.ApprovalService` messages to values and back."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct
from ringfence.pdp.v1 import approval_pb2 as pb
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.errors import PageTokenInvalid
from ringfence_kit.events import Bookmark, Change, Event, Revision
from ringfence_kit.names import AgentName, parse_namespace
from ringfence_kit.state_watch import Standing, StateComplete
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_pdp.approvals.approval import Approval, State, Vote
from ringfence_pdp.approvals.book import Cursor

COMMENT_BYTES_MAX = 500
_NAME = re.compile(r"approvals/[0-9a-f-]{36}")
_NAME_SHAPE = "approvals/{approval}"
_DIGEST = re.compile(r"sha256-[0-9a-f]{64}")

_STATES: Mapping[State, "pb.ApprovalState.ValueType"] = {
    State.PENDING: pb.APPROVAL_STATE_PENDING,
    State.APPROVED: pb.APPROVAL_STATE_APPROVED,
    State.DENIED: pb.APPROVAL_STATE_DENIED,
    State.CANCELLED: pb.APPROVAL_STATE_CANCELLED,
    State.EXPIRED: pb.APPROVAL_STATE_EXPIRED,
    State.USED: pb.APPROVAL_STATE_USED,
}
_BY_NUMBER: Mapping[int, State] = {number: state for state, number in _STATES.items()}

_CHANGES: Mapping[Change, "pb.ApprovalEventType.ValueType"] = {
    Change.ADDED: pb.APPROVAL_EVENT_TYPE_ADDED,
    Change.MODIFIED: pb.APPROVAL_EVENT_TYPE_MODIFIED,
    Change.DELETED: pb.APPROVAL_EVENT_TYPE_DELETED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """For which agents; empty covers all."""

    text: str = ""

    def covers(self, approval: Approval) -> bool:
        """Say whether it covers what this approval is asked for."""
        agent = approval.question.agent
        return not self.text or agent == self.text or agent.startswith(f"{self.text}/agents/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """A checked ApproveRequest or DenyRequest."""

    name: str
    comment: str
    binding: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListApprovals:
    """A checked ListApprovalsRequest; the token is opened by the face, which knows the caller."""

    state: State | None
    scope: Scope
    page_size: int
    page_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchApprovals:
    """A checked WatchApprovalsRequest."""

    scope: Scope
    start_revision: Revision | None
    send_initial_state: bool


def approval_name(request: pb.GetApprovalRequest) -> str:
    """Return which one is meant, or raise InvalidRequest."""
    found = Violations()
    return found.ok(_name(request.name, found))


def approve(request: pb.ApproveRequest) -> Ballot:
    """Build the vote, or raise InvalidRequest with every violation."""
    found = Violations()
    binding = found.text(
        request.binding_digest,
        "binding_digest",
        max_bytes=71,
        required=False,
        pattern=_DIGEST,
        shape="sha256- and 64 hex digits",
    )
    return _ballot(request.name, request.comment, request.request_id, found, binding=binding)


def deny(request: pb.DenyRequest) -> Ballot:
    """Build the vote, or raise InvalidRequest with every violation."""
    return _ballot(request.name, request.comment, request.request_id, Violations(), must_say_why=True)


def cancel(request: pb.CancelRequest) -> Ballot:
    """Build the command, or raise InvalidRequest with every violation."""
    return _ballot(request.name, request.reason, request.request_id, Violations(), said="reason")


def list_approvals(request: pb.ListApprovalsRequest) -> ListApprovals:
    """Build the query, or raise InvalidRequest."""
    found = Violations()
    state = found.enum(request.state, "state", _BY_NUMBER) if request.state else None
    scope = _scope(request.scope, found)
    page_size = found.page_size(request.page_size)
    found.raise_if_any()
    return ListApprovals(state=state, scope=scope, page_size=page_size, page_token=request.page_token)


def watch_approvals(request: pb.WatchApprovalsRequest) -> WatchApprovals:
    """Build the question, or raise InvalidRequest."""
    found, start = Violations(), request.start_revision
    if start < 0:
        found.add("start_revision", "must not be negative")
    if start > 0 and request.send_initial_state:
        found.add("start_revision", "must be 0 with send_initial_state: the state stands at one revision, the newest")
    scope = _scope(request.scope, found)
    found.raise_if_any()
    return WatchApprovals(
        scope=scope,
        start_revision=Revision(start) if start else None,
        send_initial_state=request.send_initial_state,
    )


def cursor_of(approval: Approval) -> bytes:
    """Return what a page token holds: the last one shown."""
    return f"{approval.opened_at} {approval.name}".encode()


def read_cursor(cursor: bytes) -> Cursor:
    """Return behind which one a page starts."""
    at, _, name = cursor.decode("utf-8", "replace").partition(" ")
    if not at.isdigit():
        raise PageTokenInvalid(problem="it holds no place in the list")
    return Cursor(Instant(int(at)), name)


def approval_to_proto(approval: Approval) -> pb.Approval:
    """Return the resource."""
    question, asked = approval.question, approval.asked
    message = pb.Approval(
        name=approval.name,
        state=_STATES[approval.state],
        min_approvals=question.min_approvals,
        approver_groups=question.approver_groups,
        votes=map(_vote_to_proto, approval.votes),
        agent=question.agent,
        did=question.did,
        chain=question.chain,
        environment=question.environment,
        action=question.action,
        tool=question.tool,
        target=question.target,
        resource_type=question.resource_type,
        resource_id=question.resource_id,
        arguments_digest=question.arguments_digest,
        binding_digest=approval.binding_digest,
        bundle_digest=question.bundle_digest,
        rules=asked.rules,
        why=asked.why,
        decision_id=asked.decision_id,
        session=asked.session,
        create_time=to_timestamp(approval.opened_at),
        expire_time=to_timestamp(approval.expires_at),
        used_by_decision_id=approval.used_by,
        etag=approval.etag,
    )
    if asked.arguments:
        message.arguments.CopyFrom(json_format.Parse(asked.arguments, Struct()))
    if approval.ended_at is not None:
        message.end_time.CopyFrom(to_timestamp(approval.ended_at))
    return message


def event_to_proto(item: Standing[Approval] | StateComplete | Event | Bookmark) -> pb.WatchApprovalsResponse:
    """Return one event of the watch."""
    match item:
        case Standing(resource=approval, revision=revision):
            return pb.WatchApprovalsResponse(
                type=pb.APPROVAL_EVENT_TYPE_ADDED, revision=revision, approval=approval_to_proto(approval)
            )
        case Event():
            return item.once(_event)
        case _:
            return pb.WatchApprovalsResponse(
                type=pb.APPROVAL_EVENT_TYPE_BOOKMARK,
                revision=item.revision,
                event_time=to_timestamp(item.at),
                initial_state_end=isinstance(item, StateComplete),
            )


def approval_in(event: Event) -> Approval:
    """Return the approval an event is about, read once for all watchers."""
    return event.once(_approval)


def _approval(event: Event) -> Approval:
    return records.decode(event.record, Approval)


def _event(event: Event) -> pb.WatchApprovalsResponse:
    return pb.WatchApprovalsResponse(
        type=_CHANGES[event.change],
        revision=event.revision,
        approval=approval_to_proto(approval_in(event)),
        event_time=to_timestamp(event.at),
    )


def _vote_to_proto(vote: Vote) -> pb.Vote:
    return pb.Vote(
        voter=vote.voter,
        approve=vote.approve,
        comment=vote.comment,
        vote_time=to_timestamp(vote.at),
        groups=vote.groups,
    )


def _ballot(
    name: str,
    comment: str,
    request_id: str,
    found: Violations,
    *,
    said: str = "comment",
    must_say_why: bool = False,
    binding: str = "",
) -> Ballot:
    named = _name(name, found)
    comment = found.text(comment, said, max_bytes=COMMENT_BYTES_MAX, required=must_say_why, multiline=True)
    request_id = found.request_id(request_id)
    return Ballot(name=found.ok(named), comment=comment, binding=binding, request_id=request_id)


def _name(text: str, found: Violations) -> str | None:
    return found.resource_name(text, "name", _approval_name, shape=_NAME_SHAPE)


def _approval_name(text: str) -> str | None:
    return text if _NAME.fullmatch(text) else None


def _scope(text: str, found: Violations) -> Scope:
    if text and parse_namespace(text) is None and AgentName.parse(text) is None:
        found.add("scope", "must have the form namespaces/{namespace} or namespaces/{namespace}/agents/{agent}")
    return Scope(text=text)
