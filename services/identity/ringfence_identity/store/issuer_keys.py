"""What issuer keys ask of storage: their public halves and their schedule. Private halves are in the key store."""

from collections.abc import Sequence
from typing import Protocol

from ringfence_identity.issuer_keys.schedule import IssuerKey


class IssuerKeyTx(Protocol):
    """The part of `IdentityTx` that is about issuer keys."""

    def issuer_keys(self, environment: str) -> Sequence[IssuerKey]:
        """Return every issuer key the environment has had, by thumbprint."""
        ...

    def put_issuer_key(self, key: IssuerKey) -> None:
        """Store `key`, in place of the one with its environment and thumbprint."""
        ...
