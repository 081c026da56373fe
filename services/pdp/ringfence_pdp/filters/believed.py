"""Whose word on where content comes from is taken: an agent is believed only where that restricts it.

What an agent calls the user's own may be what it read on a page, and it cannot vouch for itself. So of an agent's words
only those are kept that say something is not trusted: not even "unknown", which would lift what is said of the whole.
"""

from collections.abc import Mapping

from ringfence_kit.callers import Caller, Role

from ringfence_pdp.filters.finding import Origin

_VOUCHING = (Role.PLATFORM_ADMIN, Role.SERVICE, Role.GATEWAY, Role.AUDITOR, Role.DECIDER)


def believed(origins: Mapping[str, Origin], caller: Caller) -> Mapping[str, Origin]:
    """Return what `caller` says of origins, as far as it counts."""
    if caller.has(*_VOUCHING):
        return origins
    return {pointer: origin for pointer, origin in origins.items() if origin.is_untrusted}
