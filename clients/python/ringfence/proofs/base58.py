"""Base58 in the Bitcoin alphabet, as multibase `z` and the SCIDs of did:webvh use it.

One text for one byte string: every leading zero byte is one leading `1`, and nothing else is accepted or produced.
"""

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS = {character: value for value, character in enumerate(ALPHABET)}
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
"""Two digits at a time take half as many divisions of the whole number."""

MAX_LENGTH = 256
"""Decoding costs the square of the length; nothing that is decoded here is longer than 88 characters."""


class Base58Error(ValueError):
    """Text that is not base58."""


def encode(data: bytes) -> str:
    """Return `data` as base58 text."""
    number = int.from_bytes(data, "big")
    pairs: list[str] = []
    while number:
        number, pair = divmod(number, len(_PAIRS))
        pairs.append(_PAIRS[pair])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(pairs)).lstrip("1")


def decode(text: str) -> bytes:
    """Return the bytes that `text` stands for."""
    if len(text) > MAX_LENGTH:
        raise Base58Error(f"longer than {MAX_LENGTH} characters")
    number = 0
    for character in text:
        digit = _DIGITS.get(character)
        if digit is None:
            raise Base58Error(f"{character!r} is not a base58 character")
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
