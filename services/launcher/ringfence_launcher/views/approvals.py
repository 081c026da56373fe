"""How approvals look in a terminal."""

from collections.abc import Sequence

from google.protobuf.json_format import MessageToJson
from rich.console import RenderableType
from rich.text import Text
from ringfence.pdp.v1 import approval_pb2 as pb

from ringfence_launcher.output import fields, table
from ringfence_launcher.words import short, time_text, word

_STYLES = {
    pb.APPROVAL_STATE_PENDING: "bold yellow",
    pb.APPROVAL_STATE_APPROVED: "bold green",
    pb.APPROVAL_STATE_DENIED: "bold red",
}


def details(shown: pb.Approval) -> RenderableType:
    """Show one approval: what is asked before who said what."""
    return fields(
        [
            ("approval", shown.name),
            ("state", _state(shown)),
            ("agent", shown.agent),
            ("on behalf of", " → ".join(shown.chain)),
            ("environment", shown.environment),
            ("wants to", shown.action),
            ("with tool", shown.tool),
            ("to", " ".join(filter(None, (shown.resource_type, shown.resource_id)))),
            ("calling", shown.target),
            ("arguments", _arguments(shown)),
            ("arguments digest", shown.arguments_digest),
            ("binding digest", shown.binding_digest),
            ("asked for by", "\n".join(shown.rules)),
            ("because", shown.why),
            ("needs", _needs(shown)),
            ("votes", "\n".join(map(_vote, shown.votes))),
            ("session", shown.session),
            ("opened", time_text(shown.create_time)),
            ("ends", time_text(shown.expire_time)),
            ("ended", time_text(shown.end_time)),
            ("used by", shown.used_by_decision_id),
        ]
    )


def listed(approvals: Sequence[pb.Approval]) -> RenderableType:
    """Show many approvals, a line each."""
    return table(
        ["APPROVAL", "STATE", "AGENT", "WANTS TO", "TO", "VOTES", "ENDS"],
        (
            (
                one.name.removeprefix("approvals/"),
                _state(one),
                short(one.agent),
                one.action,
                " ".join(filter(None, (one.resource_type, one.resource_id))),
                f"{_yes(one)} of {one.min_approvals}",
                time_text(one.expire_time),
            )
            for one in approvals
        ),
        empty="nothing waits for people",
    )


def event(told: pb.WatchApprovalsResponse) -> Text:
    """Show one event of a watch."""
    line = Text(f"{told.revision}  ")
    if told.type == pb.APPROVAL_EVENT_TYPE_BOOKMARK:
        return line.append("state complete" if told.initial_state_end else "nothing happened", style="dim")
    one = told.approval
    line.append_text(_state(one))
    return line.append(f"  {one.name}  {short(one.agent)} {one.action} {one.resource_id}  {_yes(one)} of {_needs(one)}")


def lacking(shown: pb.Approval) -> str:
    """Return what has to happen next."""
    if shown.state == pb.APPROVAL_STATE_APPROVED:
        return "approved: the same question asked again is allowed, once"
    return f"{_yes(shown)} of {_needs(shown)} so far"


def _state(shown: pb.Approval) -> Text:
    return Text(word(pb.ApprovalState, shown.state), style=_STYLES.get(shown.state, ""))


def _needs(shown: pb.Approval) -> str:
    groups = f", of each {', '.join(shown.approver_groups)}" if shown.approver_groups else ""
    return f"{shown.min_approvals} people{groups}"


def _yes(shown: pb.Approval) -> int:
    return sum(vote.approve for vote in shown.votes)


def _vote(vote: pb.Vote) -> str:
    said = "yes" if vote.approve else "no"
    because = f": {vote.comment}" if vote.comment else ""
    return f"{said}  {vote.voter}  {time_text(vote.vote_time)}{because}"


def _arguments(shown: pb.Approval) -> str:
    return MessageToJson(shown.arguments, indent=None) if shown.HasField("arguments") else ""
