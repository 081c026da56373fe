"""What classifiers elsewhere say about content: it may raise what was found here, never lower it.

An answer that did not come is a finding too, of kind FAILURE, so that the policy's `on_error` decides and not the
network. Nothing here waits or speaks to anybody; `convert/classifier.py` does.
"""

from collections.abc import Sequence
from typing import Protocol

from ringfence_pdp.filters.finding import Content, Finding, Kind, Severity

MAX_FINDINGS = 64
FAILURE_ID = "remote.{name}.failed"


class Classifiers(Protocol):
    """The classifiers this pdp knows, by their names in its configuration."""

    async def ask(self, name: str, content: Content) -> Sequence[Finding]:
        """Return what classifier `name` finds, the worst first; never raises.

        A classifier that is not configured, late, away, not who it should be or not making sense is one finding of
        kind FAILURE, and nothing it said before counts then.
        """
        ...


class NoClassifiers:
    """For a pdp whose configuration names none: every question fails."""

    async def ask(self, name: str, content: Content) -> Sequence[Finding]:  # noqa: ARG002 - the Protocol's
        """Return the failure."""
        return [failed(name, "this pdp is not configured with such a classifier")]


def failed(name: str, why: str) -> Finding:
    """Return the finding that says classifier `name` gave no answer."""
    return Finding(
        kind=Kind.FAILURE,
        id=FAILURE_ID.format(name=name),
        category="failure",
        severity=Severity.HIGH,
        message=f"classifier {name!r} gave no answer: {why}",
    )


def raised(own: Sequence[Finding], remote: Sequence[Finding]) -> list[Finding]:
    """Return `own` findings with those of a classifier elsewhere among them, the worst first.

    Nothing of `own` is ever left out or made less severe, unless more than 64 were found that are at least as bad.
    """
    merged = sorted((*own, *remote), key=lambda finding: -finding.severity)
    return merged[:MAX_FINDINGS]
