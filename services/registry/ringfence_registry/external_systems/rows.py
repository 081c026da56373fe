"""External systems inside a transaction: never stored without an event, nor without telling the tools that name it."""

from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Change

from ringfence_registry.errors import ExternalSystemNotFound
from ringfence_registry.external_systems.model import EXTERNAL_SYSTEM, ExternalSystem
from ringfence_registry.resources.names import ExternalSystemName
from ringfence_registry.store.tools import ToolTx
from ringfence_registry.tools.reaching import tell_tools


def found_system(tx: ToolTx, name: ExternalSystemName) -> ExternalSystem:
    """Return the system called `name`, or raise `ExternalSystemNotFound`."""
    system = tx.external_system(name)
    if system is None:
        raise ExternalSystemNotFound(name=str(name))
    return system


def put_system(tx: ToolTx, change: Change, system: ExternalSystem, now: Instant) -> ExternalSystem:
    """Store `system` as it is after `change`, record that, and what it means for tools."""
    tx.put_external_system(system)
    tx.record(change, EXTERNAL_SYSTEM, str(system.name), records.encode(system))
    tell_tools(tx, system, now)
    return system


def drop_system(tx: ToolTx, system: ExternalSystem) -> ExternalSystem:
    """Forget `system`, which nothing names, and record that."""
    tx.delete_external_system(system.name)
    tx.record(Change.DELETED, EXTERNAL_SYSTEM, str(system.name), records.encode(system))
    return system
