"""The tokens of development mode: two files under the data directory, and people made of one of them.

The rules:

- a token is 32 random bytes, made at the first start and kept, so that a restart does not log anybody out;
- a file that others can read or write is refused with the command that mends it;
- tokens are compared in constant time;
- whoever holds the operator's token may try out what takes several people: it makes tokens of people (`person_token`),
  who are approvers in the groups named and nothing else, for five minutes. Without the file nobody makes one.
"""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import stat
import tempfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import MINUTE, Instant
from ringfence_kit.names import is_group, is_resource_id
from ringfence_kit.refusals import FileUnusable

PREFIX = "rfdev_"
"""Makes a leaked token easy to find, and a JWT impossible to mistake for one."""

PERSON_PREFIX = "rfdev-person."
"""Begins the token of a person."""

PERSON_LIFETIME = 5 * MINUTE

_PERSON_BYTES_MAX = 4_096
_PERSON_KEY = b"ringfence development person 1"

CALLERS: Mapping[str, Caller] = {
    "operator": Caller(principal="dev:operator", roles=frozenset({Role.PLATFORM_ADMIN})),
    "service": Caller(principal="dev:service", roles=frozenset({Role.SERVICE})),
}


def token_path(data: Path, name: str) -> Path:
    """Return where the token of `operator` or `service` lies."""
    return data / "dev" / f"{name}.token"


class DevTokens:
    """The tokens of one data directory."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._tokens = [(text.encode(), CALLERS[name]) for name, text in tokens.items()]
        self._person_key = _person_key(tokens["operator"])

    def caller(self, token: str, now: Instant) -> Caller | None:
        """Return whose token it is at `now`, or None."""
        if token.startswith(PERSON_PREFIX):
            return _person(token, self._person_key, now)
        presented = token.encode()
        found = None
        # All are compared, always, so that the time taken does not tell which came close.
        for expected, caller in self._tokens:
            if hmac.compare_digest(presented, expected):
                found = caller
        return found


class _Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the token of a person says."""

    name: str
    groups: tuple[str, ...]
    ends: int


def person_token(operator_token: str, *, name: str, groups: Collection[str], now: Instant) -> str:
    """Return a token that makes its bearer the approver `dev:<name>`, in `groups`, until five minutes from `now`.

    Raises ValueError when the name or a group is none.
    """
    person = _Person(name=name, groups=tuple(groups), ends=now + PERSON_LIFETIME)
    if not is_resource_id(name) or name in CALLERS or not all(map(is_group, groups)):
        raise ValueError("a person is named like ada, and a group like data-oncall")
    said = base64.urlsafe_b64encode(msgspec.json.encode(person)).decode()
    return f"{PERSON_PREFIX}{said}.{_mac(_person_key(operator_token), said)}"


def _person(token: str, key: bytes, now: Instant) -> Caller | None:
    said, _, mac = token.removeprefix(PERSON_PREFIX).partition(".")
    if len(token) > _PERSON_BYTES_MAX or not hmac.compare_digest(_mac(key, said).encode(), mac.encode()):
        return None
    try:
        person = msgspec.json.decode(base64.urlsafe_b64decode(said), type=_Person)
    except (binascii.Error, msgspec.MsgspecError, ValueError):
        return None
    if person.ends <= now or person.name in CALLERS:
        return None
    return Caller(
        principal=f"dev:{person.name}",
        roles=frozenset({Role.APPROVER}),
        groups=frozenset(person.groups),
        expires_at=Instant(person.ends),
    )


def _person_key(operator_token: str) -> bytes:
    return hmac.digest(operator_token.encode(), _PERSON_KEY, hashlib.sha256)


def _mac(key: bytes, said: str) -> str:
    return hmac.digest(key, said.encode(), hashlib.sha256).hex()


def open_dev_tokens(data: Path) -> DevTokens:
    """Read the tokens in `<data>/dev/`, making those that are missing."""
    return DevTokens({name: _read_or_make(token_path(data, name)) for name in CALLERS})


def _read_or_make(path: Path) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.path.lexists(path):  # pathlib would follow a link to nowhere
        _make(path)
    return _read(path)


def _make(path: Path) -> None:
    """Put a new token in place, whole: services of one directory may start at once, and be killed while they do."""
    # mkstemp's mode is 0600: never visible to others, not even for a moment.
    made, beside = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(made, "w") as file:
            file.write(PREFIX + secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # somebody else was faster: theirs is the token
            os.link(beside, path)
    finally:
        Path(beside).unlink()


def _read(path: Path) -> str:
    what = "the development token"
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077 or found.st_uid != os.geteuid():
        raise FileUnusable(what=what, path=str(path), problem=f"others may use it; run: chmod 600 {path}, or delete it")
    token = path.read_text("ascii", "replace").strip()
    if not token.startswith(PREFIX) or len(token) < len(PREFIX) + 32:
        raise FileUnusable(what=what, path=str(path), problem="holds no token; delete it and a new one is made")
    return token
