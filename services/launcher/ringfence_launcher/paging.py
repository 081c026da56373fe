"""Walks the pages of a List method (AIP-158) as one sequence."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar


class Page(Protocol):
    """A List response."""

    @property
    def next_page_token(self) -> str:
        """Empty when this was the last page."""
        ...


PageT = TypeVar("PageT", bound=Page)
ItemT = TypeVar("ItemT")


def pages(fetch: Callable[[str], PageT], items: Callable[[PageT], Iterable[ItemT]], *, limit: int) -> Iterator[ItemT]:
    """Give the items of all pages, at most `limit`; the next page is fetched when the one before is used up."""
    token, left = "", limit
    while left > 0:
        page = fetch(token)
        for item in items(page):
            if left == 0:
                return
            left -= 1
            yield item
        token = page.next_page_token
        if not token:
            return
