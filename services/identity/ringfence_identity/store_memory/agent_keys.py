"""Agents' keys in memory, with the contract of the SQL store."""

from collections.abc import Sequence

from ringfence_kit.memory import MemoryTable, MemoryTx

from ringfence_identity.store.agent_keys import UsedKey

AGENT_KEYS: MemoryTable[str, UsedKey] = MemoryTable("agent_keys")


class MemoryAgentKeys(MemoryTx):
    """An `AgentKeyTx` on rows in memory; each method's contract stands there."""

    def key_is_used(self, key: str) -> bool:
        """See `AgentKeyTx`."""
        return key in self.rows.table(AGENT_KEYS)

    def keys_of(self, did: str) -> Sequence[UsedKey]:
        """See `AgentKeyTx`."""
        return [known for known in self.rows.table(AGENT_KEYS).values() if known.did == did]

    def add_key(self, key: UsedKey) -> None:
        """See `AgentKeyTx`."""
        if self.key_is_used(key.key):
            raise KeyError(key.key)
        self.rows.table(AGENT_KEYS)[key.key] = key

    def put_key(self, key: UsedKey) -> None:
        """See `AgentKeyTx`."""
        self.rows.table(AGENT_KEYS)[key.key] = key
