"""Tools, external systems and boundaries, put together: what memory holds of them, and the services that answer."""

from collections.abc import Iterable, Iterator, Sequence

from ringfence_kit.clock import Clock
from ringfence_kit.events import Event
from ringfence_kit.ids import NewId
from ringfence_kit.pages import PageTokens
from ringfence_kit.service import Face
from ringfence_kit.store import Writer
from ringfence_kit.watch import EventHub

from ringfence_registry.api.boundary_api import BoundaryApi, boundary_face
from ringfence_registry.api.external_system_api import ExternalSystemApi, external_system_face
from ringfence_registry.api.tool_api import ToolApi, tool_face
from ringfence_registry.boundaries.drawing import BoundaryDrawing
from ringfence_registry.boundaries.model import BOUNDARY, Boundary
from ringfence_registry.boundaries.reading import BoundaryMap, BoundaryReading
from ringfence_registry.external_systems.deciding import ExternalSystemDeciding
from ringfence_registry.external_systems.ending import TrustEnding
from ringfence_registry.external_systems.entry import ExternalSystemEntry
from ringfence_registry.external_systems.model import EXTERNAL_SYSTEM, ExternalSystem
from ringfence_registry.external_systems.reading import reading_of_systems
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.model import Agent
from ringfence_registry.namespaces.book import NamespaceBook
from ringfence_registry.namespaces.visible import EVERYTHING
from ringfence_registry.resources.snapshot import ResourceSnapshot
from ringfence_registry.resources.watching import ResourceWatching
from ringfence_registry.store.tools import StoredTools, ToolRevisionReader, ToolTx
from ringfence_registry.tools.amendment import ToolAmendment
from ringfence_registry.tools.approvals import Approvals
from ringfence_registry.tools.catalog import ToolCatalog
from ringfence_registry.tools.reading import ToolReading
from ringfence_registry.tools.registration import ToolRegistration
from ringfence_registry.tools.switching import ToolSwitching


class ToolSnapshots:
    """Everything in memory about tools, external systems and boundaries."""

    def __init__(self) -> None:
        self.systems = ResourceSnapshot(EXTERNAL_SYSTEM, ExternalSystem)
        self.tools = ToolCatalog(self.systems)
        self.boundaries = ResourceSnapshot(BOUNDARY, Boundary)
        self.approvals = Approvals()
        self.map = BoundaryMap(self.boundaries)

    def fill(self, stored: StoredTools, agents: Iterable[Agent]) -> None:
        """Take what the store was loaded with. Once, first."""
        self.systems.fill(stored.external_systems)
        self.tools.fill(stored.tools)
        self.boundaries.fill(stored.boundaries)
        self.approvals.fill(agents)

    def apply(self, event: Event) -> None:
        """Take one committed event, of any kind."""
        self.systems.apply(event)
        self.tools.apply(event)
        self.boundaries.apply(event)
        self.approvals.apply(event)


class PresentAgents:
    """The agents of a catalog that are neither retired nor deleted: the `AgentsByName` of boundaries."""

    def __init__(self, catalog: AgentCatalog) -> None:
        self._catalog = catalog

    def names(self, namespace: str, after: str) -> Iterator[str]:
        """See `AgentsByName`."""
        there = self._catalog.in_sight(self._catalog.seen_by(EVERYTHING, namespace))
        return self._catalog.by_name(there, after=after)

    def agent(self, name: str) -> Agent | None:
        """See `AgentsByName`."""
        return self._catalog.agent(name)


class ToolServices:
    """The use cases, and the services they are served by."""

    def __init__(
        self,
        snapshots: ToolSnapshots,
        writer: Writer[ToolTx],
        revisions: ToolRevisionReader,
        hub: EventHub,
        *,
        book: NamespaceBook,
        agents: AgentCatalog,
        tokens: PageTokens,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        tools, systems, boundaries = snapshots.tools, snapshots.systems, snapshots.boundaries
        self.registration = ToolRegistration(writer, book, new_id)
        self.amendment = ToolAmendment(writer, book, book, snapshots.approvals)
        self.switching = ToolSwitching(writer)
        self.reading = ToolReading(tools, revisions, tokens=tokens, visibility=book)
        self.watching = ResourceWatching(tools.snapshot, hub, book, clock, collection="tools")

        self.entry = ExternalSystemEntry(writer, book, book, new_id)
        self.deciding = ExternalSystemDeciding(writer)
        self.system_reading = reading_of_systems(systems, tokens, book)
        self.ending = TrustEnding(writer, systems, clock)

        self.drawing = BoundaryDrawing(writer, book, book, new_id)
        self.boundary_reading = BoundaryReading(boundaries, PresentAgents(agents), tokens=tokens, visibility=book)
        self.boundary_watching = ResourceWatching(boundaries, hub, book, clock, collection="boundaries")
        self._clock = clock

    def faces(self) -> Sequence[Face]:
        """Return the three services as the server takes them."""
        tools = ToolApi(
            registration=self.registration,
            amendment=self.amendment,
            switching=self.switching,
            reading=self.reading,
            watching=self.watching,
            clock=self._clock,
        )
        systems = ExternalSystemApi(
            entry=self.entry, deciding=self.deciding, reading=self.system_reading, clock=self._clock
        )
        boundaries = BoundaryApi(
            drawing=self.drawing,
            reading=self.boundary_reading,
            watching=self.boundary_watching,
            clock=self._clock,
        )
        return (tool_face(tools), external_system_face(systems), boundary_face(boundaries))
