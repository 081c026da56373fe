"""Who may ask about whom, and what of a question is believed of whoever asks."""

from ringfence_kit.callers import Caller, Role
from ringfence_kit.errors import NotPermitted

from ringfence_pdp.facts import Facts
from ringfence_pdp.filters.believed import believed
from ringfence_pdp.model import CheckRequest, Side, Target

_ABOUT_ALL = frozenset({Role.PLATFORM_ADMIN, Role.SERVICE, Role.AUDITOR, Role.DECIDER})
"""Who is one of these may ask about everybody."""


def taken_at_its_word(request: CheckRequest, caller: Caller) -> CheckRequest:
    """Return a request with what `caller` is believed of the origins of its arguments."""
    return request._replace(origins=believed(request.origins, caller)) if request.origins else request


def refuse_strangers(caller: Caller, request: CheckRequest, facts: Facts) -> None:
    """Raise NotPermitted unless `caller` may ask about the request's agent.

    An agent is known by the name or DID its credential is bound to, whichever the request used: so both are tried,
    those of the request and those the facts join to them. Whoever stands before an agent that is called asks for it: as
    the callee's side, about those who call it.
    """
    if not _ABOUT_ALL.isdisjoint(caller.roles):
        return
    called = request.target if request.side is Side.CALLEE else None
    if called is not None and any(caller.speaks_for(name) for name in _names(facts, called, request.environment)):
        return
    identity = facts.identity(request.did, request.agent, request.environment)
    if identity is not None:
        mine = caller.speaks_for(identity.did) or caller.speaks_for(identity.resource_name)
    else:
        named = (request.did, str(request.agent) if request.agent is not None else None)
        mine = all(caller.speaks_for(name) for name in named if name is not None)
    if not mine:
        raise NotPermitted(
            principal=caller.principal,
            action=f"ask about {request.did or request.agent}",
            needed="to be that agent, a gateway bound to it, or platform-admin",
        )


def _names(facts: Facts, called: Target, environment: str) -> tuple[str, ...]:
    """Return what the facts call an agent that is called; nothing when they do not know it as it was named."""
    identity = facts.identity(called.did, called.agent, environment)
    if identity is None or called.agent not in {None, identity.name}:
        return ()
    return identity.did, identity.resource_name
