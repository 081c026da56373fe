"""How a score comes about, drawn so that somebody woken at night can follow the sum."""

from collections.abc import Iterable

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from ringfence.identity.v1 import trust_pb2 as pb

from ringfence_launcher.output import fields, stacked, table
from ringfence_launcher.plain_text import plain
from ringfence_launcher.views import identities
from ringfence_launcher.words import time_text, word

MICRO = 1_000_000
CEILING = "ceiling"


def explanation(shown: pb.ExplainTrustResponse) -> RenderableType:
    """Show the score, the sum it is, what holds it back, and what it is made of."""
    return stacked(
        identities.score(shown.trust),
        _part("The sum"),
        _sum(shown),
        _part(_promotion_title(shown)),
        _promotion(shown.promotion),
        _demotion(shown),
        _part("What is left of the caps"),
        _caps(shown.caps),
        _part("The newest evidence"),
        _signals(shown.signals, {weight.kind: weight.points for weight in shown.weights}),
        Text() if shown.summary else None,
        Text(plain(shown.summary, keep="\n")) if shown.summary else None,
    )


def elevation(shown: pb.Elevation) -> RenderableType:
    """Show an elevation."""
    return fields(
        [
            ("name", shown.name),
            ("chains from", shown.origin),
            ("environment", shown.environment),
            ("action", shown.action),
            ("resource", shown.resource),
            ("judged at ring", str(shown.ring)),
            ("approvals", str(shown.approvals)),
            ("reason", shown.reason),
            ("granted by", shown.granted_by),
            ("until", time_text(shown.expire_time)),
            ("revoked", time_text(shown.revoke_time)),
        ]
    )


def _part(title: str) -> Text:
    return Text(f"\n{title}", style="bold")


def _sum(shown: pb.ExplainTrustResponse) -> RenderableType:
    """Lay the terms out as a column of numbers over a line and its result, as on paper."""
    paper = Table.grid(padding=(0, 2))
    paper.add_column(justify="right", no_wrap=True)
    paper.add_column(no_wrap=True)
    paper.add_column(overflow="fold", style="dim")
    bounds = []
    for term in shown.terms:
        if term.name == CEILING:
            bounds.append(term)
        else:
            paper.add_row(_signed(term.micro_points), plain(term.name), Text(plain(term.detail)))
    paper.add_row("─" * 9, "", "")
    total = sum(term.micro_points for term in shown.terms if term.name != CEILING)
    paper.add_row(_signed(total).lstrip("+"), "together", Text("from 0 to 1000, then cut to whole points"))
    for term in bounds:
        cut = " and cuts it" if total > term.micro_points else ""
        paper.add_row(f"≤ {term.micro_points / MICRO:g}", plain(term.name), Text(f"{plain(term.detail)}{cut}"))
    paper.add_row(Text(str(shown.trust.score), style="bold"), Text("score", style="bold"), "")
    return paper


def _promotion_title(shown: pb.ExplainTrustResponse) -> str:
    if shown.next_ring == shown.trust.ring:
        return f"Ring {shown.trust.ring} is the best there is for it"
    return f"What ring {shown.next_ring} still needs"


def _promotion(conditions: Iterable[pb.PromotionCondition]) -> RenderableType | None:
    listed = [(_mark(each), each.condition, time_text(each.met_time)) for each in conditions]
    return table(["", "CONDITION", "BY ITSELF AT"], listed, empty="") if listed else None


def _demotion(shown: pb.ExplainTrustResponse) -> RenderableType | None:
    when = time_text(shown.demotion_time)
    return Text(f"Without new evidence it leaves ring {shown.trust.ring} at {when}", style="yellow") if when else None


def _caps(caps: Iterable[pb.TrustCap]) -> RenderableType:
    return table(
        ["CAP", ">LEFT", ">OF", "ALL FREE AT", "RATER"],
        (
            (
                cap.name,
                f"{cap.left_micro_points / MICRO:g}",
                f"{cap.limit_micro_points / MICRO:g}",
                time_text(cap.free_time),
                cap.rater,
            )
            for cap in caps
        ),
        empty="no caps",
    )


def _signals(signals: Iterable[pb.CountedSignal], weights: dict[int, int]) -> RenderableType:
    return table(
        ["WHEN", "WHAT", ">WEIGHT", "OUTCOME", "BY", "EVIDENCE"],
        (
            (
                time_text(signal.record_time),
                word(pb.SignalKind, signal.kind),
                _weight(weights.get(signal.kind)),
                word(pb.SignalOutcome, signal.outcome),
                signal.rater or signal.source,
                signal.evidence,
            )
            for signal in signals
        ),
        empty="none yet",
    )


def _weight(points: int | None) -> Text:
    if points is None:
        return Text("")
    return Text(f"{points:+d}", style="green" if points > 0 else "red" if points < 0 else "dim")


def _mark(condition: pb.PromotionCondition) -> Text:
    return Text("✔", style="green") if condition.met else Text("✘", style="red")


def _signed(micro_points: int) -> str:
    return f"{micro_points / MICRO:+.2f}"
