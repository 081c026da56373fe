"""Asking the catalog what a caller's filter says: the text compiled, and its faults told as a failure with a place."""

from functools import lru_cache

from ringfence_kit.clock import Instant

from ringfence_registry.errors import FilterInvalid
from ringfence_registry.finding.agent_fields import AGENT_FIELDS
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.finding.bits import Bits
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.filtering.compiler import Filter, compile_filter
from ringfence_registry.finding.filtering.errors import FilterError


def compiled(text: str) -> Filter[AgentView]:
    """Return what `text` says of agents, or raise `FilterInvalid`."""
    try:
        return _compiled(text)
    except FilterError as error:
        raise FilterInvalid(column=error.column, problem=error.problem) from None


def asked(catalog: AgentCatalog, text: str, among: Bits, *, now: Instant) -> Bits:
    """Return those of `among` that match the filter `text` at `now`, or raise `FilterInvalid`."""
    want = compiled(text)
    try:
        return catalog.select(want, among, now=now)
    except FilterError as error:
        raise FilterInvalid(column=error.column, problem=error.problem) from None


@lru_cache(maxsize=512)
def _compiled(text: str) -> Filter[AgentView]:
    # A filter says the same to everybody and at any time; pages of one walk bring the same again.
    return compile_filter(text, AGENT_FIELDS)
