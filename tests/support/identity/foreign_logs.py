"""DID logs that another implementation wrote and signed: the `did-webvh` package, steered entry by entry."""

from datetime import UTC, datetime
from typing import Any

from did_webvh.core.hash_utils import DEFAULT_HASH, HashInfo
from did_webvh.core.state import DocumentState
from ringfence.instants import SECOND, Instant
from ringfence.proofs.did import AgentDid, Host, Scid
from ringfence.proofs.public_keys import public_key_of
from ringfence_kit.sealed_keys import Ed25519Signer

HOST = Host("prod.id.example.com")


class ForeignLog:
    """A log under construction. Each entry is signed by the key it is told, committed to or not."""

    def __init__(self, key: Ed25519Signer, *, committed: list[Ed25519Signer], at: Instant, **parameters: Any) -> None:
        self.lines: list[str] = []
        template = {
            "@context": ["https://www.w3.org/ns/did/v1"],
            "id": f"did:webvh:{{SCID}}:{HOST}:agents:{{SCID}}",
        }
        params = {
            "method": "did:webvh:1.0",
            "updateKeys": [public_key_of(key).multibase],
            "nextKeyHashes": [_hash(one) for one in committed],
            "portable": False,
            **parameters,
        }
        self._state: Any = DocumentState.initial(params, template, _time(at))
        self._sign(key, at)

    @property
    def did(self) -> AgentDid:
        """Whose log it is."""
        return AgentDid(Scid(self._state.scid), HOST)

    @property
    def text(self) -> str:
        """The log."""
        return "".join(f"{line}\n" for line in self.lines)

    def go_on(self, key: Ed25519Signer, *, committed: list[Ed25519Signer], at: Instant, **parameters: Any) -> None:
        """Append an entry."""
        params = {
            "updateKeys": [public_key_of(key).multibase],
            "nextKeyHashes": [_hash(one) for one in committed],
            **parameters,
        }
        self._state = self._state.create_next(self._state.document_copy(), params_update=params, timestamp=_time(at))
        self._sign(key, at)

    def _sign(self, key: Ed25519Signer, at: Instant) -> None:
        self._state.sign(_Signing(key), timestamp=_time(at))
        self.lines.append(self._state.history_json())


class _Signing:
    """A key of ours, as the package signs with it."""

    algorithm = "ed25519"
    multicodec_name = "ed25519-pub"

    def __init__(self, key: Ed25519Signer) -> None:
        name = public_key_of(key).multibase
        self.kid = f"did:key:{name}#{name}"
        self.sign_message = key.sign


def _hash(key: Ed25519Signer) -> str:
    made: str = HashInfo.from_name(DEFAULT_HASH).formatted_hash(public_key_of(key).multibase.encode())
    return made


def _time(at: Instant) -> datetime:
    return datetime.fromtimestamp(at // SECOND, UTC)
