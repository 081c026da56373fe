"""`ringfence tool`: what each command asks for, and how it ends."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from ringfence.registry.v1 import registry_pb2
from ringfence.registry.v1 import tool_pb2 as pb
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.tool_options import Failure, Protocol, SideEffect, Written
from ringfence_launcher.words import number
from support.launcher.command_line import CommandLine
from support.launcher.fake_services import FakeMesh

NAME = "namespaces/demo/tools/warehouse.export"
SCHEMA = '{"type": "object"}'


@pytest.fixture
def schema(nowhere: Path) -> str:
    (nowhere / "in.json").write_text(SCHEMA)
    return "in.json"


def test_registering_sends_everything_that_was_typed(ringfence: CommandLine, mesh: FakeMesh, schema: str) -> None:
    mesh.tools.answers["RegisterTool"] = pb.RegisterToolResponse(tool=pb.Tool(name=NAME, schema_hash="sha256-ab"))
    ended = ringfence(
        *("tool", "register", "demo/warehouse.export", "--input-schema", schema, "--output-schema", schema),
        *("--protocol", "mcp", "--side-effect", "irreversible", "--owner", "Ada <ada@example.com>"),
        *("--data-class", "pii", "--permission", "warehouse:export", "--reaches", "demo/bank", "--version", "2"),
        *("--argument", "/query=sql", "--argument", "/paths/*=path", "--external-sink"),
        *("--call-timeout", "30s", "--on-failure", "ask-person", "--label", "a=b", "--description", "Exports."),
    )
    assert ended.code == 0, ended.err
    sent = mesh.sent("RegisterTool")
    assert (sent.parent, sent.tool_id) == ("namespaces/demo", "warehouse.export")
    wanted = pb.Tool(
        input_schema=SCHEMA,
        output_schema=SCHEMA,
        protocol=pb.TOOL_PROTOCOL_MCP,
        side_effect=pb.SIDE_EFFECT_IRREVERSIBLE,
        owner=registry_pb2.Owner(display_name="Ada", contact="ada@example.com"),
        data_classes=["pii"],
        required_permissions=["warehouse:export"],
        external_systems=["namespaces/demo/externalSystems/bank"],
        version="2",
        failure_behaviour=pb.FAILURE_BEHAVIOUR_ASK_PERSON,
        labels={"a": "b"},
        description="Exports.",
        argument_types={"/query": pb.ARGUMENT_TYPE_SQL, "/paths/*": pb.ARGUMENT_TYPE_PATH},
        external_sink=True,
    )
    wanted.timeout.FromSeconds(30)
    assert sent.tool == wanted
    assert "--tool warehouse.export@sha256-ab" in ended.err


def test_a_file_may_hold_the_schemas_as_what_they_are(ringfence: CommandLine, mesh: FakeMesh, nowhere: Path) -> None:
    (nowhere / "tool.yaml").write_text(
        "name: namespaces/demo/tools/a.b\nprotocol: TOOL_PROTOCOL_HTTP\nsideEffect: SIDE_EFFECT_READ\n"
        "inputSchema:\n  type: object\n  properties: {rows: {type: integer}}\noutputSchema: '{}'\nversion: '1'\n"
    )
    ended = ringfence("tool", "register", "--file", "tool.yaml", "--version", "2")
    assert ended.code == 0, ended.err
    sent = mesh.sent("RegisterTool")
    assert (sent.parent, sent.tool_id, sent.tool.version) == ("namespaces/demo", "a.b", "2")
    assert json.loads(sent.tool.input_schema) == {"type": "object", "properties": {"rows": {"type": "integer"}}}
    assert sent.tool.output_schema == "{}"


@pytest.mark.parametrize("typed", ["/query", "/query=prose", "=sql", "/query=SQL"])
def test_an_argument_is_written_in_something_known(
    ringfence: CommandLine, mesh: FakeMesh, schema: str, typed: str
) -> None:
    assert (
        ringfence("tool", "register", "demo/a.b", "--input-schema", schema, "--argument", typed).code == ExitCode.USAGE
    )
    assert not mesh.calls


def test_what_leaves_the_mesh_is_shown(ringfence: CommandLine, mesh: FakeMesh) -> None:
    tool = pb.Tool(name=NAME, external_sink=True, argument_types={"/to": pb.ARGUMENT_TYPE_IDENTIFIER})
    mesh.tools.answers["GetTool"] = pb.GetToolResponse(tool=tool)
    shown = ringfence("tool", "get", "demo/warehouse.export").out
    assert "leaves the mesh" in shown
    assert "/to identifier" in shown


@pytest.mark.parametrize("name", ["", "warehouse.export", "demo/Warehouse", "demo/a/b", f"demo/{'a' * 129}", "demo/ü"])
def test_a_tool_to_be_needs_a_namespace_and_an_id(ringfence: CommandLine, mesh: FakeMesh, name: str) -> None:
    assert ringfence("tool", "register", name).code == ExitCode.USAGE
    assert not mesh.calls


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("warehouse.export", "namespaces/-/tools/warehouse.export"),
        ("demo/warehouse.export", NAME),
        (NAME, NAME),
        ("namespaces/-/tools/warehouse.export", "namespaces/-/tools/warehouse.export"),
    ],
)
def test_a_tool_is_found_by_its_id_alone(ringfence: CommandLine, mesh: FakeMesh, typed: str, asked: str) -> None:
    mesh.tools.answers["GetTool"] = pb.GetToolResponse(tool=pb.Tool(name=NAME, input_schema=SCHEMA))
    shown = ringfence("tool", "get", typed).out
    assert mesh.sent("GetTool").name == asked
    assert NAME in shown
    assert '"type": "object"' in shown


STEPS: Sequence[tuple[str, Sequence[str], Message]] = (
    ("delete", (), pb.DeleteToolRequest()),
    ("disable", ("--reason", "why"), pb.DisableToolRequest(reason="why")),
    ("enable", ("--reason", "why"), pb.EnableToolRequest(reason="why")),
)


@pytest.mark.parametrize(("command", "arguments", "asked"), STEPS, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("typed", ["warehouse.export", "demo/warehouse.export"])
def test_a_change_names_the_tool_in_full(
    ringfence: CommandLine, mesh: FakeMesh, typed: str, command: str, arguments: Sequence[str], asked: Message
) -> None:
    mesh.tools.answers["GetTool"] = pb.GetToolResponse(tool=pb.Tool(name=NAME))
    ended = ringfence("tool", command, typed, *arguments, "--etag", '"1-a"', "--request-id", "x")
    assert ended.code == 0, ended.err
    wanted: Any = type(asked)(name=NAME, etag='"1-a"', request_id="x")
    wanted.MergeFrom(asked)
    assert mesh.last.request == wanted


@pytest.mark.parametrize("command", ["disable", "enable"])
def test_a_switch_is_not_moved_without_a_reason(ringfence: CommandLine, mesh: FakeMesh, command: str) -> None:
    assert ringfence("tool", command, "demo/a.b").code == ExitCode.USAGE
    assert not mesh.calls


def test_a_changed_schema_says_who_lost_the_approval(ringfence: CommandLine, mesh: FakeMesh, schema: str) -> None:
    lost = ["namespaces/demo/agents/analyst"]
    mesh.tools.answers["UpdateTool"] = pb.UpdateToolResponse(tool=pb.Tool(name=NAME), unapproved_agents=lost)
    ended = ringfence("tool", "update", "demo/warehouse.export", "--input-schema", schema, "--clear", "labels")
    assert sorted(mesh.sent("UpdateTool").update_mask.paths) == ["input_schema", "labels"]
    assert mesh.sent("UpdateTool").tool.name == NAME
    assert "no longer approved" in ended.out
    assert "demo/analyst" in ended.out


def test_nothing_to_change_is_a_usage_error(ringfence: CommandLine, mesh: FakeMesh) -> None:
    assert ringfence("tool", "update", "demo/a.b").code == ExitCode.USAGE
    assert not mesh.calls


def test_lists(ringfence: CommandLine, mesh: FakeMesh) -> None:
    tools = [pb.Tool(name=f"namespaces/demo/tools/t{index}") for index in range(3)]
    mesh.tools.answers["ListTools"] = pb.ListToolsResponse(tools=tools)
    shown = ringfence("tool", "list", "demo", "--filter", "state = ENABLED", "--limit", "2", "-o", "json").json
    assert [tool["name"][-2:] for tool in shown] == ["t0", "t1"]
    asked = mesh.sent("ListTools")
    assert (asked.parent, asked.filter, asked.page_size) == ("namespaces/demo", "state = ENABLED", 2)


def test_revisions(ringfence: CommandLine, mesh: FakeMesh) -> None:
    revision = pb.ToolRevision(name=f"{NAME}/revisions/2", schema_hash="sha256-ab", actor="ada")
    mesh.tools.answers["ListToolRevisions"] = pb.ListToolRevisionsResponse(revisions=[revision])
    shown = ringfence("tool", "revisions", "demo/warehouse.export").out
    assert "sha256-ab" in shown
    assert mesh.sent("ListToolRevisions").parent == NAME


def test_a_watch_prints_one_line_an_event(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.tools.answers["WatchTools"] = [
        pb.WatchToolsResponse(type=registry_pb2.WATCH_EVENT_TYPE_ADDED, revision=5, tool=pb.Tool(name=NAME)),
        pb.WatchToolsResponse(type=registry_pb2.WATCH_EVENT_TYPE_BOOKMARK, revision=7),
    ]
    shown = ringfence("tool", "watch", "demo", "--from", "5", "--count", "2", "--bookmarks").out.splitlines()
    assert "demo/warehouse.export" in shown[0]
    assert "nothing happened" in shown[1]
    assert mesh.sent("WatchTools").start_revision == 5


def test_schemas_that_are_no_text_are_a_problem_of_the_file(
    ringfence: CommandLine, mesh: FakeMesh, nowhere: Path
) -> None:
    (nowhere / "in.json").write_bytes(b"\xff")
    assert ringfence("tool", "register", "demo/a", "--input-schema", "in.json").code == ExitCode.CONFIGURATION
    assert not mesh.calls


def test_words_are_the_protos() -> None:
    assert {number(pb.ToolProtocol, word) for word in Protocol} == set(pb.ToolProtocol.values()) - {0}
    assert {number(pb.SideEffect, word) for word in SideEffect} == set(pb.SideEffect.values()) - {0}
    assert {number(pb.ArgumentType, word) for word in Written} == set(pb.ArgumentType.values()) - {0}
    assert {number(pb.FailureBehaviour, word) for word in Failure} == set(pb.FailureBehaviour.values()) - {0}
