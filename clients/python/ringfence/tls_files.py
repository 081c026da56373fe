"""Certificate, key and authorities a channel shows and trusts, read again when their files are replaced.

The rules:

- files are looked at when a call begins, once a second at the most, so a rotation needs no signal and no restart;
- new ones are judged before they are used: they parse, and the key is the certificate's. Certificate and key are two
  files: while they do not belong together, or one is not there, the old ones stay, and the log says so once;
- what was read is what was judged: files that changed meanwhile are read again at the next look.
"""

import logging
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from ringfence.credentials import ChannelError, Tls

LOOK_EVERY_S: Final = 1.0

_log = logging.getLogger(__name__)

_Seen: TypeAlias = tuple[tuple[int, int, int] | None, ...]


class TlsFiles:
    """The newest good files of a `Tls`. Not for several threads at once."""

    def __init__(self, tls: Tls, now: Callable[[], float]) -> None:
        """Read them. `now` is a steady clock in seconds. Raises ChannelError."""
        self._tls = tls
        self._now = now
        self._looked_at = now()
        self._seen = self._look()
        self.credentials = tls.credentials()
        """For a channel that is opened now."""

    def are_new(self) -> bool:
        """Say whether `credentials` are others than at the last call."""
        now = self._now()
        if now - self._looked_at < LOOK_EVERY_S:
            return False
        self._looked_at = now
        seen = self._look()
        if seen == self._seen:
            return False
        try:
            self._judge()
            credentials = self._tls.credentials()
        except (ChannelError, OSError, ssl.SSLError) as problem:
            # Remembered: what is bad now is judged again only once it changes again.
            self._seen = seen
            _log.warning("certificate not replaced, the old one stays until its files are right: %s", problem)
            return False
        if self._look() != seen:
            return False
        self._seen, self.credentials = seen, credentials
        _log.info("certificate replaced: new connections show %s", self._tls.cert_file or "none")
        return True

    def _judge(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self._tls.ca_file is not None:
            context.load_verify_locations(self._tls.ca_file)
        if self._tls.cert_file is not None:
            # Without a password OpenSSL would ask whoever sits at the terminal for one.
            context.load_cert_chain(self._tls.cert_file, self._tls.key_file, password="")

    def _look(self) -> _Seen:
        files = (self._tls.ca_file, self._tls.cert_file, self._tls.key_file)
        return tuple(None if file is None else _stat(file) for file in files)


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - follows the symlinks Kubernetes swaps, like the servers' own look
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
