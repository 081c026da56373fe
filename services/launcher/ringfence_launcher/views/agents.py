"""How agents look in a terminal."""

from collections.abc import Sequence
from typing import TypeAlias

from rich.console import RenderableType
from rich.text import Text
from ringfence.registry.v1 import registry_pb2 as pb

from ringfence_launcher.output import fields, stacked, table
from ringfence_launcher.plain_text import plain
from ringfence_launcher.views import cards, gates
from ringfence_launcher.words import duration_text, short, time_text, word


def registered(answer: pb.RegisterAgentResponse) -> RenderableType:
    """Show an agent that was just registered: what the card is worth, what resembles it, what it lacks."""
    agent = answer.agent
    return stacked(
        details(agent),
        cards.against_the_rules(agent.card),
        similar(answer.similar_agents),
        gates.lacking(answer.unmet_gates),
    )


def submitted(answer: pb.SubmitAgentResponse) -> RenderableType:
    """Show an agent that waits for review, and what an approver would miss."""
    return stacked(details(answer.agent), gates.lacking(answer.unmet_gates))


def details(agent: pb.Agent) -> RenderableType:
    """Show one agent."""
    card = agent.card
    return stacked(
        fields([*_identity(agent), *_work(agent), *_card(card), *_life(agent)]),
        cards.remarks(card.reasons, card.signatures, card.findings),
    )


def similar(agents: Sequence[pb.SimilarAgent]) -> RenderableType | None:
    """Show agents that seem to do the same; nothing when there are none."""
    if not agents:
        return None
    return stacked(Text("\nthese seem to do the same already", style="yellow"), similar_table(agents))


def similar_table(agents: Sequence[pb.SimilarAgent]) -> RenderableType:
    """Show agents by how much they resemble another, a line each."""
    return table(
        [">SCORE", "AGENT", "AGREES IN", "PURPOSE"],
        (
            (f"{one.score:.2f}", short(one.name), ", ".join(one.agreeing_fields), one.purpose or one.display_name)
            for one in agents
        ),
        empty="nothing like it",
    )


def listed(agents: Sequence[pb.Agent]) -> RenderableType:
    """Show many agents, a line each."""
    return table(
        ["AGENT", "STATE", "RISK", "ENVIRONMENTS", "OWNER", "PURPOSE"],
        (
            (
                short(agent.name),
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
    line.append(f"{time_text(happened.event_time)}  {plain(short(agent.name))}  ")
    return line.append_text(_state(agent))


_Rows: TypeAlias = list[tuple[str, str | Text]]


def _identity(agent: pb.Agent) -> _Rows:
    owner = agent.owner
    return [
        ("name", agent.name),
        ("state", _state(agent)),
        ("because", agent.state_reason),
        ("ends", _deprecation(agent.deprecation)),
        ("liveness", _liveness(agent)),
        ("trust", _trust(agent)),
        ("purpose", agent.purpose),
        ("owner", f"{owner.display_name} <{owner.contact}>" if owner.display_name or owner.contact else ""),
        ("team", agent.team),
        ("on call", agent.on_call),
        ("escalation", "\n".join(_step(step) for step in agent.escalation_path)),
        ("risk", word(pb.RiskTier, agent.risk_tier)),
        ("can harm by", ", ".join(word(pb.HighRiskEdge, edge) for edge in agent.high_risk_edges)),
        ("data classes", ", ".join(agent.data_classes)),
    ]


def _work(agent: pb.Agent) -> _Rows:
    return [
        ("environments", ", ".join(agent.environments)),
        ("runs in", "\n".join(_deployment(place) for place in agent.deployments)),
        ("tools", "\n".join(_tool(tool) for tool in agent.approved_tools)),
        ("boundaries", "\n".join(short(name) for name in agent.boundaries)),
        ("policies", ", ".join(agent.policies)),
        ("evaluation", _evaluation(agent)),
        ("slo", agent.slo),
        ("did", agent.did),
        ("labels", ", ".join(f"{key}={value}" for key, value in sorted(agent.labels.items()))),
    ]


def _card(card: pb.CardView) -> _Rows:
    return [
        ("card", cards.line(card)),
        ("verdict", cards.verdict(card.verdict) if card.verdict else ""),
        ("sha256", card.sha256.hex()),
        ("skills", ", ".join(skill.id for skill in card.skills)),
        ("interfaces", "\n".join(f"{each.url} ({each.protocol_binding})" for each in card.interfaces)),
    ]


def _life(agent: pb.Agent) -> _Rows:
    return [
        ("revision", agent.revision.rpartition("/")[2]),
        ("aliases", ", ".join(f"{each.alias}={each.revision.rpartition('/')[2]}" for each in agent.aliases)),
        ("rollout", _rollout(agent)),
        ("etag", agent.etag),
        ("registered", time_text(agent.create_time)),
        ("changed", time_text(agent.update_time)),
        ("retired", time_text(agent.retire_time)),
        ("deleted", time_text(agent.delete_time)),
        ("forgotten", time_text(agent.purge_time)),
    ]


def _state(agent: pb.Agent) -> Text:
    serves = agent.state in (pb.AGENT_STATE_ACTIVE, pb.AGENT_STATE_DEPRECATED)
    return Text(word(pb.AgentState, agent.state), style="green" if serves else "yellow")


def _liveness(agent: pb.Agent) -> str:
    if agent.liveness in (pb.LIVENESS_UNSPECIFIED, pb.LIVENESS_NO_LEASE):
        return ""
    return f"{word(pb.Liveness, agent.liveness)}, until {time_text(agent.lease_expire_time)}"


def _trust(agent: pb.Agent) -> str:
    if not agent.HasField("trust"):
        return ""
    trust = agent.trust
    return f"{trust.score}, ring {trust.ring}{'' if trust.active else ', not active'}"


def _deprecation(ends: pb.Deprecation) -> str:
    instead = f"use {short(ends.replaced_by)}" if ends.replaced_by else ""
    return ", ".join(part for part in (ends.reason, time_text(ends.end_of_life_time), instead) if part)


def _step(step: pb.EscalationStep) -> str:
    wait = duration_text(step.wait)
    return f"{step.contact}, then wait {wait}" if wait else step.contact


def _deployment(place: pb.Deployment) -> str:
    region = f"@{place.region}" if place.region else ""
    return f"{place.environment}{region} {place.location}".rstrip()


def _evaluation(agent: pb.Agent) -> str:
    if not agent.HasField("evaluation"):
        return f"{agent.evaluation_plan}, never run" if agent.evaluation_plan else ""
    run = agent.evaluation
    return f"{run.plan}: {'passed' if run.passed else 'failed'} {time_text(run.evaluate_time)} {run.report}".rstrip()


def _rollout(agent: pb.Agent) -> str:
    if not agent.HasField("rollout"):
        return ""
    canary, stable = (
        name.rpartition("/")[2] for name in (agent.rollout.canary_revision, agent.rollout.stable_revision)
    )
    return f"{agent.rollout.canary_percent} % to {canary}, the rest to {stable}"


def _tool(tool: pb.ApprovedTool) -> str:
    state = "" if tool.state <= pb.APPROVAL_STATE_IN_FORCE else f"  ({word(pb.ApprovalState, tool.state)})"
    return f"{tool.name}  {tool.schema_hash or 'any schema'}{state}"
