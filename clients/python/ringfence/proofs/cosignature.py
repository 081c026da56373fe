"""What a witness puts beneath a checkpoint: "at this time, this was the largest history I knew of that log".

Pure; keys and times are arguments. The format is C2SP `tlog-cosignature`, Ed25519 (`cosignature/v1`):

- a line stands among the other signature lines of the note: em dash, name, base64 of key id || time || signature;
- what is signed is `cosignature/v1`, `time <seconds>` and the whole text of the checkpoint, so a cosignature is never a
  log's own signature, nor the reverse: their key ids differ as well;
- a witness that signs has kept the checkpoint, and has checked that it goes on from the one before it. `witness.py` in
  the services' kit is one.
"""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ringfence.proofs.signed_note import (
    KEY_ID_SIZE,
    Note,
    NoteInvalid,
    Signature,
    SigningKey,
    is_key_name,
    parse_note,
    parse_verifier_key,
    signature_line,
    verifier_key_text,
)

COSIGNATURE = b"\x04"
"""The kind of key in a witness' verifier key and key id."""

_HEADER = "cosignature/v1"
_TIME = struct.Struct(">Q")
_SIGNATURE_SIZE = 64
_TIME_MAX = 2**63 - 1


class CosignatureAbsent(NoteInvalid):
    """A note carries no signature by the witness asked for."""


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness' public key, and the name it signs under."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """Return the 4 bytes that stand before its signatures."""
        return hashlib.sha256(self.name.encode() + b"\n" + COSIGNATURE + self.public_key).digest()[:KEY_ID_SIZE]

    def __str__(self) -> str:
        return verifier_key_text(self.name, self.key_id, COSIGNATURE + self.public_key)

    @staticmethod
    def parse(text: str) -> "WitnessKey":
        """Read `<name>+<key id in hex>+<base64>`, the form operators exchange."""
        name, key_id, public_key = parse_verifier_key(text, kind=COSIGNATURE, what="a witness' Ed25519 key")
        key = WitnessKey(name, public_key)
        if key.key_id.hex() != key_id:
            raise NoteInvalid("the witness key's id does not belong to its name and key")
        return key


class Cosigner:
    """Signs checkpoints as a witness, under one name with one key."""

    def __init__(self, name: str, key: SigningKey) -> None:
        if not is_key_name(name):
            raise ValueError(f"{name!r} cannot name a witness: it is empty or holds whitespace or '+'")
        self._key = key
        self.witness = WitnessKey(name, key.public_key)

    def cosign(self, text: str, *, seconds: int) -> str:
        """Return the signature line under a checkpoint's `text` at a POSIX time."""
        value = _TIME.pack(seconds) + self._key.sign(_message(text, seconds))
        return signature_line(Signature(self.witness.name, self.witness.key_id, value))


def verify_cosignature(note: Note, key: WitnessKey) -> int:
    """Return when `key` signed `note`, in POSIX seconds.

    Raises CosignatureAbsent when it did not sign, NoteInvalid when a signature under its name is wrong.
    """
    found = [each for each in note.signatures if each.name == key.name and each.key_id == key.key_id]
    if not found:
        raise CosignatureAbsent(f"the note carries no signature by the witness {key.name}+{key.key_id.hex()}")
    return verify_signature(note.text, found[0], key)  # as with the log's own: the first decides


def verify_signature(text: str, signature: Signature, key: WitnessKey) -> int:
    """Return when `signature` was made under `text`, in POSIX seconds. Raises NoteInvalid."""
    whose = f"{key.name}+{key.key_id.hex()}"
    if (signature.name, signature.key_id) != (key.name, key.key_id):
        raise NoteInvalid(f"the signature is by {signature.name}+{signature.key_id.hex()}, not by {whose}")
    if len(signature.value) != _TIME.size + _SIGNATURE_SIZE:
        raise NoteInvalid(f"a cosignature has {_TIME.size + _SIGNATURE_SIZE} bytes, that of {whose} another number")
    (seconds,) = _TIME.unpack_from(signature.value)
    if seconds > _TIME_MAX:
        raise NoteInvalid(f"the time of the cosignature by {whose} is beyond 63 bits")
    try:
        public = Ed25519PublicKey.from_public_bytes(key.public_key)
        public.verify(signature.value[_TIME.size :], _message(text, seconds))
    except InvalidSignature:
        raise NoteInvalid(f"the cosignature by {whose} does not verify") from None
    return int(seconds)


def with_signatures(note: str, lines: Iterable[str]) -> str:
    """Return `note` with more signature lines; those it carries already are not repeated."""
    there = {signature_line(each) for each in parse_note(note).signatures}
    return note + "".join(f"{line}\n" for line in lines if line not in there)


def _message(text: str, seconds: int) -> bytes:
    return f"{_HEADER}\ntime {seconds}\n{text}".encode()
