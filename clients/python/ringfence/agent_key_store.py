"""The key file of an agent, and beside it, while a rotation is under way, the key that shall follow.

    store = AgentKeyStore(Path("agent.key"))
    key = store.key()
    key = rotate(store, mesh.identity)          # ringfence.key_rotation

The rules:

- the new key is on disk before anybody hears of it, so that no crash loses a key that is already in force;
- both are kept until it is known which one is in force. Whoever crashes in between finds both and goes on;
- the file changes in one step: a reader sees the old key or the new one.
"""

from pathlib import Path

from ringfence.agent_key import AgentKey, KeyFileError, sync_folder

SUCCESSOR = ".next"
"""What the name of the second file ends with: `agent.key.next`."""


class AgentKeyStore:
    """The key of one agent, on disk."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._next = file.with_name(file.name + SUCCESSOR)

    def key(self) -> AgentKey:
        """Return the key that was last known to be in force. Raises KeyFileError."""
        return AgentKey.load(self._file)

    def successor(self) -> AgentKey | None:
        """Return the key of a rotation that was begun and not concluded; None when there is none."""
        if not self._next.exists():
            return None
        successor = AgentKey.load(self._next)
        if successor.public_key != self.key().public_key:
            return successor
        # A crash came between the two steps of `conclude`.
        self._forget_successor()
        return None

    def prepare(self) -> AgentKey:
        """Return the key that shall follow: the one a rotation was begun with, else a new one, saved before this
        returns. Raises KeyFileError."""
        begun = self.successor()
        if begun is not None:
            return begun
        fresh = AgentKey.generate()
        fresh.save(self._next)
        return fresh

    def conclude(self, key: AgentKey) -> None:
        """Keep `key`, which is in force, and nothing else. Raises KeyFileError."""
        key.replace(self._file)
        self._forget_successor()

    def _forget_successor(self) -> None:
        try:
            self._next.unlink(missing_ok=True)
            sync_folder(self._next.parent)
        except OSError as error:
            raise KeyFileError(self._next, f"it cannot be removed: {error.strerror}") from error
