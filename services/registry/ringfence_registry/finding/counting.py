"""GetFacets: what a caller sees and asks for, counted by fields."""

from dataclasses import dataclass

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant

from ringfence_registry.access import require_sight
from ringfence_registry.finding.asking import asked
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.facets import Facet, facet_of, fields_to_count
from ringfence_registry.finding.searching import Ranking, Wanted
from ringfence_registry.namespaces.visible import VisibilityReader


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetQuery:
    """What somebody wants counted, and by which fields."""

    namespace: str | None
    filter: str
    wanted: Wanted
    """Words; none counts everything that passes the filter."""
    fields: tuple[str, ...]
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetCounts:
    """The answer."""

    facets: tuple[Facet, ...]
    total: int


class AgentCounting:
    """Counts agents."""

    def __init__(self, catalog: AgentCatalog, *, sight: VisibilityReader) -> None:
        self._catalog = catalog
        self._sight = sight

    def get_facets(self, query: FacetQuery, *, caller: Caller, now: Instant) -> FacetCounts:
        """Count what matches. Raises `NotPermitted`, `InvalidRequest` for a field, and `FilterInvalid`."""
        visible = self._sight.visible(caller)
        if query.namespace is not None:
            require_sight(caller, visible, query.namespace)
        fields = fields_to_count(query.fields)
        seen = self._catalog.in_sight(self._catalog.seen_by(visible, query.namespace))
        matching = asked(self._catalog, query.filter, seen, now=now)
        if query.wanted.words or query.wanted.quoted:
            matching = Ranking(self._catalog, query.wanted, matching).matching
        facets = tuple(facet_of(self._catalog, field, matching, most=query.most) for field in fields)
        return FacetCounts(facets=facets, total=matching.bit_count())
