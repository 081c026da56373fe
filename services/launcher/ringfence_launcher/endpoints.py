"""Which address and which credential a command uses: flags, then environment, then a running `up`, then the defaults.

The rules:

- each value comes from the first of `--addr`/`--token…`/`--tls-…`, `RINGFENCE_…`, `<data>/endpoints.json` of a running
  `up`, the default ports on loopback; `doctor` shows which one it was;
- the operator token under the data directory is a key to that mesh alone: it is sent to loopback and nowhere else;
- no credential is ever sent over plaintext to another machine, whatever the flags say.
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ringfence.credentials import Tls, is_loopback

from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Problem
from ringfence_launcher.running_mesh import SERVICES, RunningMesh

DEFAULT_DATA = Path(".ringfence")
DEFAULT_ADDRESSES: Mapping[str, str] = {
    "registry": "127.0.0.1:7401",
    "identity": "127.0.0.1:7402",
    "pdp": "127.0.0.1:7403",
    "telemetry": "127.0.0.1:7404",
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFlags:
    """What the command line says about connections; everything may be missing."""

    addresses: Sequence[str] = ()
    """`host:port`, or `service=host:port`."""
    data: Path | None = None
    token: str | None = None
    token_file: Path | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sourced:
    """A value and where it came from, for a person."""

    value: str = dataclasses.field(repr=False)
    source: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Answers, for one command line, where each service is and what to show it."""

    flags: ConnectionFlags
    flagged: Mapping[str, str]
    """Service name to the address the flags give it."""
    environment: Mapping[str, str]
    data: Path
    running: RunningMesh | None
    fallback: Mapping[str, str] = dataclasses.field(default_factory=lambda: dict(DEFAULT_ADDRESSES))
    """Where a service is when nothing says so."""
    fallback_source: str = "default"

    @classmethod
    def of(cls, flags: ConnectionFlags, *, subject: str, environment: Mapping[str, str] = os.environ) -> "Endpoints":
        """Read what there is to read, for a command about the service `subject`: an unnamed `--addr` is its address.

        Raises a Problem when a flag or an `endpoints.json` cannot be understood.
        """
        data = data_directory(flags.data, environment)
        return cls(
            flags=flags,
            flagged=dict(_service_and_address(given, subject) for given in flags.addresses),
            environment=environment,
            data=data,
            running=RunningMesh.read(data),
        )

    def address(self, service: str) -> Sourced:
        """Return `host:port` of a service. A Problem when nothing says it and the folder of --data is not there."""
        if service in self.flagged:
            return Sourced(value=_checked(self.flagged[service], "--addr"), source="--addr")
        variable = f"RINGFENCE_ADDR_{service.upper()}"
        if named := self.environment.get(variable):
            return Sourced(value=_checked(named, variable), source=variable)
        if self.running is not None:
            return Sourced(value=self.running.grpc[service], source=f"{self.data}/endpoints.json")
        if self.flags.data is not None and not self.data.is_dir():
            raise Problem(
                f"--data {self.data}: there is no such folder",
                code=ExitCode.CONFIGURATION,
                mend=f"name the folder of a mesh that runs, start one with `ringfence up --data {self.data}`,"
                " or leave --data out to ask the default ports",
            )
        return Sourced(value=self.fallback[service], source=self.fallback_source)

    def token(self, address: str) -> Sourced | None:
        """Return the bearer token to send to `address`, or None to go without one."""
        if self.flags.token is not None:
            return _token(self.flags.token, "--token")
        if self.flags.token_file is not None:
            return Sourced(value=_read_token(self.flags.token_file), source=f"--token-file {self.flags.token_file}")
        if token := self.environment.get("RINGFENCE_TOKEN"):
            return _token(token, "RINGFENCE_TOKEN")
        if named := self.environment.get("RINGFENCE_TOKEN_FILE"):
            return Sourced(value=_read_token(Path(named)), source=f"RINGFENCE_TOKEN_FILE {named}")
        return self.operator_token(address)

    def tls(self) -> Tls | None:
        """Return the certificate files to use; None speaks plaintext."""
        files = Tls(
            ca_file=self.flags.tls_ca or self._path("RINGFENCE_TLS_CA"),
            cert_file=self.flags.tls_cert or self._path("RINGFENCE_TLS_CERT"),
            key_file=self.flags.tls_key or self._path("RINGFENCE_TLS_KEY"),
        )
        if (files.cert_file is None) != (files.key_file is None):
            raise Problem(
                "a client certificate needs both its file and its key's file",
                code=ExitCode.USAGE,
                mend="give --tls-cert and --tls-key together",
            )
        return None if files.ca_file is None and files.cert_file is None else files

    def operator_token_file(self) -> Path:
        """Return where a mesh in dev mode on this data directory keeps its operator token."""
        return self.running.token_file if self.running is not None else self.data / "dev" / "operator.token"

    def operator_token(self, address: str) -> Sourced | None:
        """Return the operator token of a mesh in dev mode at `address`; None when it is not for there."""
        file = self.operator_token_file()
        if self.tls() is not None or not is_loopback(address) or not file.exists():
            return None
        return Sourced(value=_read_token(file), source=str(file))

    def _path(self, variable: str) -> Path | None:
        return Path(value) if (value := self.environment.get(variable)) else None


def data_directory(flag: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the data directory of this command line."""
    return flag or Path(environment.get("RINGFENCE_DATA") or DEFAULT_DATA)


def refuse_plaintext_secrets(address: str, *, token: Sourced | None, tls: Tls | None) -> None:
    """Raise a Problem when a token would cross a network unencrypted."""
    if token is None or tls is not None or is_loopback(address):
        return
    raise Problem(
        f"the token from {token.source} would be sent to {address} unencrypted",
        code=ExitCode.USAGE,
        mend="name the authority that signed the service's certificate with --tls-ca FILE (or RINGFENCE_TLS_CA)",
    )


def _service_and_address(given: str, subject: str) -> tuple[str, str]:
    name, _, address = given.rpartition("=")
    if name and name not in SERVICES:
        raise Problem(
            f"--addr {given}: there is no service {name!r}",
            code=ExitCode.USAGE,
            mend=f"write --addr HOST:PORT, or --addr SERVICE=HOST:PORT with one of {', '.join(SERVICES)}",
        )
    return name or subject, address


def _checked(address: str, source: str) -> str:
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) <= 65_535:
        raise Problem(
            f"{source}: {address!r} is not an address",
            code=ExitCode.USAGE,
            mend="write HOST:PORT, for example 127.0.0.1:7401 or [::1]:7401",
        )
    return address


def _token(text: str, source: str) -> Sourced:
    token = text.strip()
    if not _is_token(token):
        raise Problem(f"{source} does not hold a token", code=ExitCode.USAGE, mend="give it without blanks or newlines")
    return Sourced(value=token, source=source)


def _is_token(text: str) -> bool:
    """Say whether `text` may follow `Bearer` in a header: visible ASCII, not empty."""
    return bool(text) and all("!" <= character <= "~" for character in text)


def _read_token(file: Path) -> str:
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(
            f"the token file {file} cannot be read: {error}",
            code=ExitCode.CONFIGURATION,
            mend="check the path and its permissions, or pass another with --token-file",
        ) from error
    if not _is_token(token):
        raise Problem(
            f"the token file {file} does not hold one token",
            code=ExitCode.CONFIGURATION,
            mend="it must contain the token and nothing else",
        )
    return token
