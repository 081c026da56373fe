"""Checkpoints as C2SP signed notes: the text that says how long a log is and what it hashes to, signed with Ed25519.

Pure; keys are arguments. The formats are C2SP `signed-note` and `tlog-checkpoint`, so public tools read them too:

- the signed text ends in a newline; a blank line and the signature lines follow;
- a key is known by its name and a 4-byte id, the first bytes of SHA-256(name || LF || 0x01 || public key); one under
  which anybody's signature would verify (`public_keys`) is none;
- a checkpoint says origin, size and root, one a line; lines after those are kept and covered by the signature, and
  none of them is empty;
- signatures of keys we do not know are ignored, one of a key we know that does not verify refuses the note.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ringfence.proofs.merkle import DIGEST_SIZE, Digest
from ringfence.proofs.public_keys import PublicKeyError, import_key

_ED25519 = b"\x01"
_SIGNATURE_START = "\u2014 "
MAX_NOTE_BYTES = 64 * 1024
_MAX_SIGNATURES = 100
_MAX_SIZE_DIGITS = 19
KEY_ID_SIZE = 4
"""Bytes that stand before every signature, for whose it is."""
_PUBLIC_KEY_SIZE = 32


class NoteInvalid(ValueError):  # noqa: N818 - named for what happened, like the failures of a service
    """A note, a checkpoint or a verifier key is malformed, or its signature does not verify."""


class NoteUnsigned(NoteInvalid):
    """A well-formed note carries no signature by the key asked for."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: entries [0, size) hash to `root`."""

    origin: str
    size: int
    root: Digest

    def text(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key and the name it signs under."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """Return the 4 bytes that stand before its signatures."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public_key).digest()[:KEY_ID_SIZE]

    def __str__(self) -> str:
        return verifier_key_text(self.name, self.key_id, _ED25519 + self.public_key)

    @staticmethod
    def parse(text: str) -> "VerifierKey":
        """Read `<name>+<key id in hex>+<base64>`, the form operators exchange."""
        name, key_id, public_key = parse_verifier_key(text, kind=_ED25519, what="an Ed25519 key")
        key = VerifierKey(name, public_key)
        if key.key_id.hex() != key_id:
            raise NoteInvalid("the verifier key's id does not belong to its name and key")
        return key


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who signed by name and key id, and the 64 bytes."""

    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note; nothing is verified yet."""

    text: str
    signatures: tuple[Signature, ...]


class SigningKey(Protocol):
    """An Ed25519 key that signs without showing itself; every signer of a service's key store is one."""

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of the public key (RFC 8032)."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature."""
        ...


class NoteSigner:
    """Signs notes under one name with one key."""

    def __init__(self, name: str, key: SigningKey) -> None:
        if not is_key_name(name):
            raise ValueError(f"{name!r} cannot name a key: it is empty or holds whitespace or '+'")
        self._key = key
        self.verifier = VerifierKey(name, key.public_key)

    def sign(self, text: str) -> str:
        """Return `text`, which ends in a newline, as a signed note."""
        if not _is_note_text(text):
            raise ValueError("a note's text ends in a newline and holds no control characters")
        signature = Signature(self.verifier.name, self.verifier.key_id, self._key.sign(text.encode()))
        return f"{text}\n{signature_line(signature)}\n"


def is_key_name(name: str) -> bool:
    """Say whether `name` may stand before a signature: not empty, no whitespace, no plus sign."""
    return name != "" and "+" not in name and name.isprintable() and not any(c.isspace() for c in name)


def verifier_key_text(name: str, key_id: bytes, key: bytes) -> str:
    """Return a key in the form operators exchange; `key` begins with the byte that says of which kind it is."""
    return f"{name}+{key_id.hex()}+{base64.b64encode(key).decode()}"


def parse_verifier_key(text: str, *, kind: bytes, what: str) -> tuple[str, str, bytes]:
    """Return name, key id in hex and public key of a verifier key of this kind; the id is not checked yet."""
    match text.strip().split("+", 2):
        case [name, key_id, encoded] if is_key_name(name):
            raw = _base64(encoded, "verifier key")
        case _:
            raise NoteInvalid("a verifier key reads <name>+<key id>+<base64 of the key>")
    if raw[:1] != kind or len(raw) != 1 + _PUBLIC_KEY_SIZE:
        raise NoteInvalid(f"the verifier key is not {what}")
    try:
        return name, key_id, import_key(raw[1:]).raw
    except PublicKeyError as error:
        raise NoteInvalid(f"the verifier key cannot be trusted: {error}") from None


def signature_line(signature: Signature) -> str:
    """Return the line of a signature, without its newline."""
    encoded = base64.b64encode(signature.key_id + signature.value).decode()
    return f"{_SIGNATURE_START}{signature.name} {encoded}"


def parse_note(note: str) -> Note:
    """Split a note into its text and its signature lines."""
    if len(note) > MAX_NOTE_BYTES:
        raise NoteInvalid(f"the note is longer than {MAX_NOTE_BYTES} characters")
    # The blank line before the signatures is the last one: the text itself may hold blank lines.
    text, separator, tail = note.rpartition("\n\n")
    if not separator or not _is_note_text(text + "\n") or not tail.endswith("\n"):
        raise NoteInvalid("a signed note is a text, a blank line and signature lines, each ended by a newline")
    lines = tail.split("\n")[:-1]
    if not 0 < len(lines) <= _MAX_SIGNATURES:
        raise NoteInvalid(f"a signed note carries 1 to {_MAX_SIGNATURES} signatures, this one {len(lines)}")
    return Note(text + "\n", tuple(parse_signature(line) for line in lines))


def verify_note(note: Note, key: VerifierKey) -> None:
    """Raise NoteUnsigned when `key` did not sign `note`, NoteInvalid when a signature under its name is wrong."""
    found = [s for s in note.signatures if s.name == key.name and s.key_id == key.key_id]
    if not found:
        raise NoteUnsigned(f"the note carries no signature by {key.name}+{key.key_id.hex()}")
    # The first one decides: a second line by the same key cannot mend a wrong one.
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(found[0].value, note.text.encode())
    except InvalidSignature:
        raise NoteInvalid(f"the signature by {key.name}+{key.key_id.hex()} does not verify") from None


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint: origin, size in decimal without leading zeros, root in base64."""
    match text.split("\n"):
        case [origin, size, root, *extensions, ""] if origin and _is_decimal(size) and all(extensions):
            digest = _base64(root, "root hash")
        case _:
            raise NoteInvalid("a checkpoint reads origin, size and base64 root hash, one a line, and no line is empty")
    if len(digest) != DIGEST_SIZE:
        raise NoteInvalid(f"a root hash has {DIGEST_SIZE} bytes, this one {len(digest)}")
    return Checkpoint(origin, int(size), Digest(digest))


def parse_signature(line: str) -> Signature:
    """Read one signature line, without its newline."""
    match line.removeprefix(_SIGNATURE_START).split(" "):
        case [name, encoded] if line.startswith(_SIGNATURE_START) and is_key_name(name):
            raw = _base64(encoded, "signature")
        case _:
            raise NoteInvalid("a signature line reads: em dash, key name, base64")
    if len(raw) <= KEY_ID_SIZE:
        raise NoteInvalid("a signature line is too short to hold a signature")
    return Signature(name, raw[:KEY_ID_SIZE], raw[KEY_ID_SIZE:])


def _is_note_text(text: str) -> bool:
    return len(text) > 1 and text.endswith("\n") and all(map(is_text, text.split("\n")))


def is_text(line: str) -> bool:
    """Say whether `line` may stand in a note: no control characters, and nothing UTF-8 cannot say."""
    return all(character >= " " and not "\ud800" <= character <= "\udfff" for character in line)


def _is_decimal(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MAX_SIZE_DIGITS and (text == "0" or text[0] != "0")


def _base64(text: str, what: str) -> bytes:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteInvalid(f"the {what} is not base64") from None
    if base64.b64encode(decoded).decode() != text:  # stray bits in the last character: one value, one spelling
        raise NoteInvalid(f"the {what} is not canonical base64")
    return decoded
