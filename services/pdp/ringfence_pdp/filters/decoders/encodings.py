"""Text packed into letters: base64 and base32, hexadecimal and binary, and what is compressed inside.

What comes out counts only if it is text: nearly everything that happens to look like base64 is not. It takes the place
of what it was read from, so that what stands around it is still there.
"""

import base64
import binascii
import zlib
from collections.abc import Iterator
from typing import Protocol

import re2

from ringfence_pdp.filters.decoders import TEXT_MAX

_BASE64 = re2.compile(r"[A-Za-z0-9+/_-]{12,}(?:={1,2})?|[A-Za-z0-9+/]{6,10}==?")
_LINES = re2.compile(r"[A-Za-z0-9+/]{40,}(?:\r?\n[ \t]*[A-Za-z0-9+/]{4,})+={0,2}")
_BASE32 = re2.compile(r"[A-Z2-7]{16,}={0,6}")
_HEX = re2.compile(r"(?:(?:0x)?[0-9A-Fa-f]{2}[ :,-]{0,2}){5,}(?:0x)?[0-9A-Fa-f]{2}")
_BINARY = re2.compile(r"(?:[01]{8}[ ,]?){3,}[01]{8}")
_URLSAFE = str.maketrans("-_", "+/")
_GZIP, _ZLIB = b"\x1f\x8b", (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_INFLATED_MAX = TEXT_MAX


class _Match(Protocol):
    def __getitem__(self, group: int) -> str: ...


def base64s(text: str) -> str:
    """Read base64 and base64url, over several lines as well."""
    if "\n" in text:
        text = _LINES.sub(lambda match: _from_base64("".join(match[0].split())) or match[0], text)
    return str(_BASE64.sub(_one_of_base64, text))


def base32s(text: str) -> str:
    """Read base32."""
    return str(_BASE32.sub(lambda match: _from_base32(match[0]) or match[0], text))


def hexadecimals(text: str) -> str:
    """Read bytes in hexadecimal and in binary, together or apart."""
    text = _BINARY.sub(_from_binary, text)
    return str(_HEX.sub(_from_hex, text))


def _one_of_base64(match: _Match) -> str:
    """Return what a run of base64's characters says; its parts, where it may be a path or two words."""
    return _from_base64(match[0]) or "".join(_parts(match[0]))


def _parts(run: str) -> Iterator[str]:
    for separator in ("/", "_", "-"):
        if separator in run:
            parts = run.split(separator)
            if any(len(part) >= 12 for part in parts):
                yield separator.join((_from_base64(part) if len(part) >= 12 else "") or part for part in parts)
                return
    yield run


def _from_base64(run: str) -> str:
    bare = run.rstrip("=")
    if len(bare) % 4 == 1:
        return ""
    try:
        raw = base64.b64decode(bare.translate(_URLSAFE) + "=" * (-len(bare) % 4), validate=True)
    except binascii.Error:
        return ""
    return _text(raw)


def _from_base32(run: str) -> str:
    bare = run.rstrip("=")
    try:
        return _text(base64.b32decode(bare + "=" * (-len(bare) % 8)))
    except binascii.Error:
        return ""


def _from_hex(match: _Match) -> str:
    run = match[0].replace("0x", "")
    return _text(bytes.fromhex("".join(char for char in run if char not in " :,-"))) or match[0]


def _from_binary(match: _Match) -> str:
    bits = "".join(char for char in match[0] if char in "01")
    return _text(bytes(int(bits[place : place + 8], 2) for place in range(0, len(bits), 8))) or match[0]


def _text(raw: bytes) -> str:
    """Return what bytes say, or nothing when they are no text."""
    if raw.startswith(_GZIP) or raw.startswith(_ZLIB):
        raw = _inflated(raw)
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        if encoding != "utf-8" and raw.count(0) * 3 < len(raw):
            break
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if _is_said(text):
            return text
    return ""


def _inflated(raw: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=47).decompress(raw, _INFLATED_MAX)
    except zlib.error:
        return b""


def _is_said(text: str) -> bool:
    """Say whether a text is printable and not merely a few odd signs."""
    bare = text.replace("\n", "").replace("\r", "").replace("\t", "")
    return bool(bare) and bare.isprintable() and (bare.isascii() or sum(map(str.isalpha, bare)) * 2 >= len(bare))
