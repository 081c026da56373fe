"""How delegations look in a terminal."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text
from ringfence.identity.v1 import delegation_pb2 as pb

from ringfence_launcher.output import fields, table
from ringfence_launcher.words import time_text, who


def delegation(shown: pb.Delegation) -> RenderableType:
    """Show one grant."""
    return fields(
        [
            ("name", shown.name),
            ("state", _state(shown)),
            ("revoked because", shown.revocation_reason),
            ("environment", shown.environment),
            ("from", shown.delegator),
            ("to", shown.delegatee),
            ("begins with", shown.origin if shown.origin != shown.delegator else ""),
            ("depth", str(shown.depth)),
            ("scopes", "\n".join(shown.scopes)),
            ("audiences", "\n".join(shown.audiences)),
            ("tools", "\n".join(sorted(shown.tools))),
            ("budget", _budget(shown)),
            ("from when", time_text(shown.start_time)),
            ("until", time_text(shown.expire_time)),
            ("revoked", time_text(shown.revoke_time)),
        ]
    )


def delegations(shown: Sequence[pb.Delegation]) -> RenderableType:
    """Show many grants, a line each."""
    return table(
        ["DELEGATION", "STATE", ">DEPTH", "FROM", "TO", "SCOPES", "UNTIL"],
        (
            (
                one.name,
                _state(one),
                str(one.depth),
                who(one.delegator),
                who(one.delegatee),
                " ".join(one.scopes),
                time_text(one.expire_time),
            )
            for one in shown
        ),
        empty="no delegations",
    )


def _state(shown: pb.Delegation) -> Text:
    return Text("revoked", style="red") if shown.HasField("revoke_time") else Text("granted", style="green")


def _budget(shown: pb.Delegation) -> str:
    limits = []
    if shown.budget.calls:
        limits.append(f"{shown.spent.calls:,} of {shown.budget.calls:,} calls spent")
    if shown.budget.cost_micros:
        limits.append(f"{shown.spent.cost_micros:,} of {shown.budget.cost_micros:,} millionths spent")
    return "\n".join(limits)
