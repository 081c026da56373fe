"""Whatever a service sends, no view moves the cursor, hides a line, or fails."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console, RenderableType
from ringfence.identity.v1 import credential_pb2, delegation_pb2, identity_pb2, trust_pb2
from ringfence.pdp.v1 import bundle_pb2, decision_pb2
from ringfence.registry.v1 import (
    boundary_pb2,
    catalog_pb2,
    external_system_pb2,
    namespace_pb2,
    registry_pb2,
    tool_pb2,
)
from ringfence.telemetry.v1 import telemetry_pb2
from ringfence_kit.clock import Instant
from ringfence_launcher.views import (
    agents,
    boundaries,
    cards,
    catalog,
    credentials,
    decisions,
    delegations,
    explained,
    gates,
    identities,
    namespaces,
    revisions,
    tools,
    usage,
)

HOSTILE = "\x1b[2J\x1b]0;title\x07 \r\x08\u202e\u2066 [bold red]x[/] \x9b31m \U000e0001"
GROUPS = [telemetry_pb2.USAGE_GROUP_AGENT, telemetry_pb2.USAGE_GROUP_MODEL]

VIEWS: Sequence[tuple[type[Message], Callable[[Any], RenderableType]]] = (
    (registry_pb2.Agent, agents.details),
    (registry_pb2.Agent, lambda agent: agents.listed([agent, agent])),
    (registry_pb2.WatchAgentsResponse, agents.event),
    (registry_pb2.RegisterAgentResponse, agents.registered),
    (registry_pb2.SubmitAgentResponse, agents.submitted),
    (registry_pb2.ValidateCardResponse, cards.judged),
    (registry_pb2.CheckReadinessResponse, gates.checked),
    (registry_pb2.AgentRevision, lambda revision: revisions.listed([revision])),
    (registry_pb2.CompareRevisionsResponse, revisions.compared),
    (catalog_pb2.SearchResult, lambda result: catalog.results([result])),
    (registry_pb2.SimilarAgent, lambda agent: catalog.similar([agent])),
    (catalog_pb2.GetFacetsResponse, catalog.facets),
    (catalog_pb2.SelectAgentResponse, catalog.selected),
    (tool_pb2.Tool, tools.details),
    (tool_pb2.Tool, lambda tool: tools.listed([tool])),
    (tool_pb2.UpdateToolResponse, tools.updated),
    (tool_pb2.ToolRevision, lambda revision: tools.revisions([revision])),
    (tool_pb2.WatchToolsResponse, tools.event),
    (boundary_pb2.Boundary, boundaries.details),
    (boundary_pb2.Boundary, lambda boundary: boundaries.listed([boundary])),
    (external_system_pb2.ExternalSystem, boundaries.system),
    (external_system_pb2.ExternalSystem, lambda system: boundaries.systems([system])),
    (namespace_pb2.Namespace, namespaces.details),
    (namespace_pb2.Namespace, lambda namespace: namespaces.listed([namespace])),
    (identity_pb2.Sponsor, identities.sponsor),
    (identity_pb2.Sponsor, lambda sponsor: identities.sponsors([sponsor])),
    (identity_pb2.OffboardSponsorResponse, identities.offboarded),
    (identity_pb2.AgentIdentity, identities.identity),
    (identity_pb2.AgentIdentity, lambda identity: identities.listed([identity, identity])),
    (identity_pb2.WatchAgentsResponse, lambda event: identities.trust_line(event, now=Instant(0))),
    (trust_pb2.Trust, identities.trust),
    (trust_pb2.ExplainTrustResponse, explained.explanation),
    (trust_pb2.Elevation, explained.elevation),
    (credential_pb2.IntrospectTokenResponse, credentials.introspection),
    (credential_pb2.IssuerKey, lambda key: credentials.issuer_keys([key])),
    (delegation_pb2.Delegation, delegations.delegation),
    (delegation_pb2.Delegation, lambda delegation: delegations.delegations([delegation])),
    (decision_pb2.CheckResponse, decisions.decision),
    (decision_pb2.ExplainResponse, decisions.explanation),
    (bundle_pb2.Bundle, decisions.bundle),
    (bundle_pb2.GetBundleResponse, decisions.active_bundle),
    (bundle_pb2.KillSwitch, decisions.kill_switch),
    (bundle_pb2.KillSwitch, lambda switch: decisions.kill_switches([switch])),
    (telemetry_pb2.GetUsageResponse, lambda response: usage.usage(response, GROUPS)),
)
IDS = [f"{kind.DESCRIPTOR.name}-{number}" for number, (kind, _) in enumerate(VIEWS)]


def shown(renderable: RenderableType, *, width: int = 80) -> str:
    console = Console(width=width, color_system=None, markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def filled(kind: type[Message], text: str, number: int) -> Message:
    """A message with everything set: each string `text`, each number `number`, two of everything repeated."""
    message = kind()
    _fill(message, text, number, depth=0)
    return message


def _fill(message: Message, text: str, number: int, *, depth: int) -> None:
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].type == FieldDescriptor.TYPE_STRING:
                getattr(message, field.name)[text] = text
        elif field.message_type is not None and field.is_repeated:
            for _ in range(2):
                _fill(getattr(message, field.name).add(), text, number, depth=depth + 1)
        elif field.message_type is not None:
            getattr(message, field.name).SetInParent()
            _fill(getattr(message, field.name), text, number, depth=depth + 1)
        else:
            value = _value(field, text, number)
            if field.is_repeated:
                getattr(message, field.name).extend([value, value])
            else:
                setattr(message, field.name, value)


def _value(field: Any, text: str, number: int) -> Any:
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            return text
        case FieldDescriptor.TYPE_BYTES:
            return text.encode("utf-8", "replace")
        case FieldDescriptor.TYPE_BOOL:
            return bool(number % 2)
        case FieldDescriptor.TYPE_DOUBLE | FieldDescriptor.TYPE_FLOAT:
            return float(number)
        case FieldDescriptor.TYPE_INT32 | FieldDescriptor.TYPE_ENUM:
            return number % 2**31
        case _:
            return number


@pytest.mark.parametrize(("kind", "view"), VIEWS, ids=IDS)
def test_hostile_text_is_shown_and_does_nothing(kind: type[Message], view: Callable[[Any], RenderableType]) -> None:
    said = shown(view(filled(kind, HOSTILE, 3)))
    assert all(character == "\n" or character.isprintable() for character in said)
    assert "\\x1b" in said or HOSTILE not in str(filled(kind, HOSTILE, 3))


@pytest.mark.parametrize(("kind", "view"), VIEWS, ids=IDS)
def test_an_empty_message_can_be_shown(kind: type[Message], view: Callable[[Any], RenderableType]) -> None:
    shown(view(kind()))


@pytest.mark.parametrize(("kind", "view"), VIEWS, ids=IDS)
@settings(max_examples=25, deadline=None)
@given(text=st.text(max_size=30), number=st.integers(0, 2**40), width=st.integers(20, 200))
def test_any_text_any_number_any_width(
    kind: type[Message], view: Callable[[Any], RenderableType], text: str, number: int, width: int
) -> None:
    said = shown(view(filled(kind, text, number)), width=width)
    assert all(character == "\n" or character.isprintable() for character in said)
