"""Why a process does not start: one class, whose message is a sentence an operator can act on.

These are not `Failure`s: nobody calls yet, so there is no status and no reason. `entry.py` prints the sentence and ends
with exit code 3 (2 for a configuration that is wrong); a traceback at start is a mistake of ours.
"""


class StartRefused(Exception):  # noqa: N818 - named for what happened; the message is the sentence
    """The process must not start like this. The message says why, and what to change."""

    exit_code = 3


class PortTaken(StartRefused):
    """Another process listens where we were told to."""

    def __init__(self, *, address: str, setting: str) -> None:
        super().__init__(
            f"{address} is in use by another process; stop it, or choose another port with "
            f"--set {setting}=HOST:PORT, the key {setting} in the configuration file, or {variable_of(setting)}"
        )
        self.address = address
        self.setting = setting


class AddressUnusable(StartRefused):
    """The address cannot be listened on at all: not ours, not an address, or not permitted."""

    def __init__(self, *, address: str, setting: str, problem: str) -> None:
        super().__init__(
            f"{setting} = {address!r} cannot be listened on: {problem}; change it with "
            f"--set {setting}=HOST:PORT, the configuration file, or {variable_of(setting)}"
        )


class NotLoopback(StartRefused):
    """Development mode, whose tokens lie in plain files and whose ports have no TLS, was asked to face a network."""

    def __init__(self, *, address: str, setting: str) -> None:
        super().__init__(
            f"--dev serves loopback addresses only, and {setting} is {address!r}; "
            f"use 127.0.0.1, or leave --dev out and configure [server.tls] and [server.auth]"
        )


class NoAuthentication(StartRefused):
    """A server that could not tell one caller from another was asked to face a network."""

    def __init__(self, *, address: str, setting: str) -> None:
        super().__init__(
            f"{setting} is {address!r}, which others can reach, and no way to authenticate callers is configured; "
            "configure client certificates ([server.tls] client_ca_file with [[server.auth.certificates]]) or token "
            "issuers ([[server.auth.issuers]]), or listen on 127.0.0.1"
        )


class PlaintextTokens(StartRefused):
    """Tokens would cross a network that others can read."""

    def __init__(self, *, address: str, setting: str) -> None:
        super().__init__(
            f"{setting} is {address!r}, which others can reach, and has no TLS; configure [server.tls], listen on "
            "127.0.0.1, or, where a proxy or mesh encrypts for us, set server.plaintext_behind_proxy = true"
        )


class FileUnusable(StartRefused):
    """A file the process needs is missing, unreadable, or does not hold what it should."""

    def __init__(self, *, what: str, path: str, problem: str) -> None:
        super().__init__(f"{what} {path}: {problem}")


def variable_of(setting: str) -> str:
    """Return the environment variable of a setting: `registry.tls.cert_file` → `RINGFENCE_REGISTRY_TLS__CERT_FILE`."""
    section, _, key = setting.partition(".")
    return f"RINGFENCE_{section}_{key.replace('.', '__')}".upper()
