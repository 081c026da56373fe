"""An agent's private key in a file of its own, and the two things it signs: a registration, and an assertion.

The rules:

- the key is made here and never leaves the file: the identity service sees the public half only;
- the file is a JWK (RFC 7517, RFC 8037) of mode 0600 that also says whose key it is; a PKCS#8 PEM made by openssl is
  read too. A file that others may read is refused, as ssh does;
- what is signed is built here from what the person gave. Signing bytes a server sent would let it choose the text.
"""

import base64
import dataclasses
import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from google.protobuf.json_format import MessageToDict
from ringfence.identity.v1.identity_pb2 import BirthCertificateContent
from ringfence_kit.clock import SECOND, Instant

from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.files import replace_secret, write_secret
from ringfence_launcher.problems import Problem

ASSERTION_LIFETIME_SECONDS = 60
"""The longest identity accepts."""

_REGISTRATION_PREFIX = b"ringfence.dev/identity/v1/registration\0"
"""services/identity/README.md, "Proof of possession"."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AgentKey:
    """A private key, and whose it is once the agent is enrolled."""

    private_key: Ed25519PrivateKey = dataclasses.field(repr=False)
    agent: str = ""
    """`namespaces/{namespace}/agents/{agent}`."""
    environment: str = ""
    did: str = ""
    is_foreign: bool = False
    """Read from a PEM file: it is another tool's, and stays as it is."""

    @property
    def public_bytes(self) -> bytes:
        """Return the 32 bytes of the public key."""
        return self.private_key.public_key().public_bytes_raw()

    @property
    def public_jwk(self) -> dict[str, str]:
        """Return the public key as a JWK, its required members only (RFC 7638)."""
        return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(self.public_bytes)}

    @property
    def thumbprint(self) -> str:
        """Return the RFC 7638 thumbprint of the public key: its `kid`."""
        return _base64url(_sha256(rfc8785.dumps(self.public_jwk)))

    def prove_registration(self, challenge: bytes, content: BirthCertificateContent) -> bytes:
        """Return the proof of possession over the challenge and the certificate content."""
        canonical = rfc8785.dumps(MessageToDict(content))
        return self.private_key.sign(_REGISTRATION_PREFIX + challenge + _sha256(canonical))

    def assertion(self, *, issuer: str, now: Instant, jti: str) -> str:
        """Return a client assertion (RFC 7523) addressed to `issuer`, good for 60 s."""
        issued = now // SECOND
        header = {"alg": "EdDSA", "typ": "client-authentication+jwt", "kid": self.thumbprint}
        claims: dict[str, str | int] = {
            "iss": self.did,
            "sub": self.did,
            "aud": issuer,
            "iat": issued,
            "exp": issued + ASSERTION_LIFETIME_SECONDS,
            "jti": jti,
        }
        signed = f"{_base64url(rfc8785.dumps(header))}.{_base64url(rfc8785.dumps(claims))}"
        return f"{signed}.{_base64url(self.private_key.sign(signed.encode('ascii')))}"

    def enrolled_as(self, *, agent: str, environment: str, did: str) -> "AgentKey":
        """Return this key, knowing whose it is."""
        return dataclasses.replace(self, agent=agent, environment=environment, did=did)

    def create(self, file: Path) -> None:
        """Write a new key file; one that exists is never touched."""
        try:
            write_secret(file, self._text())
        except FileExistsError:
            raise _unusable(file, "it exists already; a key file is never replaced") from None
        except OSError as error:
            raise _unusable(file, f"it cannot be written: {error.strerror}") from error

    def update(self, file: Path) -> None:
        """Write down whose key it is, in the file it was read from; a PEM has no room for that and is left alone."""
        if not self.is_foreign:
            replace_secret(file, self._text())

    def _text(self) -> str:
        document = {
            **self.public_jwk,
            "d": _base64url(self.private_key.private_bytes_raw()),
            "kid": self.thumbprint,
            "agent": self.agent,
            "environment": self.environment,
            "did": self.did,
        }
        return json.dumps(document, indent=2) + "\n"


def new_key() -> AgentKey:
    """Make a key."""
    return AgentKey(private_key=Ed25519PrivateKey.generate())


def read_key(file: Path) -> AgentKey:
    """Read a key file; what cannot be used is a Problem that says why."""
    try:
        mode = file.stat().st_mode
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(file, str(error)) from error
    if mode & _OTHERS:
        raise Problem(
            f"the key file {file} can be read by others (mode {stat.S_IMODE(mode):04o})",
            code=ExitCode.CONFIGURATION,
            mend=f"run: chmod 600 {file}",
        )
    return _from_pem(file, text) if text.startswith("-----BEGIN") else _from_jwk(file, text)


def _from_pem(file: Path, text: str) -> AgentKey:
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unusable(file, f"it is not an unencrypted PKCS#8 key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _unusable(file, "it is not an Ed25519 key")
    return AgentKey(private_key=key, is_foreign=True)


def _from_jwk(file: Path, text: str) -> AgentKey:
    try:
        return _parse_jwk(json.loads(text))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _unusable(file, f"it is neither a JWK (RFC 8037) nor a PEM key: {error}") from error


def _parse_jwk(document: dict[str, Any]) -> AgentKey:
    if (document["kty"], document["crv"]) != ("OKP", "Ed25519"):
        raise ValueError("it is not an Ed25519 key")
    key = AgentKey(
        private_key=Ed25519PrivateKey.from_private_bytes(_from_base64url(document["d"])),
        agent=_text_of(document, "agent"),
        environment=_text_of(document, "environment"),
        did=_text_of(document, "did"),
    )
    if document["x"] != key.public_jwk["x"]:
        raise ValueError("its public and private halves do not belong together")
    return key


def _text_of(document: dict[str, Any], name: str) -> str:
    value = document.get(name, "")
    if not isinstance(value, str):
        raise TypeError(f"{name} is not text")
    return value


def _unusable(file: Path, problem: str) -> Problem:
    return Problem(
        f"the key file {file} cannot be used: {problem}",
        code=ExitCode.CONFIGURATION,
        mend="name another file with --key, or let `ringfence did enrol` make one",
    )


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def _from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
