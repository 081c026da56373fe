"""How tools look in a terminal."""

import json
from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text
from ringfence.registry.v1 import registry_pb2
from ringfence.registry.v1 import tool_pb2 as pb

from ringfence_launcher.output import fields, stacked, table
from ringfence_launcher.plain_text import plain
from ringfence_launcher.words import duration_text, short, time_text, word


def details(tool: pb.Tool) -> RenderableType:
    """Show one tool."""
    return stacked(fields([*_contract(tool), *_use(tool)]), _schemas(tool.input_schema, tool.output_schema))


def updated(answer: pb.UpdateToolResponse) -> RenderableType:
    """Show a changed tool, and who has to be approved anew."""
    if not answer.unapproved_agents:
        return details(answer.tool)
    agents = fields(("", short(name)) for name in answer.unapproved_agents)
    return stacked(details(answer.tool), Text("\nno longer approved for it", style="yellow"), agents)


def listed(tools: Sequence[pb.Tool]) -> RenderableType:
    """Show many tools, a line each."""
    return table(
        ["TOOL", "STATE", "SIDE EFFECT", "PROTOCOL", "OWNER", "SCHEMA"],
        (
            (
                short(tool.name),
                switch(tool.state),
                word(pb.SideEffect, tool.side_effect),
                word(pb.ToolProtocol, tool.protocol),
                tool.owner.display_name,
                tool.schema_hash[:19],
            )
            for tool in tools
        ),
        empty="no tools",
    )


def revisions(shown: Sequence[pb.ToolRevision]) -> RenderableType:
    """Show the schemas a tool has had, a line each."""
    return table(
        ["REVISION", "VERSION", "SINCE", "BY", "SCHEMA"],
        (
            (one.name.rpartition("/")[2], one.version, time_text(one.create_time), one.actor, one.schema_hash)
            for one in shown
        ),
        empty="no revisions",
    )


def event(happened: pb.WatchToolsResponse) -> RenderableType:
    """Show one event of a watch on a line."""
    what = word(registry_pb2.WatchEventType, happened.type)
    line = Text.assemble(f"{happened.revision:>8}  ", (f"{what:<8}", "bold"), "  ")
    if happened.type == registry_pb2.WATCH_EVENT_TYPE_BOOKMARK:
        return line.append("end of the current state" if happened.initial_state_end else "nothing happened")
    line.append(f"{time_text(happened.event_time)}  {plain(short(happened.tool.name))}  ")
    return line.append_text(switch(happened.tool.state)).append(f"  {plain(happened.tool.schema_hash[:19])}")


def switch(state: int) -> Text:
    """Show whether something may be used."""
    return Text(word(pb.SwitchState, state), style="green" if state == pb.SWITCH_STATE_ENABLED else "red")


def last_switch(change: pb.SwitchChange) -> str:
    """Say who switched something last, and why; empty when nobody did."""
    if not change.reason and not change.actor:
        return ""
    return f"{change.actor} {time_text(change.change_time)}: {change.reason}"


def _contract(tool: pb.Tool) -> list[tuple[str, str | Text]]:
    owner = tool.owner
    return [
        ("name", tool.name),
        ("state", switch(tool.state)),
        ("switched", last_switch(tool.last_switch)),
        ("display name", tool.display_name),
        ("description", tool.description),
        ("version", tool.version),
        ("protocol", word(pb.ToolProtocol, tool.protocol)),
        ("side effect", word(pb.SideEffect, tool.side_effect)),
        ("owner", f"{owner.display_name} <{owner.contact}>" if owner.display_name or owner.contact else ""),
        ("schema hash", tool.schema_hash),
        ("revision", tool.revision.rpartition("/")[2]),
    ]


def _use(tool: pb.Tool) -> list[tuple[str, str | Text]]:
    return [
        ("data classes", ", ".join(tool.data_classes)),
        ("permissions", "\n".join(tool.required_permissions)),
        ("reaches", _systems(tool)),
        ("sends out", "what is passed to it leaves the mesh" if tool.external_sink else ""),
        (
            "arguments",
            "\n".join(f"{at} {word(pb.ArgumentType, each)}" for at, each in sorted(tool.argument_types.items())),
        ),
        ("timeout", duration_text(tool.timeout)),
        ("attempts", _retry(tool.retry) if tool.HasField("retry") else ""),
        ("on failure", word(pb.FailureBehaviour, tool.failure_behaviour)),
        ("cost", _cost(tool.cost_hint) if tool.HasField("cost_hint") else ""),
        ("labels", ", ".join(f"{key}={value}" for key, value in sorted(tool.labels.items()))),
        ("etag", tool.etag),
        ("registered", time_text(tool.create_time)),
        ("changed", time_text(tool.update_time)),
    ]


def _systems(tool: pb.Tool) -> Text | str:
    if not tool.external_systems:
        return ""
    names = plain(", ".join(map(short, tool.external_systems)))
    if not tool.external_systems_trusted:
        return Text(f"{names} (not trusted now)", style="red")
    until = time_text(tool.trust_expire_time)
    return f"{names} (trusted until {until})" if until else f"{names} (trusted)"


def _retry(policy: pb.RetryPolicy) -> str:
    wait = duration_text(policy.initial_backoff)
    return f"{max(1, policy.max_attempts)}{f', first after {wait}' if wait else ''}" + (
        ", idempotent" if policy.idempotent else ""
    )


def _cost(hint: pb.CostHint) -> str:
    return f"{hint.micros_per_call / 1_000_000:g} {hint.currency} a call"


def _schemas(takes: str, returns: str) -> RenderableType | None:
    parts = [
        Text(f"\n{title}\n{plain(_pretty(schema), keep=chr(10))}")
        for title, schema in (("takes", takes), ("returns", returns))
        if schema
    ]
    return stacked(*parts) if parts else None


def _pretty(schema: str) -> str:
    try:
        return json.dumps(json.loads(schema), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return schema
