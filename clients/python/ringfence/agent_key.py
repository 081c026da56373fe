"""An agent's private key: made by the agent, kept by the agent, and what it signs to enrol and to ask for tokens.

The rules:

- the key never leaves its file and this object; the identity service sees the public half only;
- the file is a JWK (RFC 7517, RFC 8037), mode 0600 from its first byte; saving never replaces another file (a rotation
  does, on purpose), and one that others may read is refused. An unencrypted PKCS#8 PEM, as openssl makes it, is read;
- what is signed is built here. Bytes to sign that came from a server are never signed: it could choose the text;
- each signature says what it is for (services/identity/README.md, RFC 7523), so one is never good as the other.
"""

import base64
import json
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from google.protobuf.json_format import MessageToDict

from ringfence.identity.v1.identity_pb2 import BirthCertificateContent
from ringfence.proofs.canonical_json import JsonObject, base64url, canonical, digest
from ringfence.proofs.card_signing import sign_card
from ringfence.proofs.public_keys import thumbprint

REGISTRATION_PREFIX = b"ringfence.dev/identity/v1/registration\x00"
"""services/identity/README.md, "The signing input"."""

LONGEST_ASSERTION = 60
"""Seconds between iat and exp that identity accepts."""

_WHOSE = ("agent", "environment", "did", "did_version_id")
"""Members of the key file that say whose key it is."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class KeyFileError(ValueError):
    """A key file that cannot be used; the message says what to do."""

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"the key file {file} cannot be used: {problem}")
        self.file = file
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentKey:
    """A private key, and whose it is once the agent is enrolled."""

    private_key: Ed25519PrivateKey = field(repr=False, compare=False)
    agent: str = ""
    """`namespaces/{namespace}/agents/{agent}`."""
    environment: str = ""
    did: str = ""
    did_version_id: str = ""
    """The version of its DID document that has this key; told by enrolment and rotation."""

    @staticmethod
    def generate() -> "AgentKey":
        """Make a key."""
        return AgentKey(private_key=Ed25519PrivateKey.generate())

    @staticmethod
    def load(file: Path) -> "AgentKey":
        """Read a key file. Raises KeyFileError."""
        text = _read_guarded(file)
        try:
            return _from_pem(text) if text.startswith("-----BEGIN") else _from_jwk(json.loads(text))
        except (ValueError, KeyError, TypeError, RecursionError, UnsupportedAlgorithm) as error:
            raise KeyFileError(file, f"it is neither an Ed25519 JWK (RFC 8037) nor such a PEM: {error}") from error

    def save(self, file: Path) -> None:
        """Write a new key file, whole and durable, mode 0600. Raises KeyFileError when there is one already."""
        beside = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
        try:
            _write_guarded(beside, self._document())
            try:
                os.link(beside, file)  # unlike a rename, this takes nobody's place
            finally:
                beside.unlink()
            sync_folder(file.parent)
        except FileExistsError:
            raise KeyFileError(file, "it exists already, and a key is never overwritten") from None
        except OSError as error:
            raise KeyFileError(file, f"it cannot be written: {error.strerror}") from error

    def replace(self, file: Path) -> None:
        """Put this key in the place of the one in `file`: after a crash the one or the other is there, whole."""
        beside = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
        try:
            _write_guarded(beside, self._document())
            try:
                beside.replace(file)
            except OSError:
                beside.unlink()
                raise
            sync_folder(file.parent)
        except OSError as error:
            raise KeyFileError(file, f"it cannot be written: {error.strerror}") from error

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of the public key: `public_key` of CompleteRegistration."""
        return self.private_key.public_key().public_bytes_raw()

    @property
    def public_jwk(self) -> dict[str, str]:
        """The public key as a JWK, its required members only."""
        return {"crv": "Ed25519", "kty": "OKP", "x": base64url(self.public_key)}

    @property
    def key_id(self) -> str:
        """The RFC 7638 thumbprint of the public key."""
        return thumbprint(self.public_key)

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature; with `public_key`, this makes it a `SigningKey` of the proofs."""
        return self.private_key.sign(message)

    def prove_registration(self, challenge: bytes, content: BirthCertificateContent) -> bytes:
        """Return the proof of possession over a challenge and what the birth certificate will say."""
        return self.private_key.sign(registration_input(challenge, content))

    def assertion(self, *, did: str, issuer: str, now: int, jti: str, lifetime: int = LONGEST_ASSERTION) -> str:
        """Return a client assertion (RFC 7523) to `issuer`. `now` is in whole seconds since 1970, `jti` never used."""
        header: JsonObject = {"alg": "EdDSA", "kid": self.key_id, "typ": "client-authentication+jwt"}
        claims: JsonObject = {
            "iss": did,
            "sub": did,
            "aud": issuer,
            "iat": now,
            "exp": now + min(lifetime, LONGEST_ASSERTION),
            "jti": jti,
        }
        signed = f"{base64url(canonical(header))}.{base64url(canonical(claims))}"
        return f"{signed}.{base64url(self.private_key.sign(signed.encode('ascii')))}"

    def sign_card(self, card: JsonObject) -> JsonObject:
        """Return an entry for the `signatures` of the agent's own A2A card, once it is enrolled.

        Raises `CardFormError` when verifiers would read the card differently: `proofs/card_forms.py` says in what.
        """
        if not self.did:
            raise ValueError("an agent that is not enrolled has no name to sign under")
        return sign_card(card, self, key_id=f"{self.did}#{self.key_id}")

    def _document(self) -> str:
        document = {
            **self.public_jwk,
            "d": base64url(self.private_key.private_bytes_raw()),
            "kid": self.key_id,
            "agent": self.agent,
            "environment": self.environment,
            "did": self.did,
            "did_version_id": self.did_version_id,
        }
        return json.dumps(document, indent=2) + "\n"


def registration_input(challenge: bytes, content: BirthCertificateContent) -> bytes:
    """Return the exact bytes an agent signs to register: prefix, challenge, SHA-256 of the canonical content."""
    return REGISTRATION_PREFIX + challenge + digest(MessageToDict(content))


def sync_folder(folder: Path) -> None:
    """Make durable which files `folder` has."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_guarded(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        os.fchmod(descriptor, 0o600)  # whatever the umask says
        out.write(text)
        out.flush()
        os.fsync(descriptor)


def _read_guarded(file: Path) -> str:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "r", encoding="ascii") as opened:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise KeyFileError(file, "it is not a plain file")
            if status.st_mode & _OTHERS:
                mode = stat.S_IMODE(status.st_mode)
                raise KeyFileError(file, f"others may read or write it (mode {mode:04o}); run `chmod 600 {file}`")
            return opened.read()
    except UnicodeDecodeError as error:
        raise KeyFileError(file, "it is not text") from error
    except OSError as error:
        raise KeyFileError(file, f"it cannot be read: {error.strerror}") from error


def _from_pem(text: str) -> AgentKey:
    key = load_pem_private_key(text.encode(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("it is a key of another kind")
    return AgentKey(private_key=key)


def _from_jwk(document: dict[str, Any]) -> AgentKey:
    if (document["kty"], document["crv"]) != ("OKP", "Ed25519"):
        raise ValueError("it is a key of another kind")
    names = {name: document.get(name, "") for name in _WHOSE}
    if not all(isinstance(value, str) for value in names.values()):
        raise TypeError(f"{', '.join(_WHOSE)} are text")
    key = AgentKey(private_key=Ed25519PrivateKey.from_private_bytes(_from_base64url(document["d"])), **names)
    if document["x"] != key.public_jwk["x"]:
        raise ValueError("its public and private halves do not belong together")
    return key


def _from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
