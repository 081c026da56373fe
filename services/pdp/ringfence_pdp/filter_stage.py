"""The stage of content filters: which of them look at a call, and what they say to it.

A call is looked at by the filters of every policy that governs anybody who has a say in it: whoever stands behind it,
the agent that is called, and the boundaries it crosses. It is asked once for a case, however often that is explained.
Arguments that are kept back are content nobody looked through.
"""

from collections.abc import Sequence

from ringfence_pdp.approvals.binding import arguments_digest
from ringfence_pdp.case import Case
from ringfence_pdp.filters.arguments import content_of
from ringfence_pdp.filters.engines import INTENT
from ringfence_pdp.filters.filtering import UNFILTERED, CompiledFilter, Filtered, filtered
from ringfence_pdp.filters.finding import Content
from ringfence_pdp.filters.looking import doubts
from ringfence_pdp.model import CheckRequest
from ringfence_pdp.policy_filters import FilterUse
from ringfence_pdp.sides import speaking


def filters_of(case: Case) -> Sequence[CompiledFilter]:
    """Return the filters that look at a call, by id."""
    bundle = case.basis.bundle
    if bundle is None or not bundle.filters:
        return ()
    request = case.request
    found = {
        one.id: one
        for side, party in speaking(case)
        for one in bundle.filtering(
            environment=request.environment, party=party, action=request.action, tool=request.tool, side=side
        )
    }
    return [found[id_] for id_ in sorted(found)]


def filtered_case(case: Case) -> Filtered:
    """Return what the filters make of a call."""
    if case.filtered is None:
        case.filtered = _filtered(case)
    return case.filtered


def content(case: Case) -> Content:
    """Return what filters look through for a call."""
    request = case.request
    contract = None if request.tool is None else case.basis.facts.tools.get(request.tool)
    found = content_of(
        request.arguments(),
        action=request.action,
        tool=request.tool or "",
        contract=contract,
        origins=request.origins,
    )
    if _is_kept_back(request):
        found = found._replace(problem=KEPT_BACK)
    return found._replace(is_sink=False) if _stays_inside(case) else found


KEPT_BACK = "the arguments were not sent, only their digest"
_OF_NONE = arguments_digest({})


def _is_kept_back(request: CheckRequest) -> bool:
    """Say whether there are arguments that only whoever asks knows."""
    digest = request.arguments_digest
    return digest is not None and digest != _OF_NONE and not request.arguments()


def _stays_inside(case: Case) -> bool:
    """Say whether a call is a message to an agent of the mesh: what its names say of sending is not about leaving."""
    called = None if case.call is None else case.call.target
    return case.request.tool is None and called is not None and called.identity is not None


def classifiers_of(case: Case) -> tuple[str, ...]:
    """Return the classifiers elsewhere that have a say in a call, by name."""
    return tuple(sorted({one.written.classifier for one in filters_of(case) if one.written.use is FilterUse.REMOTE}))


def is_in_doubt(case: Case) -> bool:
    """Say whether a filter of intent looks at a call, and is in doubt about something in it."""
    bundle = case.basis.bundle
    if bundle is None or not any(one.engine == INTENT for one in filters_of(case)):
        return False
    return bool(doubts(content(case), bundle.engines))


def _filtered(case: Case) -> Filtered:
    filters, bundle = filters_of(case), case.basis.bundle
    if not filters or bundle is None:
        return UNFILTERED
    return filtered(filters, content(case), bundle.engines, case.request.heard)
