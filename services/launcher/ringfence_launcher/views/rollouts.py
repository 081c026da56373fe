"""How rollouts, kept bundles, flips and replays look in a terminal."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text
from ringfence.pdp.v1 import bundle_pb2 as pb

from ringfence_launcher.output import fields, stacked, table
from ringfence_launcher.words import time_text

_MODES = {
    pb.ROLLOUT_MODE_SHADOW: "tried in the shadow",
    pb.ROLLOUT_MODE_CANARY: "tried as a canary",
}


def rollout(shown: pb.Rollout) -> RenderableType:
    """Show what decides, and what is tried."""
    tried = ""
    if shown.candidate:
        share = f" for {shown.percent} of 100 agents" if shown.mode == pb.ROLLOUT_MODE_CANARY else ""
        tried = f"{shown.candidate}\n{_MODES.get(shown.mode, 'tried')}{share}"
    return fields(
        [
            ("decides", shown.active or "nothing: push a bundle"),
            ("before", shown.previous),
            ("tried", tried),
            ("ends by itself", _limits(shown.auto_abort) if shown.candidate else ""),
            ("ended because", Text(shown.aborted_because, style="bold red") if shown.aborted_because else ""),
            ("because", shown.reason),
            ("changed by", shown.actor),
            ("changed", time_text(shown.update_time) if shown.HasField("update_time") else ""),
            ("etag", shown.etag),
        ]
    )


def bundles(listed: Sequence[pb.Bundle], now: pb.Rollout) -> RenderableType:
    """Show the kept bundles, and what part each has."""
    parts = {now.previous: "before", now.candidate: "tried", now.active: "decides"}
    return table(
        ["BUNDLE", "", ">POLICIES", ">RULES", "PUSHED", "BY"],
        (
            (
                one.digest,
                parts.get(one.name, "") if one.name else "",
                str(one.policy_count),
                str(one.rule_count),
                time_text(one.create_time),
                one.author,
            )
            for one in listed
        ),
        empty="no bundle was pushed yet",
    )


def would_flips(shown: pb.GetWouldFlipsResponse) -> RenderableType:
    """Show how a bundle would decide otherwise."""
    head = fields(
        [
            ("tried", shown.candidate),
            ("decisions", f"{shown.decisions:,}"),
            ("otherwise", _share(shown.flips, shown.decisions)),
            ("conditions failed", _share(shown.errors, shown.decisions)),
        ]
    )
    return stacked(
        head,
        Text(),
        table(
            ["NOW", "THEN", "BY RULE", ">TIMES", "FOR EXAMPLE"],
            (
                (one.before, one.after, one.rule or "none matches", f"{one.count:,}", one.example_decision_id)
                for one in shown.by_rule
            ),
            empty="so far it decides the same",
        ),
    )


def _limits(auto_abort: pb.AutoAbort) -> str:
    rates = [
        f"over {rate:.1%} {what}"
        for rate, what in ((auto_abort.max_flip_rate, "otherwise"), (auto_abort.max_error_rate, "errors"))
        if rate
    ]
    return f"{' or '.join(rates)}, after {auto_abort.min_decisions} decisions" if rates else ""


def _share(count: int, of: int) -> str:
    return f"{count:,} ({count / of:.1%})" if of else "0"
