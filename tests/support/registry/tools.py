"""Tools, external systems and boundaries to test with: invented and complete."""

from typing import Any

from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision
from ringfence_registry.boundaries.model import Boundary, BoundarySpec
from ringfence_registry.external_systems.model import ExternalSystem, ExternalSystemSpec
from ringfence_registry.model import Owner
from ringfence_registry.resources.names import BoundaryName, ExternalSystemName, ToolName
from ringfence_registry.tools.model import Reach, SideEffect, Tool, ToolProtocol, ToolRevision, ToolSpec
from ringfence_registry.tools.schemas import read_schemas

OWNER = Owner(display_name="Ada Example", contact="ada@example.com")
SCHEMA = '{"type": "object", "properties": {"table": {"type": "string"}}, "required": ["table"]}'
OTHER_SCHEMA = '{"type": "object", "properties": {"table": {"type": "string"}, "into": {"type": "string"}}}'
EXPORT = ToolName("finance", "warehouse.export")
BANK = ExternalSystemName("finance", "bank")
LEDGERS = BoundaryName("finance", "ledgers")
TRUSTED = Reach(trusted=True)


def a_tool_spec(**changed: Any) -> ToolSpec:
    """What is said about a tool."""
    said: dict[str, Any] = {
        "protocol": ToolProtocol.MCP,
        "schema": read_schemas(SCHEMA, ""),
        "side_effect": SideEffect.READ,
        "owner": OWNER,
    }
    return ToolSpec(**{**said, **changed})


def a_tool(name: ToolName = EXPORT, *, revision: int = 1, reach: Reach = TRUSTED, **changed: Any) -> Tool:
    """A registered tool."""
    return Tool(
        name=name,
        uid=f"uid-of-{name}",
        revision=Revision(revision),
        spec=a_tool_spec(**changed),
        schema_number=1,
        reach=reach,
        created_at=Instant(1_000),
        updated_at=Instant(1_000),
    )


def a_tool_revision(number: int = 1, *, tool: ToolName = EXPORT, schema: str = SCHEMA) -> ToolRevision:
    """A schema a tool has had."""
    return ToolRevision(
        tool=tool,
        number=number,
        schema=read_schemas(schema, ""),
        version=f"{number}.0",
        created_at=Instant(1_000),
        actor="oidc:ada",
    )


def a_system(name: ExternalSystemName = BANK, **changed: Any) -> ExternalSystem:
    """A system that was entered, and that nobody trusts."""
    return ExternalSystem(
        name=name,
        uid=f"uid-of-{name}",
        revision=Revision(1),
        spec=ExternalSystemSpec(owner=OWNER, url="https://bank.example.com", data_classes=("payments",)),
        created_at=Instant(1_000),
        updated_at=Instant(1_000),
        **changed,
    )


def a_boundary(name: BoundaryName = LEDGERS, **spec: Any) -> Boundary:
    """A boundary that was drawn."""
    return Boundary(
        name=name,
        uid=f"uid-of-{name}",
        revision=Revision(1),
        spec=BoundarySpec(**{"owner": OWNER, **spec}),
        created_at=Instant(1_000),
        updated_at=Instant(1_000),
    )
