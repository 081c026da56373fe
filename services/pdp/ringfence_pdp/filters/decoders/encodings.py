"""Text packed into letters: base64 and base32, hexadecimal and binary, and what is compressed inside.

What comes out counts only if it is text: nearly everything that happens to look like base64 is not. It takes the place
of what it was read from, so that what stands around it is still there.
"""

import base64
import binascii
import re
import zlib

from ringfence_pdp.filters.decoders import TEXT_MAX
from ringfence_pdp.filters.decoders.invisible import visible

_RUN_MIN = 12
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{12,}={0,2}|[A-Za-z0-9+/]{6,11}==?)")
_LINES = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{40,}(?:\r?\n[ \t]{0,16}[A-Za-z0-9+/]{4,})+={0,2}")
_PART = re.compile(r"[A-Za-z0-9+]{12,}")
_BASE32 = re.compile(r"(?<![A-Z2-7])[A-Z2-7]{16,}={0,6}")
_PAIR = r"(?:0[xX])?[0-9A-Fa-f]{2}"
_HEX = re.compile(rf"(?<![0-9A-Fa-f])(?:{_PAIR}[ :,-]{{0,2}}){{5,}}{_PAIR}")
_BINARY = re.compile(r"(?<![01])(?:[01]{8}[ ,]?){3,}[01]{8}")
_URLSAFE = str.maketrans("-_", "+/")
_SEPARATORS = str.maketrans("", "", " :,-")
_GZIP = b"\x1f\x8b"
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


def base64s(text: str) -> str:
    """Read base64 and base64url, over several lines as well."""
    if "\n" in text:
        text = _LINES.sub(lambda match: _from_base64("".join(match[0].split())) or match[0], text)
    # Most long words are none: they are looked at one by one before anything is replaced in all of the text.
    if any(_of_base64(word) != word for word in text.split() if len(word) >= _RUN_MIN or word.endswith("=")):
        return _of_base64(text)
    return text


def base32s(text: str) -> str:
    """Read base32."""
    return _BASE32.sub(lambda match: _from_base32(match[0]) or match[0], text)


def hexadecimals(text: str) -> str:
    """Read bytes in hexadecimal and in binary, together or apart."""
    return _HEX.sub(_from_hex, _BINARY.sub(_from_binary, text))


def _of_base64(text: str) -> str:
    return _BASE64.sub(_one_of_base64, text)


def _one_of_base64(match: re.Match[str]) -> str:
    """Return what a run of base64's characters says; what its parts say, where it is a path or a name."""
    whole = _from_base64(match[0])
    return whole or _PART.sub(lambda part: _from_base64(part[0]) or part[0], match[0])


def _from_base64(run: str) -> str:
    bare = run.rstrip("=")
    if len(bare) % 4 == 1:
        return ""
    try:
        return _text(binascii.a2b_base64(bare.translate(_URLSAFE) + "=" * (-len(bare) % 4)))
    except binascii.Error:
        return ""


def _from_base32(run: str) -> str:
    bare = run.rstrip("=")
    try:
        return _text(base64.b32decode(bare + "=" * (-len(bare) % 8)))
    except binascii.Error:
        return ""


def _from_hex(match: re.Match[str]) -> str:
    digits = match[0].replace("0x", "").replace("0X", "").translate(_SEPARATORS)
    return _text(bytes.fromhex(digits)) or match[0]


def _from_binary(match: re.Match[str]) -> str:
    bits = match[0].translate(_SEPARATORS)
    return _text(bytes(int(bits[place : place + 8], 2) for place in range(0, len(bits), 8))) or match[0]


def _text(raw: bytes) -> str:
    """Return what bytes say, or nothing when they are no text."""
    if raw.startswith((_GZIP, *_ZLIB)):
        raw = _inflated(raw)
    encodings = ("utf-8",) if raw.count(0) * 3 < len(raw) else ("utf-16-le", "utf-16-be")
    for encoding in encodings:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if _is_said(text):
            return text
    return ""


def _inflated(raw: bytes) -> bytes:
    try:
        # 47: as the header says, gzip or zlib. What is longer is cut off there.
        return zlib.decompressobj(wbits=47).decompress(raw, TEXT_MAX)
    except zlib.error:
        return b""


def _is_said(text: str) -> bool:
    """Say whether a text is printable and not merely a few odd signs. What is not seen may be a message too."""
    bare = text.replace("\n", "").replace("\r", "").replace("\t", "")
    if bare.isascii():
        return bool(bare) and bare.isprintable()
    bare = visible(bare)
    letters = sum(map(str.isalpha, bare))
    # Bytes that are UTF-8 by chance are signs of many kinds; a path in look-alikes has few letters, and ASCII else.
    return bare.isprintable() and (
        letters * 2 >= len(bare) or (letters * 4 >= len(bare) and _is_ascii_or_letters(bare))
    )


def _is_ascii_or_letters(text: str) -> bool:
    return all(char.isascii() or char.isalpha() for char in text)
