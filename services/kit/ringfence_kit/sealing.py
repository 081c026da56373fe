"""Seals a blob so that nobody without the sealing secret can read it, or change a byte of it unnoticed.

The rules:

- every byte of a sealed blob is covered: the header is the associated data, the rest is ciphertext and tag;
- each seal draws a fresh salt and derives a fresh AES-256 key from it, so no nonce meets the same key twice;
- a random 32-byte key goes through HKDF-SHA256 (RFC 5869), anything a person chose through scrypt (RFC 7914);
- the costs belong to the format's version, never to the file: a planted file cannot ask for a gigabyte of memory;
- `unsealed` exists for development only. It is a kind of its own, so a sealed store never accepts it in place of a
  sealed file; its digest finds accidents, not attackers.

Layout, version 1: magic (8) | kind (1) | salt (16) | nonce (12) | ciphertext and tag; unsealed: magic | kind |
SHA-256 (32) | content.
"""

import base64
import binascii
import enum
import hashlib
import hmac
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

MAGIC = b"RFSEAL\x00\x01"
_SALT_BYTES = 16
_NONCE_BYTES = 12
_HEADER_BYTES = len(MAGIC) + 1
_KEY_BYTES = 32
_HKDF_INFO = b"ringfence seal v1"
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**15, 8, 1
MIN_PASSPHRASE = 16
"""The fewest characters a passphrase may have; scrypt slows guessing down, it does not make a short one long."""

_HEX_KEY = re.compile(r"[0-9a-fA-F]{64}")


class SealKind(enum.Enum):
    """How the sealing secret becomes a key. The values are on disk."""

    UNSEALED = 0
    KEY = 1
    PASSPHRASE = 2


class SealError(Exception):
    """A blob or a sealing secret that cannot be used; the message says what to do."""


class SealBrokenError(SealError):
    """The blob does not open: another secret sealed it, or it was changed."""


class SealKindError(SealError):
    """The blob was sealed in another way than the one configured."""

    def __init__(self, *, found: SealKind, configured: SealKind) -> None:
        super().__init__(
            f"it is {_SPOKEN[found]}, and this process is configured for {_SPOKEN[configured]}; "
            "configure the secret it was sealed with, or move the file away to begin with new keys"
        )
        self.found = found
        self.configured = configured


class WeakSealSecretError(SealError):
    """The configured sealing secret is too easy to guess, or not there."""


_SPOKEN = {
    SealKind.UNSEALED: "not sealed",
    SealKind.KEY: "sealed with a 32-byte key",
    SealKind.PASSPHRASE: "sealed with a passphrase",
}


@dataclass(frozen=True, slots=True)
class Seal:
    """A sealing secret and what to do with it. Make one with `from_text`, `from_key`, or `unsealed`."""

    kind: SealKind
    _secret: bytes = field(repr=False)
    _random: Callable[[int], bytes] = field(default=os.urandom, repr=False, compare=False)

    @staticmethod
    def from_key(key: bytes, *, random: Callable[[int], bytes] = os.urandom) -> "Seal":
        """Seal under 32 random bytes."""
        if len(key) != _KEY_BYTES:
            raise WeakSealSecretError(f"a sealing key has {_KEY_BYTES} bytes, not {len(key)}")
        return Seal(SealKind.KEY, key, random)

    @staticmethod
    def from_text(text: str, *, random: Callable[[int], bytes] = os.urandom) -> "Seal":
        """Seal under a configured secret: 32 bytes as hex or base64 are a key, anything else is a passphrase."""
        secret = text.strip()
        if (key := _as_key(secret)) is not None:
            return Seal.from_key(key, random=random)
        if len(secret) < MIN_PASSPHRASE:
            raise WeakSealSecretError(
                f"the sealing secret has {len(secret)} characters; give 32 random bytes in base64 "
                f"(`openssl rand -base64 32`), or a passphrase of at least {MIN_PASSPHRASE} characters"
            )
        return Seal(SealKind.PASSPHRASE, secret.encode(), random)

    @staticmethod
    def unsealed() -> "Seal":
        """Do not seal. For development; whoever uses it says so where an operator sees it."""
        return Seal(SealKind.UNSEALED, b"")

    def seal(self, content: bytes) -> bytes:
        """Return the blob that only `open` of an equal seal turns back into `content`."""
        header = MAGIC + bytes([self.kind.value])
        if self.kind is SealKind.UNSEALED:
            return header + hashlib.sha256(content).digest() + content
        salt, nonce = self._random(_SALT_BYTES), self._random(_NONCE_BYTES)
        return header + salt + nonce + AESGCM(self._derive(salt)).encrypt(nonce, content, header + salt + nonce)

    def open(self, blob: bytes) -> bytes:
        """Return what was sealed.

        Raises SealKindError when it was sealed in another way, SealBrokenError when it does not open.
        """
        self._check_header(blob)
        body = blob[_HEADER_BYTES:]
        if self.kind is SealKind.UNSEALED:
            digest, content = body[:32], body[32:]
            if not hmac.compare_digest(digest, hashlib.sha256(content).digest()):
                raise SealBrokenError("it was damaged: its digest does not match; restore it from a back-up")
            return content
        salt, nonce = body[:_SALT_BYTES], body[_SALT_BYTES : _SALT_BYTES + _NONCE_BYTES]
        ciphertext = body[_SALT_BYTES + _NONCE_BYTES :]
        try:
            return AESGCM(self._derive(salt)).decrypt(nonce, ciphertext, blob[: _HEADER_BYTES + len(salt) + len(nonce)])
        except (InvalidTag, ValueError) as error:  # ValueError: cut so short that no nonce or tag is left
            raise SealBrokenError(
                "it does not open: it was sealed with another secret, or changed; "
                "configure the right secret or restore it from a back-up"
            ) from error

    def _check_header(self, blob: bytes) -> None:
        if not blob.startswith(MAGIC) or len(blob) <= _HEADER_BYTES:
            raise SealBrokenError("it is not a sealed file of this version")
        try:
            found = SealKind(blob[len(MAGIC)])
        except ValueError:
            raise SealBrokenError("it is sealed in a way this version does not know") from None
        if found is not self.kind:
            raise SealKindError(found=found, configured=self.kind)

    def _derive(self, salt: bytes) -> bytes:
        if self.kind is SealKind.KEY:
            return HKDF(SHA256(), length=_KEY_BYTES, salt=salt, info=_HKDF_INFO).derive(self._secret)
        return Scrypt(salt=salt, length=_KEY_BYTES, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P).derive(self._secret)


def read_seal(*, environ: Mapping[str, str], variable: str, secret_file: Path | None, dev: bool) -> Seal:
    """Return the seal an operator configured: a mounted secret file, else an environment variable, else none in dev.

    The mode of the secret file is not looked at: orchestrators mount secrets as links to files of mode 0644 in a
    directory only the workload sees. Raises WeakSealSecretError, also when nothing is configured outside dev.
    """
    if secret_file is not None:
        try:
            return Seal.from_text(secret_file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise WeakSealSecretError(f"the sealing secret cannot be read from {secret_file}: {error}") from error
    if variable in environ:
        return Seal.from_text(environ[variable])
    if dev:
        return Seal.unsealed()
    raise WeakSealSecretError(
        f"no sealing secret is configured: set {variable}, or name a mounted secret file; keys are not kept in the open"
    )


def _as_key(secret: str) -> bytes | None:
    if _HEX_KEY.fullmatch(secret):
        return bytes.fromhex(secret)
    padded = secret.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        decoded = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if len(decoded) == _KEY_BYTES else None
