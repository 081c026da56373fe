"""The two tokens of development mode: files under the data directory that only their owner can read.

The rules:

- a token is 32 random bytes, made at the first start and kept, so that a restart does not log anybody out;
- a file that others can read or write is refused with the command that mends it;
- tokens are compared in constant time.
"""

import hmac
import os
import secrets
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ringfence_kit.callers import Caller, Role
from ringfence_kit.refusals import FileUnusable

PREFIX = "rfdev_"
"""Makes a leaked token easy to find, and a JWT impossible to mistake for one."""

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

    def caller(self, token: str) -> Caller | None:
        """Return whose token it is, or None."""
        presented = token.encode()
        found = None
        # All are compared, always, so that the time taken does not tell which came close.
        for expected, caller in self._tokens:
            if hmac.compare_digest(presented, expected):
                found = caller
        return found


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
