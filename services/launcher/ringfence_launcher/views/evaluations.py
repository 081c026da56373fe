"""How evaluation looks in a terminal: shares with the interval they surely lie in, conditions, drift."""

from rich.console import RenderableType
from rich.text import Text
from ringfence.telemetry.v1 import evaluation_pb2 as pb

from ringfence_launcher.output import fields, stacked, table
from ringfence_launcher.words import word

WIDTH = 20
"""Characters of the scale from 0 to 1."""

_LEVELS = {
    pb.DRIFT_LEVEL_UNSPECIFIED: ("unknown", "dim"),
    pb.DRIFT_LEVEL_STABLE: ("stable", "green"),
    pb.DRIFT_LEVEL_WATCH: ("watch", "yellow"),
    pb.DRIFT_LEVEL_ALERT: ("alert", "red"),
}


def recorded(answer: pb.RecordEvaluationsResponse, sent: int) -> RenderableType:
    """Show how many were new."""
    known = sent - answer.recorded
    return Text(f"{answer.recorded} recorded" + (f", {known} known already" if known > 0 else ""))


def acceptance(found: pb.Acceptance) -> RenderableType:
    """Show the four measures; a share as the stretch of the scale it surely lies in."""
    shares = (
        ("accuracy", found.accuracy),
        ("escalation", found.escalation),
        ("safe completion", found.safe_completion),
    )
    listed = table(
        ["MEASURE", ">COUNTED", ">SHARE", ">SURELY", f"0{' ' * (WIDTH - 2)}1"],
        ((name, _counted(share), _percent(share), _surely(share), interval(share)) for name, share in shares),
        empty="",
    )
    latency = f"{found.latency_p95_micros / 1e6:,.3f} s" if found.workflows else "-"
    rest = fields(
        [
            ("agent", found.agent),
            ("version", found.version or "(all)"),
            ("pieces of work", f"{found.workflows:,}"),
            ("latency p95", latency),
        ]
    )
    return stacked(rest, Text(), listed)


def interval(share: pb.Share) -> Text:
    """Return the scale from 0 to 1 with the stretch a share surely lies in."""
    if not share.total:
        return Text("·" * WIDTH, style="dim")
    first, last = min(int(share.low * WIDTH), WIDTH - 1), min(int(share.high * WIDTH), WIDTH - 1)
    return Text("·" * first + "━" * (last - first + 1) + "·" * (WIDTH - 1 - last), style="green")


def gate(found: pb.AcceptanceGate) -> RenderableType:
    """Show what is asked."""
    return fields(
        [
            ("agent", found.agent),
            ("accuracy", _asked(found.HasField("min_accuracy"), "at least", found.min_accuracy)),
            ("escalation", _asked(found.HasField("max_escalation"), "at most", found.max_escalation)),
            ("safe completion", _asked(found.HasField("min_safe_completion"), "at least", found.min_safe_completion)),
            (
                "latency p95",
                f"at most {found.max_latency_p95_micros / 1e6:g} s" if found.HasField("max_latency_p95_micros") else "",
            ),
            ("samples", f"at least {found.min_samples:,} in {found.days} days"),
            ("etag", found.etag),
        ]
    )


def checked(answer: pb.CheckAcceptanceResponse) -> RenderableType:
    """Show every condition, and whether all are reached."""
    said = Text("accepted", style="green") if answer.accepted else Text("not accepted", style="red")
    rows = ((each.what.replace("_", " "), _reached(each.reached), each.detail) for each in answer.results)
    return stacked(said, table(["WHAT", "REACHED", "DETAIL"], rows, empty="nothing is asked of it"))


def pinned(answer: pb.PinBaselineResponse) -> RenderableType:
    """Show what is in the baseline."""
    return Text(f"pinned, of {answer.workflows:,} pieces of work")


def drift(answer: pb.GetDriftResponse) -> RenderableType:
    """Show each way it may have moved, and how far."""
    rows = (
        (each.what.replace("_", " "), _level(each.level), f"{each.value:.4g}", each.detail) for each in answer.drifts
    )
    return stacked(_level(answer.level), table(["WHAT", "LEVEL", ">VALUE", "DETAIL"], rows, empty="nothing is known"))


def _level(level: "pb.DriftLevel.ValueType") -> Text:
    known = _LEVELS.get(level)
    return Text(word(pb.DriftLevel, level)) if known is None else Text(known[0], style=known[1])


def _reached(reached: bool) -> Text:
    return Text("yes", style="green") if reached else Text("no", style="red")


def _counted(share: pb.Share) -> str:
    return f"{share.hits:,} of {share.total:,}"


def _percent(share: pb.Share) -> str:
    return f"{share.hits * 100 / share.total:.1f} %" if share.total else "-"


def _surely(share: pb.Share) -> str:
    return f"{share.low * 100:.1f} - {share.high * 100:.1f} %" if share.total else "-"


def _asked(is_asked: bool, words: str, share: float) -> str:
    return f"{words} {share * 100:g} %, surely" if is_asked else ""
