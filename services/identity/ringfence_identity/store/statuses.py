"""What birth certificates and their places in status lists ask of storage."""

from typing import Protocol

from ringfence_identity.model import AgentIdentity


class StatusTx(Protocol):
    """The part of `IdentityTx` that is about certificates and their places in status lists."""

    def add_certificate(self, identity: AgentIdentity, credential: str) -> None:
        """Keep the signed birth certificate that `identity` refers to, with its place in the status lists."""
        ...

    def certificate(self, did: str, serial: int) -> str | None:
        """Return the certificate issued to the DID under this serial, or None."""
        ...

    def next_status_number(self, environment: str) -> int:
        """Return how many places were taken in the status lists of `environment`: the number of the next one."""
        ...


class StatusStore(Protocol):
    """The part of `IdentityStore` that is about certificates."""

    async def certificate(self, did: str, serial: int = 0) -> str | None:
        """Return the birth certificate issued to the DID under `serial`, the newest for 0; None when there is none."""
        ...
