"""Agents' keys in SQL."""

from collections.abc import Sequence

import sqlalchemy as sa
from ringfence_kit.clock import Instant
from ringfence_kit.sql import SqlTx
from ringfence_kit.sql_columns import INTEGER, TEXT
from ringfence_kit.sql_statements import Statement

from ringfence_identity.store.agent_keys import UsedKey
from ringfence_identity.tables import agent_keys

_KEY_USED = Statement(sa.select(agent_keys.c.did).where(agent_keys.c.public_key == sa.bindparam("public_key")))
_ADD_KEY = Statement(
    # The number is counted where it is stored.
    sa.insert(agent_keys).from_select(
        ["public_key", "did", "number", "since", "until", "compromised_since"],
        sa.select(
            sa.bindparam("public_key", type_=TEXT),
            sa.bindparam("did", type_=TEXT),
            sa.func.count() + sa.literal_column("1"),
            sa.bindparam("since", type_=INTEGER),
            sa.bindparam("until", type_=INTEGER),
            sa.bindparam("compromised_since", type_=INTEGER),
        )
        .select_from(agent_keys)
        .where(agent_keys.c.did == sa.bindparam("did", type_=TEXT)),
    )
)


class SqlAgentKeys(SqlTx):
    """An `AgentKeyTx` on a connection; each method's contract stands there."""

    def key_is_used(self, key: str) -> bool:
        """See `AgentKeyTx`."""
        return _KEY_USED.scalar(self.connection, public_key=key) is not None

    def keys_of(self, did: str) -> Sequence[UsedKey]:
        """See `AgentKeyTx`."""
        query = sa.select(agent_keys).where(agent_keys.c.did == did).order_by(agent_keys.c.number)
        return [
            UsedKey(
                key=row.public_key,
                did=row.did,
                since=Instant(row.since),
                until=row.until,
                compromised_since=row.compromised_since,
            )
            for row in self.connection.execute(query)
        ]

    def add_key(self, key: UsedKey) -> None:
        """See `AgentKeyTx`."""
        _ADD_KEY.change(self.connection, public_key=key.key, did=key.did, since=key.since, **_end_of(key))

    def put_key(self, key: UsedKey) -> None:
        """See `AgentKeyTx`."""
        self.connection.execute(sa.update(agent_keys).where(agent_keys.c.public_key == key.key).values(**_end_of(key)))


def _end_of(key: UsedKey) -> dict[str, Instant | None]:
    return {"until": key.until, "compromised_since": key.compromised_since}
