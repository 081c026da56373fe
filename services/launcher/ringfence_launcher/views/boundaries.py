"""How boundaries and external systems look in a terminal."""

from collections.abc import Mapping, Sequence

from rich.console import RenderableType
from rich.text import Text
from ringfence.registry.v1 import boundary_pb2, registry_pb2
from ringfence.registry.v1 import external_system_pb2 as pb

from ringfence_launcher.output import fields, table
from ringfence_launcher.views.tools import last_switch, switch
from ringfence_launcher.words import short, time_text, word


def details(boundary: boundary_pb2.Boundary) -> RenderableType:
    """Show one boundary."""
    return fields(
        [
            ("name", boundary.name),
            ("state", switch(boundary.state)),
            ("switched", last_switch(boundary.last_switch)),
            ("display name", boundary.display_name),
            ("description", boundary.description),
            ("owner", _owner(boundary.owner)),
            ("agents that", _selector(boundary.selector)),
            ("agents", "\n".join(map(short, boundary.agents))),
            ("systems", "\n".join(map(short, boundary.external_systems))),
            ("single-sided with", "\n".join(map(short, boundary.single_sided_with))),
            ("labels", _labels(boundary.labels)),
            ("etag", boundary.etag),
            ("created", time_text(boundary.create_time)),
            ("changed", time_text(boundary.update_time)),
        ]
    )


def listed(boundaries: Sequence[boundary_pb2.Boundary]) -> RenderableType:
    """Show many boundaries, a line each."""
    return table(
        ["BOUNDARY", "STATE", "OWNER", "DESCRIPTION"],
        ((short(one.name), switch(one.state), one.owner.display_name, one.description) for one in boundaries),
        empty="no boundaries",
    )


def system(shown: pb.ExternalSystem) -> RenderableType:
    """Show one external system."""
    return fields(
        [
            ("name", shown.name),
            ("state", switch(shown.state)),
            ("switched", last_switch(shown.last_switch)),
            ("trusted", _trusted(shown)),
            ("decision", _decision(shown)),
            ("display name", shown.display_name),
            ("description", shown.description),
            ("url", shown.url),
            ("operator", shown.operator),
            ("owner", _owner(shown.owner)),
            ("risk", word(registry_pb2.RiskTier, shown.risk_tier)),
            ("data classes", ", ".join(shown.data_classes)),
            ("labels", _labels(shown.labels)),
            ("etag", shown.etag),
            ("entered", time_text(shown.create_time)),
            ("changed", time_text(shown.update_time)),
        ]
    )


def systems(shown: Sequence[pb.ExternalSystem]) -> RenderableType:
    """Show many external systems, a line each."""
    return table(
        ["SYSTEM", "STATE", "TRUSTED", "UNTIL", "OPERATOR", "URL"],
        (
            (
                short(one.name),
                switch(one.state),
                _trusted(one),
                time_text(one.trust_decision.expire_time),
                one.operator,
                one.url,
            )
            for one in shown
        ),
        empty="no external systems",
    )


def _trusted(shown: pb.ExternalSystem) -> Text:
    return Text("yes", style="green") if shown.trusted else Text("no", style="red")


def _decision(shown: pb.ExternalSystem) -> str:
    if not shown.HasField("trust_decision"):
        return "nobody decided"
    made = shown.trust_decision
    until = f", until {time_text(made.expire_time)}" if made.HasField("expire_time") else ""
    return f"{word(pb.TrustVerdict, made.verdict)} by {made.actor} {time_text(made.decide_time)}{until}: {made.reason}"


def _selector(selector: boundary_pb2.BoundarySelector) -> str:
    risks = [word(registry_pb2.RiskTier, tier) for tier in selector.risk_tiers]
    given = (
        ("are of team", selector.teams),
        ("may run in", selector.environments),
        ("touch", selector.data_classes),
        ("have risk", risks),
        ("have label", [f"{key}={value}" for key, value in sorted(selector.labels.items())]),
    )
    return "\n".join(f"{how} {', '.join(values)}" for how, values in given if values)


def _owner(owner: registry_pb2.Owner) -> str:
    return f"{owner.display_name} <{owner.contact}>" if owner.display_name or owner.contact else ""


def _labels(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
