"""How readiness gates look in a terminal."""

from collections.abc import Iterable

from rich.console import RenderableType
from rich.text import Text
from ringfence.registry.v1 import registry_pb2 as pb

from ringfence_launcher.output import stacked, table
from ringfence_launcher.words import word


def checked(answer: pb.CheckReadinessResponse) -> RenderableType:
    """Show every gate, and whether all are met."""
    said = Text("ready", style="green") if answer.ready else Text("not ready", style="red")
    return stacked(said, listed(answer.gates))


def lacking(unmet: Iterable[pb.ReadinessGate]) -> RenderableType | None:
    """Show what an agent lacks; nothing when it lacks nothing."""
    given = list(unmet)
    return stacked(Text("\nit lacks, to serve where gates are kept", style="yellow"), listed(given)) if given else None


def listed(gates: Iterable[pb.ReadinessGate]) -> RenderableType:
    """Show gates, a line each, with what to do."""
    return table(
        ["GATE", "MET", "WHAT LACKS", "WHAT TO DO"],
        ((word(pb.ReadinessGateKind, gate.kind), _met(gate), gate.problem, gate.remedy) for gate in gates),
        empty="no gates are kept there",
    )


def _met(gate: pb.ReadinessGate) -> Text:
    return Text("yes", style="green") if gate.met else Text("no", style="red")
