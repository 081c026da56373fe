"""Agents' keys in SQL."""

from collections.abc import Sequence

import sqlalchemy as sa
from ringfence_kit.clock import Instant
from ringfence_kit.sql import SqlTx

from ringfence_identity.store.agent_keys import UsedKey
from ringfence_identity.tables import agent_keys

# Made once: making a statement costs more than running it.
_KEY_USED = sa.select(agent_keys.c.did).where(agent_keys.c.public_key == sa.bindparam("public_key"))
_HOW_MANY = sa.select(sa.func.count()).where(agent_keys.c.did == sa.bindparam("did"))
_ADD_KEY = sa.insert(agent_keys)


class SqlAgentKeys(SqlTx):
    """An `AgentKeyTx` on a connection; each method's contract stands there."""

    def key_is_used(self, key: str) -> bool:
        """See `AgentKeyTx`."""
        return self.connection.scalar(_KEY_USED, {"public_key": key}) is not None

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
        number = (self.connection.scalar(_HOW_MANY, {"did": key.did}) or 0) + 1
        row = {"public_key": key.key, "did": key.did, "number": number, "since": key.since}
        self.connection.execute(_ADD_KEY, {**row, **_end_of(key)})

    def put_key(self, key: UsedKey) -> None:
        """See `AgentKeyTx`."""
        self.connection.execute(sa.update(agent_keys).where(agent_keys.c.public_key == key.key).values(**_end_of(key)))


def _end_of(key: UsedKey) -> dict[str, Instant | None]:
    return {"until": key.until, "compromised_since": key.compromised_since}
