"""Issuer keys in memory, with the contract of the SQL store."""

from collections.abc import Sequence

from ringfence_kit.memory import MemoryRows, MemoryTable, MemoryTx

from ringfence_identity.issuer_keys.schedule import IssuerKey

ISSUER_KEYS: MemoryTable[tuple[str, str], IssuerKey] = MemoryTable("issuer_keys")


class MemoryIssuerKeys(MemoryTx):
    """An `IssuerKeyTx` on rows in memory; each method's contract stands there."""

    def issuer_keys(self, environment: str) -> Sequence[IssuerKey]:
        """See `IssuerKeyTx`."""
        return [key for key in every_issuer_key(self.rows) if key.environment == environment]

    def put_issuer_key(self, key: IssuerKey) -> None:
        """See `IssuerKeyTx`."""
        self.rows.table(ISSUER_KEYS)[key.environment, key.key_id] = key


def every_issuer_key(rows: MemoryRows) -> tuple[IssuerKey, ...]:
    """Return the issuer keys of every environment."""
    return tuple(key for _, key in sorted(rows.table(ISSUER_KEYS).items(), key=lambda item: item[0]))
