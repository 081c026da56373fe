"""Issuer keys in SQL."""

from collections.abc import Sequence

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.sql import SqlTx

from ringfence_identity.issuer_keys.schedule import IssuerKey
from ringfence_identity.tables import issuer_keys

_IN_ORDER = (issuer_keys.c.environment, issuer_keys.c.key_id)


class SqlIssuerKeys(SqlTx):
    """An `IssuerKeyTx` on a connection; each method's contract stands there."""

    def issuer_keys(self, environment: str) -> Sequence[IssuerKey]:
        """See `IssuerKeyTx`."""
        query = sa.select(issuer_keys.c.record).where(issuer_keys.c.environment == environment).order_by(*_IN_ORDER)
        return [records.decode(record, IssuerKey) for record in self.connection.scalars(query)]

    def put_issuer_key(self, key: IssuerKey) -> None:
        """See `IssuerKeyTx`."""
        same = (issuer_keys.c.environment == key.environment, issuer_keys.c.key_id == key.key_id)
        record = records.encode(key)
        updated = self.connection.execute(sa.update(issuer_keys).where(*same).values(record=record))
        if updated.rowcount == 0:
            row = {"environment": key.environment, "key_id": key.key_id, "record": record}
            self.connection.execute(sa.insert(issuer_keys).values(row))


def every_issuer_key(connection: sa.Connection) -> tuple[IssuerKey, ...]:
    """Return the issuer keys of every environment."""
    query = sa.select(issuer_keys.c.record).order_by(*_IN_ORDER)
    return tuple(records.decode(record, IssuerKey) for record in connection.scalars(query))
