"""How what was found looks in a terminal."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text
from ringfence.registry.v1 import catalog_pb2 as pb
from ringfence.registry.v1 import registry_pb2

from ringfence_launcher.output import fields, stacked, table
from ringfence_launcher.plain_text import plain
from ringfence_launcher.views.agents import similar_table
from ringfence_launcher.words import counted, duration_text, short, word


def results(found: Sequence[pb.SearchResult]) -> RenderableType:
    """Show agents found, each with where the words were."""
    if not found:
        return Text("nothing found")
    return stacked(*(_result(result) for result in found))


def similar(agents: Sequence[registry_pb2.SimilarAgent]) -> RenderableType:
    """Show agents by how much they resemble another."""
    return similar_table(agents)


def facets(answer: pb.GetFacetsResponse) -> RenderableType:
    """Show how many agents have which value."""
    head = Text(counted(answer.total_size, "agent"))
    return stacked(head, *(_facet(facet) for facet in answer.facets))


def selected(answer: pb.SelectAgentResponse) -> RenderableType:
    """Show who to call, with what share, and why others were left out."""
    candidates = table(
        [">WEIGHT", "AGENT", "REVISION", "CALL IT AT", "HEALTH", "BECAUSE"],
        (
            (
                f"{one.weight:.3f}",
                short(one.agent),
                one.revision.rpartition("/")[2],
                f"{one.interface.url} ({one.interface.protocol_binding})" if one.interface.url else "",
                _health(one.health) if one.HasField("health") else "",
                "\n".join(f"{reason.factor} x {reason.multiplier:.3g}: {reason.explanation}" for reason in one.reasons),
            )
            for one in answer.candidates
        ),
        empty="nobody can be called",
    )
    return stacked(candidates, _exclusions(answer.exclusions))


def _result(result: pb.SearchResult) -> RenderableType:
    agent = result.agent
    head = Text.assemble(
        f"{result.relevance:.2f}  ",
        (plain(short(agent.name)), "bold"),
        f"  {plain(agent.display_name)}  {word(registry_pb2.RiskTier, agent.risk_tier)}",
    )
    return stacked(head, fields((f"      {match.field}", _snippet(match)) for match in result.matches))


def _snippet(match: pb.SearchMatch) -> Text:
    """Show the text around the words, the words standing out. Spans that point outside are of no use."""
    shown, place = Text(), 0
    for span in match.highlights:
        if not place <= span.start < span.end <= len(match.snippet):
            continue
        shown.append(plain(match.snippet[place : span.start]))
        shown.append(plain(match.snippet[span.start : span.end]), style="bold")
        place = span.end
    return shown.append(plain(match.snippet[place:]))


def _facet(facet: pb.Facet) -> RenderableType:
    rows = [(f"{value.count:>8}", value.value) for value in facet.values]
    if facet.other_count:
        rows.append((f"{facet.other_count:>8}", "(other values)"))
    if facet.unset_count:
        rows.append((f"{facet.unset_count:>8}", "(no value)"))
    return stacked(Text(f"\n{plain(facet.field)}", style="bold"), fields(rows))


def _health(health: pb.AgentHealth) -> str:
    said = (
        f"circuit {word(pb.CircuitState, health.circuit)}" if health.circuit else "",
        f"p95 {duration_text(health.latency_p95)}" if health.HasField("latency_p95") else "",
        f"{health.error_rate:.1%} of {health.calls} failed" if health.calls else "",
        f"slo {word(pb.SloState, health.slo)}" if health.slo else "",
    )
    return ", ".join(part for part in said if part)


def _exclusions(excluded: Sequence[pb.Exclusion]) -> RenderableType | None:
    if not excluded:
        return None
    listed = table(
        ["LEFT OUT", ">AGENTS", "SUCH AS"],
        ((one.reason, str(one.count), ", ".join(map(short, one.agents))) for one in excluded),
        empty="",
    )
    return stacked(Text(""), listed)
