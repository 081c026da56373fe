"""Reading resources of one kind: one of them, or all that match and that the caller sees (AIP-132, 158, 160)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.errors import Failure
from ringfence_kit.pages import PageTokens

from ringfence_registry.access import require_sight
from ringfence_registry.errors import FilterInvalid
from ringfence_registry.finding.filtering.compiler import compile_filter
from ringfence_registry.finding.filtering.errors import FilterError
from ringfence_registry.finding.filtering.fields import FieldTable
from ringfence_registry.namespaces.visible import VisibilityReader
from ringfence_registry.resources.snapshot import ResourceSnapshot


class InNamespace(Protocol):
    """The name of something in a namespace."""

    @property
    def namespace(self) -> str:
        """The id of the namespace."""
        ...


class NamedInNamespace(Protocol):
    """A resource in a namespace."""

    @property
    def name(self) -> InNamespace:
        """Its name."""
        ...


T = TypeVar("T", bound=NamedInNamespace)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """What somebody wants listed, and which page of it."""

    namespace: str | None
    """None means every namespace the caller sees."""
    filter: str
    page_size: int
    page_token: str
    arguments: bytes
    """What a page token is bound to."""


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """One page of an answer. It may be short, even empty, before the last."""

    resources: tuple[T, ...]
    next_page_token: str


class ResourceReading(Generic[T]):
    """Answers questions about one kind of resource, from its snapshot."""

    def __init__(
        self,
        snapshot: ResourceSnapshot[T],
        *,
        collection: str,
        fields: Callable[[Instant], FieldTable[T]],
        not_found: Callable[[str], Failure],
        tokens: PageTokens,
        visibility: VisibilityReader,
    ) -> None:
        """`collection` is the segment before the id; `fields` are what a filter may name, read as of a moment."""
        self._snapshot = snapshot
        self._collection = collection
        self._fields = fields
        self._not_found = not_found
        self._tokens = tokens
        self._visibility = visibility

    def get(self, name: InNamespace, *, caller: Caller) -> T:
        """Return the resource called `name`, or raise `NotPermitted`, or the failure that says there is none."""
        require_sight(caller, self._visibility.visible(caller), name.namespace)
        return self.found(name)

    def found(self, name: object) -> T:
        """Return the resource called `name` to a caller who may see it."""
        resource = self._snapshot.get(name)
        if resource is None:
            raise self._not_found(str(name))
        return resource

    def list(self, query: ListQuery, *, caller: Caller, now: Instant) -> Listed[T]:
        """Return one page of what matches, by name.

        Raises `NotPermitted`, `FilterInvalid` and `PageTokenInvalid`.
        """
        visible = self._visibility.visible(caller)
        if query.namespace is not None:
            require_sight(caller, visible, query.namespace)
        try:
            condition = compile_filter(query.filter, self._fields(now))
        except FilterError as error:
            raise FilterInvalid(column=error.column, problem=error.problem) from None
        page = self._snapshot.page(
            lambda resource: visible.sees(resource.name.namespace) and condition.matches(resource),
            prefix=prefix_of(query.namespace, self._collection),
            after=self._cursor(query, caller, now),
            limit=query.page_size,
        )
        return Listed(page.resources, self._token(page.cursor, query, caller, now))

    def _cursor(self, query: ListQuery, caller: Caller, now: Instant) -> str:
        if not query.page_token:
            return ""
        opened = self._tokens.open(query.page_token, caller=caller.principal, arguments=query.arguments, now=now)
        return opened.decode()

    def _token(self, cursor: str, query: ListQuery, caller: Caller, now: Instant) -> str:
        if not cursor:
            return ""
        return self._tokens.seal(cursor.encode(), caller=caller.principal, arguments=query.arguments, now=now)


def prefix_of(namespace: str | None, collection: str) -> str:
    """Return what the names of a namespace's resources begin with; None means every namespace."""
    return "" if namespace is None else f"namespaces/{namespace}/{collection}/"
