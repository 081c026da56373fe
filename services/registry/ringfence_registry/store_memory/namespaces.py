"""Namespaces in memory, for tests."""

from ringfence_kit.memory import MemoryRows, MemoryTable, MemoryTx

from ringfence_registry.namespaces.model import Namespace

NAMESPACES: MemoryTable[str, Namespace] = MemoryTable("namespaces")


class MemoryNamespaceTx(MemoryTx):
    """A `NamespaceTx` on rows in memory."""

    def namespace(self, namespace: str) -> Namespace | None:
        """See `NamespaceTx`."""
        return self.rows.table(NAMESPACES).get(namespace)

    def put_namespace(self, namespace: Namespace) -> None:
        """See `NamespaceTx`."""
        self.rows.table(NAMESPACES)[namespace.id] = namespace


def load_namespaces(rows: MemoryRows) -> tuple[Namespace, ...]:
    """Return every namespace that was set up, by id."""
    return tuple(namespace for _, namespace in sorted(rows.table(NAMESPACES).items()))
