"""Who works, for whom, in which session: kept in W3C baggage, and written on every span.

The rules:

- what a span states itself is left as it is;
- a session comes with the work: the caller's, out of baggage, goes before one's own;
- agent and team are one's own: baggage of a caller names neither, so nobody spends in another's name by a header.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from opentelemetry import baggage
from opentelemetry.context import Context, get_value, set_value
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

SESSION = "session.id"
TEAM = "ringfence.team"
AGENT = "gen_ai.agent.id"

_OURS = "ringfence-work"
"""The key in the context under which this process keeps its own labels, which no header can set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLabels:
    """What every span of a piece of work says; empty is unknown."""

    agent: str = ""
    team: str = ""
    session: str = ""

    def attributes(self) -> Mapping[str, str]:
        """Return what is known as span attributes, which are the keys of baggage too."""
        known = {AGENT: self.agent, TEAM: self.team, SESSION: self.session}
        return {key: value for key, value in known.items() if value}

    def narrowed(self, *, agent: str = "", team: str = "", session: str = "") -> "WorkLabels":
        """Return them with these in place of theirs, as far as they are given."""
        return replace(self, agent=agent or self.agent, team=team or self.team, session=session or self.session)


def labels_in(context: Context | None, defaults: WorkLabels) -> WorkLabels:
    """Return the labels of what is at work in a context."""
    ours = get_value(_OURS, context)
    own = ours if isinstance(ours, WorkLabels) else defaults
    if own.session and own is not defaults:
        return own
    carried = baggage.get_baggage(SESSION, context)
    return own.narrowed(session=carried if isinstance(carried, str) else "")


def labelled(context: Context | None, labels: WorkLabels) -> Context:
    """Return a context in which `labels` are at work, in baggage too, so that they travel with whatever is called."""
    context = set_value(_OURS, labels, context)
    for key, value in labels.attributes().items():
        context = baggage.set_baggage(key, value, context)
    return context


class LabelSpans(SpanProcessor):
    """Writes the labels on every span that starts."""

    def __init__(self, defaults: WorkLabels) -> None:
        self._defaults = defaults

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Write what the span does not state itself."""
        stated = span.attributes or {}
        for key, value in labels_in(parent_context, self._defaults).attributes().items():
            if key not in stated:
                span.set_attribute(key, value)

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing: all is written at the start."""

    def shutdown(self) -> None:
        """Nothing is held."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Nothing is held."""
        return True
