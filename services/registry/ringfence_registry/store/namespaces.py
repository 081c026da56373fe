"""What setting up namespaces asks of storage."""

from typing import Protocol

from ringfence_kit.store import Recorder

from ringfence_registry.namespaces.model import Namespace


class NamespaceTx(Recorder, Protocol):
    """Reads and writes of one transaction. Reads see the transaction's own writes."""

    def namespace(self, namespace: str) -> Namespace | None:
        """Return the namespace with this id, or None when nobody set it up."""
        ...

    def put_namespace(self, namespace: Namespace) -> None:
        """Store `namespace`, in place of one with the same id. Nothing is recorded: the use case says what happened."""
        ...
