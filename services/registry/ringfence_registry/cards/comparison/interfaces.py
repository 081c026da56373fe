"""Where and how an agent is reached: an interface is told by address and binding, and speaks some versions there."""

from ringfence_registry.cards.addresses import normal_address
from ringfence_registry.cards.comparison.model import DifferenceKind, Differences, breaking, compatible
from ringfence_registry.cards.model import CardContent, CardInterface

_Endpoint = tuple[str, str]


def interface_differences(before: CardContent, after: CardContent) -> Differences:
    """Yield how the interfaces differ."""
    old, new = _by_endpoint(before), _by_endpoint(after)
    for endpoint, interfaces in old.items():
        if endpoint not in new:
            place, interface = interfaces[0]
            problem = f"{interface.protocol_binding} at this address is gone"
            yield breaking(DifferenceKind.INTERFACE_REMOVED, place, problem)
    for endpoint, interfaces in new.items():
        if endpoint in old:
            yield from _version_differences(old[endpoint], interfaces)
        else:
            yield compatible(DifferenceKind.INTERFACE_ADDED, interfaces[0][0], "is a new way to reach the agent")
    if before.interfaces and after.interfaces and _key(before.interfaces[0]) != _key(after.interfaces[0]):
        problem = "is preferred now; callers that follow the preference go elsewhere"
        yield compatible(DifferenceKind.PREFERRED_INTERFACE_CHANGED, "/supportedInterfaces/0", problem)


def _version_differences(old: list[tuple[str, CardInterface]], new: list[tuple[str, CardInterface]]) -> Differences:
    known = {interface.protocol_version: interface for _, interface in old}
    kept = {interface.protocol_version for _, interface in new}
    for place, interface in new:
        was = known.get(interface.protocol_version)
        if was is None:
            problem = f"speaks A2A {interface.protocol_version or 'of no version'} too"
            yield compatible(DifferenceKind.PROTOCOL_VERSION_ADDED, f"{place}/protocolVersion", problem)
        elif was.tenant != interface.tenant:
            yield breaking(DifferenceKind.TENANT_CHANGED, f"{place}/tenant", "is not what callers were told to echo")
    for place, interface in old:
        if interface.protocol_version not in kept:
            problem = f"A2A {interface.protocol_version or 'of no version'} is spoken there no longer"
            yield breaking(DifferenceKind.PROTOCOL_VERSION_REMOVED, f"{place}/protocolVersion", problem)


def _by_endpoint(content: CardContent) -> dict[_Endpoint, list[tuple[str, CardInterface]]]:
    found: dict[_Endpoint, list[tuple[str, CardInterface]]] = {}
    for index, interface in enumerate(content.interfaces):
        found.setdefault(_key(interface), []).append((f"/supportedInterfaces/{index}", interface))
    return found


def _key(interface: CardInterface) -> _Endpoint:
    return normal_address(interface.url), interface.protocol_binding
