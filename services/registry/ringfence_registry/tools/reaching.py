"""What a tool reaches outside the mesh: nobody names what nobody trusts, and trust that ends is written down."""

from collections.abc import Collection, Iterable

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.events import Change

from ringfence_registry.access import require_sight
from ringfence_registry.errors import ExternalSystemNotFound, ExternalSystemNotTrusted
from ringfence_registry.external_systems.model import ExternalSystem
from ringfence_registry.external_systems.trust import reach_of, why_not_trusted
from ringfence_registry.namespaces.visible import Visible
from ringfence_registry.resources.changing import changed
from ringfence_registry.resources.names import ExternalSystemName, ToolName
from ringfence_registry.store.tools import ToolTx
from ringfence_registry.tools.model import Reach
from ringfence_registry.tools.rows import put_tool


def require_nameable(
    tx: ToolTx, systems: Iterable[str], *, caller: Caller, visible: Visible, now: Instant, by_a_tool: bool = True
) -> None:
    """Raise unless the caller may name these systems: each is seen, there, and (by a tool) trusted and enabled.

    Sight comes first, so a refusal tells nothing about what the caller does not see.
    """
    names = [_parsed(system) for system in systems]
    for name in names:
        require_sight(caller, visible, name.namespace)
    for name in names:
        system = tx.external_system(name)
        if system is None:
            raise ExternalSystemNotFound(name=str(name))
        why = why_not_trusted(system, now) if by_a_tool else ""
        if why:
            raise ExternalSystemNotTrusted(name=str(name), why=why)


def reach(tx: ToolTx, systems: Collection[str], now: Instant) -> Reach:
    """Return how far a tool that names `systems` can be trusted to reach them now."""
    return reach_of((tx.external_system(_parsed(system)) for system in systems), now)


def tell_tools(tx: ToolTx, system: ExternalSystem, now: Instant) -> None:
    """Write into every tool that names `system`, which has changed, whether it may still reach what it reaches."""
    for user in tx.users_of(system.name):
        name = ToolName.parse(user)
        tool = None if name is None else tx.tool(name.tool)
        if tool is None:
            continue  # a boundary: it only groups
        after = reach(tx, tool.spec.external_systems, now)
        if after != tool.reach:
            put_tool(tx, Change.MODIFIED, changed(tool, tx, now, reach=after))


def _parsed(system: str) -> ExternalSystemName:
    name = ExternalSystemName.parse(system)
    if name is None:
        raise AssertionError(f"{system!r} was judged before it came here")
    return name
