"""How agents look in a terminal."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text
from ringfence.registry.v1 import registry_pb2 as pb

from ringfence_launcher.output import fields, stacked, table
from ringfence_launcher.plain_text import plain
from ringfence_launcher.words import time_text, word


def details(agent: pb.Agent) -> RenderableType:
    """Show one agent."""
    return stacked(
        fields(
            [
                ("name", agent.name),
                ("state", _state(agent)),
                ("purpose", agent.purpose),
                ("owner", f"{agent.owner.display_name} <{agent.owner.contact}>"),
                ("team", agent.team),
                ("on call", agent.on_call),
                ("risk", word(pb.RiskTier, agent.risk_tier)),
                ("data classes", ", ".join(agent.data_classes)),
                ("environments", ", ".join(agent.environments)),
                ("tools", "\n".join(_tool(tool) for tool in agent.approved_tools)),
                ("did", agent.did),
                ("labels", ", ".join(f"{key}={value}" for key, value in sorted(agent.labels.items()))),
                ("card", _card(agent.card)),
                ("skills", ", ".join(skill.id for skill in agent.card.skills)),
                ("interfaces", "\n".join(f"{i.url} ({i.protocol_binding})" for i in agent.card.interfaces)),
                ("etag", agent.etag),
                ("registered", time_text(agent.create_time)),
                ("changed", time_text(agent.update_time)),
                ("retired", time_text(agent.retire_time)),
            ]
        ),
        _findings(agent.card),
    )


def listed(agents: Sequence[pb.Agent]) -> RenderableType:
    """Show many agents, a line each."""
    return table(
        ["AGENT", "STATE", "RISK", "ENVIRONMENTS", "OWNER", "PURPOSE"],
        (
            (
                short_name(agent.name),
                _state(agent),
                word(pb.RiskTier, agent.risk_tier),
                ", ".join(agent.environments),
                agent.owner.display_name,
                agent.purpose,
            )
            for agent in agents
        ),
        empty="no agents",
    )


def event(happened: pb.WatchAgentsResponse) -> RenderableType:
    """Show one event of a watch on a line."""
    what = word(pb.WatchEventType, happened.type)
    line = Text.assemble(f"{happened.revision:>8}  ", (f"{what:<8}", "bold"), "  ")
    if happened.type == pb.WATCH_EVENT_TYPE_BOOKMARK:
        return line.append("end of the current state" if happened.initial_state_end else "nothing happened")
    agent = happened.agent
    line.append(f"{time_text(happened.event_time)}  {plain(short_name(agent.name))}  ")
    return line.append_text(_state(agent))


def short_name(name: str) -> str:
    """Return `namespace/agent` for a full resource name: what commands take."""
    return name.removeprefix("namespaces/").replace("/agents/", "/")


def _state(agent: pb.Agent) -> Text:
    style = "green" if agent.state == pb.AGENT_STATE_ACTIVE else "yellow"
    return Text(word(pb.AgentState, agent.state), style=style)


def _tool(tool: pb.ApprovedTool) -> str:
    return f"{tool.name}  {tool.schema_hash}" if tool.schema_hash else f"{tool.name}  any schema"


def _card(card: pb.CardView) -> str:
    versions = ", ".join(card.protocol_versions)
    return f"{card.display_name} {card.version} (A2A {versions}, {card.size_bytes} bytes)" if card.size_bytes else ""


def _findings(card: pb.CardView) -> RenderableType | None:
    if not card.findings:
        return None
    remarks = fields((finding.pointer or "/", finding.problem) for finding in card.findings)
    return stacked(Text("\nremarks on the card", style="yellow"), remarks)
