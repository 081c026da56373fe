"""Where a service keeps its private keys and MAC keys: by name, several per name, sealed, in one file of mode 0600.

The rules:

- users take the `KeyStore` Protocol. It hands out signers, not private keys, so a PKCS#11 or cloud KMS backend fits;
  MAC keys are handed out as bytes, because what they protect never leaves the service;
- a name holds keys of one kind: Ed25519, P-256 or MAC. No key is ever used with two algorithms;
- keys of a name come oldest first. A new key is only added: who signs with which key from when is the issuer's
  decision, and a retired key stays until the issuer removes it;
- a change is temp file + fsync + rename + fsync of the directory under a lock file, so a crash leaves the old file or
  the new one, and two processes that both want a missing key end up with the same one;
- a file that others may read or write, that is a link, or that belongs to someone else is refused, not repaired.
"""

import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from ringfence.proofs.jwk_set import ED_DSA, ES256, Algorithm
from ringfence.proofs.p256_keys import COORDINATE_BYTES, P256PublicKey
from ringfence.proofs.public_keys import PublicKey, thumbprint

from ringfence_kit.clock import Instant
from ringfence_kit.sealing import Seal, SealError, SealKind

_SECRET_BYTES = 32
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of the group (SEC 2 section 2.4.2): a private key is a number from 1 to below it."""
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class KeyStoreError(Exception):
    """A key store that cannot be used as asked; the message says what to do."""


class KeyFileError(KeyStoreError):
    """The key file cannot be used: its mode, its owner, its seal or its content."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"the key file {path} cannot be used: {problem}")
        self.path = path
        self.problem = problem


class KeyUnknownError(KeyStoreError):
    """No key of this name has this id."""

    def __init__(self, name: str, key_id: str) -> None:
        super().__init__(f"{name} has no key {key_id}")
        self.name = name
        self.key_id = key_id


class JwsSigner(Protocol):
    """A key that signs a JWS without showing itself."""

    @property
    def key_id(self) -> str:
        """The RFC 7638 thumbprint of the public key."""
        ...

    @property
    def algorithm(self) -> Algorithm:
        """The one algorithm it signs with."""
        ...

    @property
    def jwk(self) -> dict[str, str]:
        """The required members of its public JWK."""
        ...

    @property
    def created_at(self) -> Instant:
        """When it was made."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature, as a JWS carries it."""
        ...


class Signer(JwsSigner, Protocol):
    """An Ed25519 key: what signs documents and logs too, where a public key is its 32 bytes."""

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of the public key (RFC 8032)."""
        ...


@dataclass(frozen=True, slots=True)
class MacKey:
    """A symmetric key for MACs this service makes and checks itself."""

    key_id: str
    secret: bytes = field(repr=False)
    created_at: Instant


class KeyStore(Protocol):
    """Keys by name. Contract: one suite, every implementation.

    A name is of signers, of P-256 signers or of MAC keys; asking for it as another kind raises KeyStoreError.
    """

    def refresh(self) -> None:
        """See what other processes added and removed since."""
        ...

    def signers(self, name: str) -> tuple[Signer, ...]:
        """Return the signers of `name`, oldest first; empty when there are none."""
        ...

    def p256_signers(self, name: str) -> tuple[JwsSigner, ...]:
        """Return the P-256 signers of `name`, oldest first; empty when there are none."""
        ...

    def mac_keys(self, name: str) -> tuple[MacKey, ...]:
        """Return the MAC keys of `name`, oldest first; empty when there are none."""
        ...

    def add_signer(self, name: str, *, at: Instant) -> Signer:
        """Make a new signer and keep it durably before returning it."""
        ...

    def add_p256_signer(self, name: str, *, at: Instant) -> JwsSigner:
        """Make a new P-256 signer and keep it durably before returning it."""
        ...

    def add_mac_key(self, name: str, *, at: Instant) -> MacKey:
        """Make a new MAC key and keep it durably before returning it."""
        ...

    def ensure_signers(self, name: str, *, at: Instant) -> tuple[Signer, ...]:
        """Return the signers of `name`, making the first one when there is none, whoever else is doing the same."""
        ...

    def ensure_mac_keys(self, name: str, *, at: Instant) -> tuple[MacKey, ...]:
        """Return the MAC keys of `name`, making the first one when there is none."""
        ...

    def remove(self, name: str, key_id: str) -> None:
        """Forget one key for good. Raises KeyUnknownError."""
        ...


Use = Literal["sign", "es256", "mac"]
"""What a key is for: Ed25519 (the oldest, hence the plain word), P-256, MAC. Stored; the words never change."""


class StoredKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One key as it is written inside the seal."""

    name: str
    use: Use
    secret: bytes
    created_at: int


class KeyFileContent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All keys of a file, oldest first."""

    keys: tuple[StoredKey, ...] = ()

    def of(self, name: str, use: Use) -> tuple[StoredKey, ...]:
        """Return the keys of `name`. Raises KeyStoreError when the name is of the other use."""
        found = tuple(key for key in self.keys if key.name == name)
        if any(key.use != use for key in found):
            raise KeyStoreError(f"{name} holds keys of another use than {use!r}; use another name")
        return found


class Ed25519Signer:
    """A signer whose private key is in this process's memory."""

    __slots__ = ("_private", "created_at", "public_key")

    algorithm = ED_DSA

    def __init__(self, secret: bytes, created_at: Instant) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(secret)
        self.public_key = self._private.public_key().public_bytes_raw()
        self.created_at = created_at

    @property
    def key_id(self) -> str:
        """Its thumbprint (RFC 7638), made when it is asked for: most derived keys sign once and are never named."""
        return thumbprint(self.public_key)

    @property
    def jwk(self) -> dict[str, str]:
        """The required members of its public JWK."""
        return PublicKey(self.public_key).jwk

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature."""
        return self._private.sign(message)


class P256Signer:
    """A P-256 signer whose private key is in this process's memory; no `public_key` to be taken for an Ed25519 one."""

    __slots__ = ("_private", "created_at", "jwk", "key_id")

    algorithm = ES256

    def __init__(self, secret: bytes, created_at: Instant) -> None:
        """Raise ValueError unless `secret` is a number from 1 to the order of the group, which hardly any is not."""
        self._private = ec.derive_private_key(int.from_bytes(secret), ec.SECP256R1())
        point = self._private.public_key().public_numbers()
        public = P256PublicKey(point.x.to_bytes(COORDINATE_BYTES), point.y.to_bytes(COORDINATE_BYTES))
        self.jwk = public.jwk
        self.key_id = public.thumbprint
        self.created_at = created_at

    def sign(self, message: bytes) -> bytes:
        """Return r and s, 32 bytes each (RFC 7518 section 3.4)."""
        r, s = decode_dss_signature(self._private.sign(message, ec.ECDSA(SHA256())))
        return r.to_bytes(COORDINATE_BYTES) + s.to_bytes(COORDINATE_BYTES)


class FileKeyStore:
    """The keys of one service in one sealed file. What it read or wrote last is held in memory."""

    def __init__(self, path: Path, seal: Seal, *, random: Callable[[int], bytes] = os.urandom) -> None:
        self._path = path
        self._seal = seal
        self._random = random
        self._content = self._read()

    @property
    def sealed(self) -> bool:
        """Whether the file is sealed. Who opens an unsealed one warns about it."""
        return self._seal.kind is not SealKind.UNSEALED

    def refresh(self) -> None:
        """See what other processes added and removed since."""
        self._content = self._read()

    def signers(self, name: str) -> tuple[Signer, ...]:
        """Return the signers of `name`, oldest first; empty when there are none."""
        return tuple(Ed25519Signer(key.secret, Instant(key.created_at)) for key in self._content.of(name, "sign"))

    def p256_signers(self, name: str) -> tuple[JwsSigner, ...]:
        """Return the P-256 signers of `name`, oldest first; empty when there are none."""
        return tuple(P256Signer(key.secret, Instant(key.created_at)) for key in self._content.of(name, "es256"))

    def mac_keys(self, name: str) -> tuple[MacKey, ...]:
        """Return the MAC keys of `name`, oldest first; empty when there are none."""
        return tuple(_mac_key(key) for key in self._content.of(name, "mac"))

    def add_signer(self, name: str, *, at: Instant) -> Signer:
        """Make a new signer and keep it durably before returning it."""
        self._add(name, "sign", at, only_if_missing=False)
        return self.signers(name)[-1]

    def add_p256_signer(self, name: str, *, at: Instant) -> JwsSigner:
        """Make a new P-256 signer and keep it durably before returning it."""
        self._add(name, "es256", at, only_if_missing=False)
        return self.p256_signers(name)[-1]

    def add_mac_key(self, name: str, *, at: Instant) -> MacKey:
        """Make a new MAC key and keep it durably before returning it."""
        self._add(name, "mac", at, only_if_missing=False)
        return self.mac_keys(name)[-1]

    def ensure_signers(self, name: str, *, at: Instant) -> tuple[Signer, ...]:
        """Return the signers of `name`, making the first one when there is none."""
        self._add(name, "sign", at, only_if_missing=True)
        return self.signers(name)

    def ensure_mac_keys(self, name: str, *, at: Instant) -> tuple[MacKey, ...]:
        """Return the MAC keys of `name`, making the first one when there is none."""
        self._add(name, "mac", at, only_if_missing=True)
        return self.mac_keys(name)

    def remove(self, name: str, key_id: str) -> None:
        """Forget one key for good. Raises KeyUnknownError."""
        with self._locked():
            content = self._read()
            kept = tuple(key for key in content.keys if not (key.name == name and _key_id(key) == key_id))
            if len(kept) == len(content.keys):
                raise KeyUnknownError(name, key_id)
            self._write(KeyFileContent(kept))

    def _add(self, name: str, use: Use, at: Instant, *, only_if_missing: bool) -> None:
        if not name:
            raise KeyStoreError("a key needs a name")
        if only_if_missing and self._content.of(name, use):
            return
        with self._locked():
            content = self._content = self._read()
            if content.of(name, use) and only_if_missing:
                return
            new = StoredKey(name=name, use=use, secret=self._secret(use), created_at=at)
            self._write(KeyFileContent((*content.keys, new)))

    def _secret(self, use: Use) -> bytes:
        secret = self._random(_SECRET_BYTES)
        while use == "es256" and not _is_p256_secret(secret):
            secret = self._random(_SECRET_BYTES)  # one in 2^32 is no number below the order of the group
        return secret

    def _read(self) -> KeyFileContent:
        try:
            # A link could point at a file of somebody else's choosing; O_NONBLOCK keeps a planted pipe from hanging us.
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return KeyFileContent()
        except OSError as error:
            raise KeyFileError(
                self._path, f"{error.strerror}; it must be a plain file, not a link, that this process may read"
            ) from error
        try:
            check_guarded(self._path, os.fstat(descriptor), user=os.geteuid())
            with open(descriptor, "rb", closefd=False) as file:
                blob = file.read()
        finally:
            os.close(descriptor)
        try:
            return msgspec.msgpack.decode(self._seal.open(blob), type=KeyFileContent)
        except (SealError, msgspec.MsgspecError) as error:
            raise KeyFileError(self._path, str(error)) from error

    def _write(self, content: KeyFileContent) -> None:
        """Replace the file; the caller holds the lock."""
        temporary = self._path.with_name(self._path.name + ".new")
        temporary.unlink(missing_ok=True)  # what a crash left behind, or somebody planted
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(temporary, flags, 0o600), "wb") as file:  # noqa: PTH123 - Path.open cannot set the mode
            file.write(self._seal.seal(msgspec.msgpack.encode(content)))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        _sync_directory(self._path.parent)
        self._content = content

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = self._path.with_name(self._path.name + ".lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def check_guarded(path: Path, status: os.stat_result, *, user: int) -> None:
    """Raise KeyFileError unless the file is a plain one that `user` owns and nobody else may touch."""
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError(path, "it is not a plain file")
    if status.st_mode & _OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        raise KeyFileError(path, f"its mode {mode:04o} lets others in; run `chmod 600 {path}`")
    if status.st_uid != user:
        raise KeyFileError(path, f"it belongs to user {status.st_uid}, this process is {user}")


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mac_key(key: StoredKey) -> MacKey:
    return MacKey(_key_id(key), key.secret, Instant(key.created_at))


def _key_id(key: StoredKey) -> str:
    if key.use == "sign":
        return Ed25519Signer(key.secret, Instant(key.created_at)).key_id
    if key.use == "es256":
        return P256Signer(key.secret, Instant(key.created_at)).key_id
    # A digest of the key under a label of its own: tells keys apart, tells nothing about them.
    return hashlib.sha256(b"ringfence mac key id\x00" + key.secret).hexdigest()[:16]


def _is_p256_secret(secret: bytes) -> bool:
    return 0 < int.from_bytes(secret) < P256_ORDER
