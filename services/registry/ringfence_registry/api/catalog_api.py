"""`ringfence.registry.v1.CatalogService` as it is served: convert, call, convert."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from ringfence.registry.v1 import catalog_pb2 as pb
from ringfence.registry.v1 import catalog_pb2_grpc
from ringfence_kit.callers import current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.pages import PageTokens
from ringfence_kit.service import Face

from ringfence_registry.convert import finding
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.counting import AgentCounting
from ringfence_registry.finding.exporting import InventoryExport
from ringfence_registry.finding.searching import AgentSearch
from ringfence_registry.finding.selecting import AgentSelection
from ringfence_registry.finding.similar import SimilarAgents
from ringfence_registry.namespaces.visible import VisibilityReader


class CatalogApi(catalog_pb2_grpc.CatalogServiceServicer):
    """Finding agents, over gRPC."""

    def __init__(
        self,
        *,
        search: AgentSearch,
        similar: SimilarAgents,
        counting: AgentCounting,
        selection: AgentSelection,
        export: InventoryExport,
        clock: Clock,
    ) -> None:
        self._search = search
        self._similar = similar
        self._counting = counting
        self._selection = selection
        self._export = export
        self._clock = clock

    async def SearchAgents(self, request: pb.SearchAgentsRequest, context: Any) -> pb.SearchAgentsResponse:
        """Find agents by words."""
        query = finding.search_agents(request)
        return finding.search_page(self._search.search_agents(query, caller=current_caller(), now=self._clock.now()))

    async def FindSimilarAgents(
        self, request: pb.FindSimilarAgentsRequest, context: Any
    ) -> pb.FindSimilarAgentsResponse:
        """Find agents by likeness."""
        query = finding.find_similar_agents(request)
        found = self._similar.find_similar_agents(query, caller=current_caller())
        return pb.FindSimilarAgentsResponse(similar_agents=finding.similar_agents(found))

    async def GetFacets(self, request: pb.GetFacetsRequest, context: Any) -> pb.GetFacetsResponse:
        """Count agents."""
        query = finding.get_facets(request)
        return finding.facet_counts(self._counting.get_facets(query, caller=current_caller(), now=self._clock.now()))

    async def SelectAgent(self, request: pb.SelectAgentRequest, context: Any) -> pb.SelectAgentResponse:
        """Pick agents to call."""
        wanted = finding.select_agent(request)
        return finding.selected(self._selection.select_agent(wanted, caller=current_caller(), now=self._clock.now()))

    async def ExportInventory(
        self, request: pb.ExportInventoryRequest, context: Any
    ) -> AsyncIterator[pb.ExportInventoryResponse]:
        """Stream the inventory."""
        query = finding.export_inventory(request)
        parts = self._export.export_inventory(query, caller=current_caller(), now=self._clock.now())
        async with aclosing(parts):
            async for part in parts:
                yield pb.ExportInventoryResponse(data=part)


def catalog_face(api: CatalogApi) -> Face:
    """Return the service as the server takes it."""
    return Face(catalog_pb2_grpc.add_CatalogServiceServicer_to_server, api)


def catalog_api(catalog: AgentCatalog, tokens: PageTokens, *, sight: VisibilityReader, clock: Clock) -> CatalogApi:
    """Put the service together: everything it answers, it answers from the catalog."""
    return CatalogApi(
        search=AgentSearch(catalog, tokens, sight=sight),
        similar=SimilarAgents(catalog, sight=sight),
        counting=AgentCounting(catalog, sight=sight),
        selection=AgentSelection(catalog, sight=sight),
        export=InventoryExport(catalog, sight=sight),
        clock=clock,
    )
