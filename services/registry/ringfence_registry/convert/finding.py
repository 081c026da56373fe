"""Finding agents, between messages and the model. All that is wrong with a request comes at once."""

import hashlib
import random
from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration
from ringfence.registry.v1 import catalog_pb2 as pb
from ringfence.registry.v1 import registry_pb2
from ringfence_kit.names import AgentName, is_resource_id, parse_namespace
from ringfence_kit.validation import Violations
from ringfence_kit.wire import page_arguments

from ringfence_registry.cards.reading import read_card
from ringfence_registry.convert.agent_views import agent_message, trust_message
from ringfence_registry.finding.counting import FacetCounts, FacetQuery
from ringfence_registry.finding.exporting import InventoryQuery
from ringfence_registry.finding.facets import Facet
from ringfence_registry.finding.highlighting import Match
from ringfence_registry.finding.inventory import InventoryFormat
from ringfence_registry.finding.orders import BY_NAME, KEYS, NAME, Order
from ringfence_registry.finding.searching import MAX_WORDS, Found, SearchPage, SearchQuery, Wanted, wanted_in
from ringfence_registry.finding.selecting import Exclusion, Selected, Selection
from ringfence_registry.finding.selection import Candidate
from ringfence_registry.finding.similar import MIN_SCORE, SimilarAgent, SimilarQuery
from ringfence_registry.finding.views import Circuit, Health, Slo
from ringfence_registry.model import RiskTier

EVERY_NAMESPACE = "-"
MAX_ORDER_BYTES = 100
MAX_QUERY_BYTES = 500
MAX_FIELDS = 16
MAX_TAGS = 16

_RISK_TIERS: Mapping[int, RiskTier] = {registry_pb2.RiskTier.Value(f"RISK_TIER_{tier.name}"): tier for tier in RiskTier}
_FORMATS: Mapping[int, InventoryFormat] = {
    pb.InventoryFormat.Value(f"INVENTORY_FORMAT_{form.name}"): form for form in InventoryFormat
}
_TWO_CHOICES: Mapping[int, bool] = {pb.SELECTION_MODE_RANKED: False, pb.SELECTION_MODE_TWO_CHOICES: True}
_CIRCUITS = {each: pb.CircuitState.Value(f"CIRCUIT_STATE_{each.name}") for each in Circuit}
_SLOS = {each: pb.SloState.Value(f"SLO_STATE_{each.name}") for each in Slo}


def agent_order(found: Violations, order_by: str) -> Order:
    """Return the order that `order_by` says (AIP-132): one field, perhaps `desc`; ties go by name anyway."""
    text = found.text(order_by, "order_by", max_bytes=MAX_ORDER_BYTES, required=False)
    parts = [part.split() for part in text.split(",")] if text else []
    if len(parts) > 1 and parts[-1] in ([NAME], [NAME, "asc"]):
        parts.pop()
    if not parts:
        return BY_NAME
    (field, *direction), *others = parts[0] or [""], *parts[1:]
    if others or field not in {NAME, *KEYS} or direction not in ([], ["asc"], ["desc"]):
        known = ", ".join([NAME, *KEYS])
        found.add("order_by", f"must be one of {known}, perhaps with desc; ties go by name")
        return BY_NAME
    return Order(field, descending=direction == ["desc"])


def search_agents(request: pb.SearchAgentsRequest) -> SearchQuery:
    """Return what is searched, and where."""
    found = Violations()
    parent = _parent(found, request.parent)
    wanted = _query(found, request.query, required=True)
    page_size = found.page_size(request.page_size, default=10, maximum=100)
    return SearchQuery(
        namespace=_namespace(found.ok(parent)),
        wanted=wanted,
        filter=request.filter,
        page_size=page_size,
        page_token=request.page_token,
        arguments=page_arguments(request),
    )


def find_similar_agents(request: pb.FindSimilarAgentsRequest) -> SimilarQuery:
    """Return like what to look for. A card has failures of its own, and is read after the rest was found in order."""
    found = Violations()
    parent = _parent(found, request.parent)
    kind = found.one_of(request.WhichOneof("like"), "like", ["agent", "card", "purpose"])
    limit = found.page_size(request.max_results, "max_results", default=10, maximum=100)
    min_score = found.number(request.min_score, "min_score", minimum=0, maximum=1)
    like = _like(found, request, kind)
    namespace = _namespace(found.ok(parent))
    return SimilarQuery(
        namespace=namespace,
        like=read_card(request.card).facts if like is None else like,
        limit=limit,
        min_score=min_score or MIN_SCORE,
    )


def _like(found: Violations, request: pb.FindSimilarAgentsRequest, kind: str | None) -> AgentName | str | None:
    if kind == "agent":
        shape = "namespaces/{namespace}/agents/{agent}"
        return found.resource_name(request.agent, "agent", AgentName.parse, shape=shape)
    if kind == "purpose":
        return found.text(request.purpose, "purpose", max_bytes=2_000, multiline=True)
    return None


def get_facets(request: pb.GetFacetsRequest) -> FacetQuery:
    """Return what to count. Whether agents can be counted by a field is judged where it is."""
    found = Violations()
    parent = _parent(found, request.parent)
    for path, field in found.items(request.fields, "fields", max_items=MAX_FIELDS, min_items=1):
        found.text(field, path, max_bytes=200)
    found.distinct(list(request.fields)[:MAX_FIELDS], "fields")
    wanted = _query(found, request.query, required=False)
    most = found.page_size(request.max_values, "max_values", default=20, maximum=1_000)
    return FacetQuery(
        namespace=_namespace(found.ok(parent)),
        filter=request.filter,
        wanted=wanted,
        fields=tuple(request.fields),
        most=most,
    )


def select_agent(request: pb.SelectAgentRequest) -> Selection:
    """Return what is to be called."""
    found = Violations()
    parent = _parent(found, request.parent)
    skill = found.text(request.skill, "skill", max_bytes=500, required=False)
    for path, tag in found.items(request.tags, "tags", max_items=MAX_TAGS):
        found.text(tag, path, max_bytes=200)
    if not request.skill and not request.tags:
        found.add("skill", "a skill or a tag is needed")
    _label(found, request.environment, "environment", required=True)
    region = found.text(request.region, "region", max_bytes=63, required=False)
    for path, data_class in found.items(request.data_classes, "data_classes", max_items=32):
        _label(found, data_class, path, required=True)
    for path, binding in found.items(request.protocol_bindings, "protocol_bindings", max_items=16):
        found.text(binding, path, max_bytes=200)
    found.integer(request.min_trust_score, "min_trust_score", minimum=0, maximum=1_000)
    tier = None
    if request.max_risk_tier:
        tier = found.enum(request.max_risk_tier, "max_risk_tier", _RISK_TIERS)
    two_choices = found.enum(request.mode, "mode", _TWO_CHOICES, default=False)
    affinity = found.text(request.affinity_key, "affinity_key", max_bytes=200, required=False)
    limit = found.page_size(request.max_candidates, "max_candidates", default=5, maximum=50)
    return Selection(
        namespace=_namespace(found.ok(parent)),
        environment=request.environment,
        skill=skill,
        tags=tuple(request.tags),
        max_risk_tier=tier,
        min_trust_score=request.min_trust_score,
        region=region,
        data_classes=tuple(request.data_classes),
        bindings=tuple(request.protocol_bindings),
        filter=request.filter,
        two_choices=bool(two_choices),
        limit=limit,
        dice=_dice(affinity),
    )


def export_inventory(request: pb.ExportInventoryRequest) -> InventoryQuery:
    """Return what to export."""
    found = Violations()
    parent = _parent(found, request.parent)
    form = found.enum(request.format, "format", _FORMATS)
    return InventoryQuery(namespace=_namespace(found.ok(parent)), filter=request.filter, form=found.ok(form))


def search_page(page: SearchPage) -> pb.SearchAgentsResponse:
    """Return one page of what was found."""
    return pb.SearchAgentsResponse(
        results=map(_found, page.found), next_page_token=page.next_page_token, total_size=page.total
    )


def similar_agents(found: tuple[SimilarAgent, ...]) -> list[registry_pb2.SimilarAgent]:
    """Return agents that resemble another."""
    return [
        registry_pb2.SimilarAgent(
            name=str(each.agent.name),
            display_name=each.agent.spec.display_name,
            score=each.score,
            agreeing_fields=each.agreeing,
            purpose=each.agent.spec.purpose,
        )
        for each in found
    ]


def facet_counts(counts: FacetCounts) -> pb.GetFacetsResponse:
    """Return what was counted."""
    return pb.GetFacetsResponse(facets=map(_facet, counts.facets), total_size=counts.total)


def selected(answer: Selected) -> pb.SelectAgentResponse:
    """Return whom to call, and why others were left out."""
    return pb.SelectAgentResponse(
        candidates=map(_candidate, answer.candidates), exclusions=map(_exclusion, answer.exclusions)
    )


def _found(value: Found) -> pb.SearchResult:
    return pb.SearchResult(
        agent=agent_message(value.view), relevance=value.relevance, matches=map(_match, value.matches)
    )


def _match(value: Match) -> pb.SearchMatch:
    spans = [pb.TextSpan(start=start, end=end) for start, end in value.highlights]
    return pb.SearchMatch(field=value.field, snippet=value.snippet, highlights=spans)


def _facet(value: Facet) -> pb.Facet:
    values = [pb.FacetValue(value=shown, count=count) for shown, count in value.values]
    return pb.Facet(field=value.field, values=values, other_count=value.other, unset_count=value.unset)


def _candidate(value: Candidate) -> pb.Candidate:
    view, interface = value.view, value.interface
    return pb.Candidate(
        agent=str(view.agent.name),
        revision=f"{view.agent.name}/revisions/{value.number}",
        interface=None
        if interface is None
        else registry_pb2.CardInterface(
            url=interface.url,
            protocol_binding=interface.protocol_binding,
            protocol_version=interface.protocol_version,
            tenant=interface.tenant,
        ),
        weight=value.weight,
        reasons=[
            pb.WeightReason(factor=each.name, multiplier=each.multiplier, explanation=each.explanation)
            for each in value.factors
        ],
        health=None if view.health is None else _health(view.health),
        trust=None if view.trust is None else trust_message(view.trust),
    )


def _health(value: Health) -> pb.AgentHealth:
    return pb.AgentHealth(
        circuit=pb.CIRCUIT_STATE_UNSPECIFIED if value.circuit is None else _CIRCUITS[value.circuit],
        latency_p50=_duration(value.latency_p50_ms),
        latency_p95=_duration(value.latency_p95_ms),
        error_rate=value.error_rate or 0.0,
        calls=value.calls,
        slo=pb.SLO_STATE_UNSPECIFIED if value.slo is None else _SLOS[value.slo],
    )


def _exclusion(value: Exclusion) -> pb.Exclusion:
    return pb.Exclusion(reason=value.reason, count=value.count, agents=value.agents)


def _duration(millis: float | None) -> Duration | None:
    if millis is None:
        return None
    seconds, nanos = divmod(round(millis * 1_000_000), 1_000_000_000)
    return Duration(seconds=seconds, nanos=nanos)


def _parent(found: Violations, value: str) -> str | None:
    return found.resource_name(value, "parent", _parse_parent, shape="namespaces/{namespace} or namespaces/-")


def _parse_parent(text: str) -> str | None:
    return EVERY_NAMESPACE if text == f"namespaces/{EVERY_NAMESPACE}" else parse_namespace(text)


def _namespace(parent: str) -> str | None:
    return None if parent == EVERY_NAMESPACE else parent


def _query(found: Violations, text: str, *, required: bool) -> Wanted:
    found.text(text, "query", max_bytes=MAX_QUERY_BYTES, required=required, multiline=True)
    wanted = wanted_in(text[:MAX_QUERY_BYTES])
    if text and not wanted.words and not wanted.quoted:
        found.add("query", "holds no word")
    if len(wanted.words) > MAX_WORDS:
        found.add("query", f"holds more than {MAX_WORDS} words")
    return wanted


def _label(found: Violations, value: str, field: str, *, required: bool) -> None:
    if (value or required) and not is_resource_id(value):
        found.add(field, "must have the form of an RFC 1034 label, lower case, at most 63 characters")


def _dice(affinity: str) -> random.Random:
    if not affinity:
        return random.SystemRandom()
    return random.Random(hashlib.sha256(affinity.encode()).digest())  # noqa: S311 - spreads load, keeps no secret
