"""Reading namespaces: one, or all the caller sees. Answered from the book.

A namespace has a policy whether anybody ever used its name or not, so nothing here can be missing. Whom a namespace
entitles is told to its own people and to who oversees everything; a guest learns of no other guest.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.pages import PageTokens

from ringfence_registry.access import require_sight
from ringfence_registry.namespaces.book import NamespaceBook
from ringfence_registry.namespaces.model import Namespace
from ringfence_registry.namespaces.visible import EVERYTHING, Visible


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceList:
    """One page of an answer."""

    namespaces: tuple[Namespace, ...]
    next_page_token: str


class NamespaceReading:
    """Answers questions about namespaces."""

    def __init__(self, book: NamespaceBook, tokens: PageTokens) -> None:
        self._book = book
        self._tokens = tokens

    def get_namespace(self, namespace: str, *, caller: Caller) -> Namespace:
        """Return the namespace with this id, or raise `NotPermitted`."""
        visible = self._book.visible(caller)
        require_sight(caller, visible, namespace)
        return self._shown(namespace, caller, visible)

    def list_namespaces(
        self, *, page_size: int, page_token: str, arguments: bytes, caller: Caller, now: Instant
    ) -> NamespaceList:
        """Return a page of those the caller sees, by name. Raises `PageTokenInvalid`."""
        after = ""
        if page_token:
            after = self._tokens.open(page_token, caller=caller.principal, arguments=arguments, now=now).decode()
        visible = self._book.visible(caller)
        found: list[str] = []
        for namespace in self._seen(visible, after):
            if len(found) == page_size:
                last = found[-1].encode()
                token = self._tokens.seal(last, caller=caller.principal, arguments=arguments, now=now)
                break
            found.append(namespace)
        else:
            token = ""
        return NamespaceList(
            namespaces=tuple(self._shown(namespace, caller, visible) for namespace in found), next_page_token=token
        )

    def _seen(self, visible: Visible, after: str) -> Iterator[str]:
        return (namespace for namespace in self._book.ids(after=after) if visible.sees(namespace))

    def _shown(self, namespace: str, caller: Caller, visible: Visible) -> Namespace:
        known = self._book.namespace(namespace)
        homes = self._book.homes(caller)
        if visible is EVERYTHING or namespace in homes:
            return known
        return replace(known, entitled=known.entitled & homes)
