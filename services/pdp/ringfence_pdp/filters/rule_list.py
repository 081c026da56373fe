"""The rules content is matched by, in an order that pages can go through."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from ringfence_pdp.filters.engines import PATTERNS, Engines
from ringfence_pdp.filters.filter_rule import FilterRule


@runtime_checkable
class Ruled(Protocol):
    """A filter that judges by rules."""

    @property
    def rules(self) -> Sequence[FilterRule]:
        """Return them, in any order."""
        ...


def rules_of(engines: Engines) -> list[FilterRule]:
    """Return the rules that are built in and those of the bundle's own packs, by id; none while they cannot be used."""
    patterns = engines.named(PATTERNS)
    return sorted(patterns.rules, key=lambda rule: rule.id) if isinstance(patterns, Ruled) else []


def page_of(engines: Engines, *, category: str, after: str, size: int) -> tuple[Sequence[FilterRule], bool]:
    """Return up to `size` rules after the id `after`, and whether there are more; `category` empty means all."""
    found = [rule for rule in rules_of(engines) if rule.id > after and category in ("", rule.category)]
    return found[:size], len(found) > size
