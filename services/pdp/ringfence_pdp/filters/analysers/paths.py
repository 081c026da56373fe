"""What an argument that names a file reaches for: out of where it belongs, or to what is kept secret.

The rules:

- a path is judged as the file system would read it: decoded, `\\` and `/` alike, `.` and `..` resolved;
- a path may be absolute, since nobody says where a tool works, but one that climbs far up is not meant well;
- a path that is no path (a NUL, a stream, a share of another machine) is judged for that alone.
"""

import posixpath
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from ringfence_pdp.filters.analysers import places
from ringfence_pdp.filters.analysers.judgement import HIGH, LOW, MEDIUM, Hit, Judgement

TRAVERSAL: Final = Judgement("path.traversal", "injection", HIGH, "the path climbs out of the directory it starts in")
CLIMBS: Final = Judgement("path.climbs", "injection", LOW, "the path goes up one or more directories")
ENCODED: Final = Judgement(
    "path.encoded-traversal", "evasion", HIGH, "a climb out of the directory is hidden by encoding"
)
SECRET: Final = Judgement("path.secret-file", "credential", HIGH, "keys, passwords or tokens are kept in this file")
PRIVATE: Final = Judgement("path.private-file", "credential", MEDIUM, "this file often holds secrets")
ACCOUNTS: Final = Judgement(
    "path.account-file", "credential", MEDIUM, "a file intruders read first: who is on the machine"
)
SYSTEM: Final = Judgement("path.system-file", "credential", LOW, "a file that describes the machine")
DEVICE: Final = Judgement("path.device", "destruction", HIGH, "the path is a device: writing there destroys a disk")
SHARE: Final = Judgement("path.network-share", "exfiltration", MEDIUM, "the path is a share of another machine")
NUL: Final = Judgement("path.nul", "evasion", HIGH, "a NUL hides how the path ends")
STREAM: Final = Judgement("path.stream", "evasion", MEDIUM, "the path names a hidden stream or a device of Windows")
WRAPPER: Final = Judgement(
    "path.stream-wrapper", "injection", HIGH, "the path makes an interpreter run or fetch something"
)

ALL: Final = (*(TRAVERSAL, CLIMBS, ENCODED, SECRET, PRIVATE, ACCOUNTS, SYSTEM, DEVICE, SHARE, NUL, STREAM, WRAPPER),)

_DEEP: Final = 3
"""So many steps up end at the root of most things; fewer are how people write relative paths."""

_UP: Final = re.compile(r"(?:^|/)\.\.(?=/|$)")
_OVERLONG: Final = re.compile(r"%c0%ae|%c0%af|%c1%9c|%e0%80%ae|%u002e|%u2215|%u2216|(?<!\.)\.{3,}//+", re.IGNORECASE)
_PADDED: Final = re.compile(r"\.\.;|(?<!\.)\.{3}/\./|\.\.[\x00-\x20]+(?=[/\\])|(?<!\.)\.{4,}(?=[/\\])|[\uff0e][\uff0e]")
_SHARE: Final = re.compile(r"(?:\\\\|//)[A-Za-z0-9_.\-@]+[\\/][^\\/]")
_STREAM: Final = re.compile(
    r"::\$(?:data|index)|^(?:.*[\\/])?(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\.\w+)?$"
    r"|^\\\\[?.]\\|\.\w+:\w+\.(?:exe|js|vbs|ps1)$",
    re.IGNORECASE,
)
_WRAPPER: Final = re.compile(
    r"^\s*(?:php|phar|expect|zip|glob|data|ogg|ssh2|compress\.\w+|jar|netdoc|input)://?", re.IGNORECASE
)
_ACCOUNTS: Final = re.compile(r"(?:^|/)(?:etc/(?:passwd|group)|boot\.ini|win\.ini)$")
_DRIVE: Final = re.compile(r"^[A-Za-z]:[\\/]")


def hits(text: str) -> Iterator[Hit]:
    """Yield what is wrong with a path."""
    raw = text[: places.PATH_MAX]
    end = len(text)
    if "\x00" in raw or "%00" in raw:
        yield NUL.at(0, end)
    decoded = _decoded(raw)
    slashed = decoded.replace("\\", "/")
    if _WRAPPER.match(raw):
        yield WRAPPER.at(0, end)
    if _STREAM.search(decoded):
        yield STREAM.at(0, end)
    elif _SHARE.match(decoded) and not raw.startswith("//"):
        yield SHARE.at(0, end)
    yield from _climbing(raw, slashed, end)
    yield from _kept_there(slashed, end)


def _climbing(raw: str, slashed: str, end: int) -> Iterator[Hit]:
    is_hidden = "%" in raw and _UP.search(slashed) and not _UP.search(raw.replace("\\", "/"))
    if is_hidden or _OVERLONG.search(raw) or _PADDED.search(slashed):
        yield ENCODED.at(0, end)
    if not _UP.search(slashed):
        return
    norm = posixpath.normpath(slashed)
    above = norm.split("/").count("..")
    aims = places.secrecy(places.plain(slashed)) or places.secrecy(places.plain(_landing(norm)))
    started = slashed.lstrip().startswith("/") or _DRIVE.match(slashed) is not None
    if above >= _DEEP or (aims is not None and (above or started)) or (started and slashed.count("..") >= _DEEP):
        yield TRAVERSAL.at(0, end)
    elif above:
        yield CLIMBS.at(0, end)


def _kept_there(slashed: str, end: int) -> Iterator[Hit]:
    path = places.plain(slashed)
    if places.is_device(path):
        yield DEVICE.at(0, end)
    how_secret = places.secrecy(path) or places.secrecy(_landing(path))
    if how_secret is HIGH or places.is_keys(path):
        yield SECRET.at(0, end)
    elif how_secret is MEDIUM:
        yield PRIVATE.at(0, end)
    elif _ACCOUNTS.search(path):
        yield ACCOUNTS.at(0, end)
    elif how_secret is LOW:
        yield SYSTEM.at(0, end)


def _landing(path: str) -> str:
    """Return where a path ends up when it climbs as far as it goes."""
    parts = path.split("/")
    rest = [part for part in parts if part != ".."]
    return "/" + "/".join(part for part in rest if part) if len(rest) < len(parts) else path


def _decoded(text: str) -> str:
    for _ in range(3):
        if "%" not in text:
            break
        again = unquote(text, errors="replace")
        if again == text:
            break
        text = again
    return text
