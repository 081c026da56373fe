"""Namespaces in SQL."""

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.sql import SqlTx

from ringfence_registry.namespaces.model import Namespace
from ringfence_registry.tables import namespaces


class SqlNamespaceTx(SqlTx):
    """A `NamespaceTx` on a connection."""

    def namespace(self, namespace: str) -> Namespace | None:
        """See `NamespaceTx`."""
        record = self.connection.scalar(sa.select(namespaces.c.record).where(namespaces.c.id == namespace))
        return None if record is None else records.decode(record, Namespace)

    def put_namespace(self, namespace: Namespace) -> None:
        """See `NamespaceTx`."""
        row = {"record": records.encode(namespace)}
        updated = self.connection.execute(sa.update(namespaces).where(namespaces.c.id == namespace.id).values(row))
        if updated.rowcount == 0:
            self.connection.execute(sa.insert(namespaces).values(id=namespace.id, **row))


def load_namespaces(connection: sa.Connection) -> tuple[Namespace, ...]:
    """Return every namespace that was set up, by id."""
    found = connection.scalars(sa.select(namespaces.c.record).order_by(namespaces.c.id))
    return tuple(records.decode(record, Namespace) for record in found)
