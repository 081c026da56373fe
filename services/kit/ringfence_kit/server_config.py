"""The settings every process shares: `[server]`, given to each service's `build` beside its own section."""

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ringfence_kit.addresses import is_loopback_host
from ringfence_kit.callers import Role
from ringfence_kit.clock import DAY, HOUR, MINUTE, SECOND, Millis
from ringfence_kit.config import setting
from ringfence_kit.grants import MethodClass
from ringfence_kit.names import is_group
from ringfence_kit.tls import TlsConfig

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
_RESERVED_NAMES = frozenset({"anonymous", "dev", "did", "dns", "spiffe"})
ALGORITHMS = ("EdDSA", "Ed25519", "ES256", "RS256", "PS256")
"""Every algorithm that can be allowed. `none` and the HS family cannot: a public key would be their secret."""


class LogLevel(enum.Enum):
    """What is worth a line."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(enum.Enum):
    """How a line is written."""

    AUTO = "auto"
    """For people in a terminal, as JSON elsewhere."""
    JSON = "json"
    CONSOLE = "console"


class CallLog(enum.Enum):
    """Which calls get a line."""

    ALL = "all"
    FAILED = "failed"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """Logs, written to standard error."""

    level: LogLevel = setting(LogLevel.INFO, doc="The least important level that is written.")
    format: LogFormat = setting(LogFormat.AUTO, doc="auto (JSON unless in a terminal), json or console.")
    calls: CallLog = setting(CallLog.ALL, doc="Which calls get a line: all, failed or none.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TracingConfig:
    """OpenTelemetry traces of our own calls."""

    endpoint: str = setting(
        "",
        doc="OTLP/gRPC endpoint, http://host:4317 or https://…; empty exports nothing.",
        also="OTEL_EXPORTER_OTLP_ENDPOINT",
    )
    sample_ratio: float = setting(
        0.01, doc="Share of calls traced when the caller did not decide it already.", at_least=0, at_most=1
    )

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what is wrong with the endpoint."""
        if self.endpoint and not self.endpoint.startswith(("http://", "https://")):
            yield "endpoint", "must start with http:// or https://"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """What one caller, one connection and all of them together may take."""

    max_request_bytes: int = setting(
        4 << 20, doc="The largest request message; MESSAGE_TOO_LARGE above.", at_least=1_024, at_most=64 << 20
    )
    max_metadata_bytes: int = setting(16 << 10, doc="The most request headers may take.", at_least=4_096)
    max_calls: int = setting(10_000, doc="Calls and streams in progress in a service; UNAVAILABLE above.", at_least=1)
    max_connections: int = setting(5_000, doc="Connections to a port; further ones are closed at once.", at_least=1)
    max_streams_per_connection: int = setting(1_000, doc="Calls in progress on one connection.", at_least=1)
    max_connection_age: Millis = setting(
        Millis(30 * MINUTE), doc="After this a connection is asked to end, so that balancers spread load.", at_least=1
    )
    max_connection_grace: Millis = setting(
        Millis(5 * MINUTE), doc="What calls on an aged connection get to finish.", at_least=1
    )
    max_connection_idle: Millis = setting(
        Millis(2 * HOUR), doc="After this without a call a connection is closed.", at_least=1
    )
    keepalive_interval: Millis = setting(Millis(30 * SECOND), doc="How often a silent client is pinged.", at_least=1)
    keepalive_timeout: Millis = setting(Millis(10 * SECOND), doc="How long it may take to answer.", at_least=1)
    min_ping_interval: Millis = setting(
        Millis(10 * SECOND), doc="Clients that ping more often are cut off.", at_least=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlinesConfig:
    """How long calls may take, by class of method. A caller's shorter deadline stands; a longer one is cut."""

    decide: Millis = setting(Millis(5 * SECOND), doc="Decisions and look-ups from memory.", at_least=1)
    read: Millis = setting(Millis(15 * SECOND), doc="Get and List.", at_least=1)
    write: Millis = setting(Millis(30 * SECOND), doc="Mutations.", at_least=1)
    ingest: Millis = setting(Millis(30 * SECOND), doc="Evidence in bulk.", at_least=1)
    maximum: Millis = setting(Millis(MINUTE), doc="The longest deadline a caller is granted, streams excepted.")

    def by_class(self) -> Mapping[MethodClass, Millis]:
        """Return the deadline of each class; streams have none."""
        return {
            MethodClass.DECIDE: self.decide,
            MethodClass.READ: self.read,
            MethodClass.WRITE: self.write,
            MethodClass.INGEST: self.ingest,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotasConfig:
    """Calls per second and caller, and how many may come at once, by class of method. 0 per second: no limit."""

    decide_per_second: int = setting(0, doc="Decisions and look-ups from memory.", at_least=0)
    decide_burst: int = setting(10_000, doc="Of these at once.", at_least=1)
    read_per_second: int = setting(5_000, doc="Get and List.", at_least=0)
    read_burst: int = setting(10_000, doc="Of these at once.", at_least=1)
    write_per_second: int = setting(2_000, doc="Mutations.", at_least=0)
    write_burst: int = setting(5_000, doc="Of these at once.", at_least=1)
    ingest_per_second: int = setting(0, doc="Evidence in bulk.", at_least=0)
    ingest_burst: int = setting(10_000, doc="Of these at once.", at_least=1)
    stream_per_second: int = setting(50, doc="Watches and other streams opened.", at_least=0)
    stream_burst: int = setting(500, doc="Of these at once.", at_least=1)
    open_per_second: int = setting(
        500,
        doc="Calls of open methods without a credential, by address; behind a proxy that is the proxy's.",
        at_least=0,
    )
    open_burst: int = setting(5_000, doc="Of these at once.", at_least=1)
    refused_per_second: int = setting(
        50, doc="Credentials refused, by address; above, further ones are not looked at.", at_least=0
    )
    refused_burst: int = setting(2_000, doc="Of these at once.", at_least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateBinding:
    """What a client certificate makes of its bearer."""

    identity: str = setting(doc="spiffe://trust-domain/path from the URI SAN, or dns:name from the DNS SAN.")
    roles: tuple[Role, ...] = setting(doc="Roles it holds.")
    namespaces: tuple[str, ...] = setting(
        (), doc="Ids of the namespaces it owns, or is bound to as approver or gateway."
    )
    agents: tuple[str, ...] = setting((), doc="DIDs or names of the agents it speaks for, with role gateway.")
    groups: tuple[str, ...] = setting((), doc="Groups of people it is in, with role approver: data-oncall.")

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what is wrong with the identity and the roles."""
        if not self.identity.startswith(("spiffe://", "dns:")):
            yield "identity", "must start with spiffe:// or dns:"
        if Role.AGENT in self.roles:
            yield "roles", "cannot hold agent: an agent is known by its token"
        for group in self.groups:
            if not is_group(group):
                yield "groups", "must be names such as data-oncall: a-z, 0-9 and . _ -, at most 63, without group:"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerConfig:
    """A token issuer that is trusted."""

    name: str = setting(doc="Short name; its callers are known as <name>:<sub>.")
    issuer: str = setting(doc="The exact iss of its tokens.")
    audience: str = setting(doc="The one aud accepted.")
    jwks_url: str = setting("", doc="Where its keys are published, https:// (http:// on loopback).")
    jwks_file: Path | None = setting(None, doc="A file with its keys, instead of jwks_url.")
    jwks_ca_file: Path | None = setting(None, doc="CAs to trust when fetching jwks_url, instead of the system's.")
    jwks_refresh: Millis = setting(Millis(MINUTE), doc="How often the keys are fetched again.", at_least=1_000)
    agents_of: str = setting("", doc="The environment whose agents it vouches for; empty for an operator's issuer.")
    algorithms: tuple[str, ...] = setting(ALGORITHMS, doc="Signature algorithms accepted.")
    token_types: tuple[str, ...] = setting((), doc="typ headers accepted; empty takes the usual ones.")
    max_lifetime: Millis = setting(Millis(HOUR), doc="Tokens good for longer are refused.", at_least=1, at_most=DAY)
    roles_claim: str = setting("roles", doc="The claim that holds roles, as a list or separated by spaces.")
    roles: dict[str, Role] = setting(doc="Word in that claim to role; empty takes our own words.", factory=dict)
    namespaces_claim: str = setting("namespaces", doc="The claim that lists the namespaces owned, or bound to.")
    agents_claim: str = setting("agents", doc="The claim that lists the agents a gateway speaks for.")
    groups_claim: str = setting("groups", doc="The claim that lists the groups an approver is in.")

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what the settings must be to each other."""
        if _NAME.fullmatch(self.name) is None or self.name in _RESERVED_NAMES:
            yield "name", f"must be lower case letters, digits and -, and none of {', '.join(sorted(_RESERVED_NAMES))}"
        for key in ("issuer", "audience"):
            if not getattr(self, key):
                yield key, "must not be empty"
        if bool(self.jwks_url) == (self.jwks_file is not None):
            yield "jwks_url", "exactly one of jwks_url and jwks_file must be set"
        if self.jwks_url and not _may_fetch(self.jwks_url):
            yield "jwks_url", "must be an https:// URL (http:// only on loopback)"
        for algorithm in self.algorithms:
            if algorithm not in ALGORITHMS:
                yield "algorithms", f"{algorithm} is not accepted; choose from {', '.join(ALGORITHMS)}"
        if Role.AGENT in self.roles.values():
            yield "roles", "cannot give agent: set agents_of for an issuer of agent tokens"
        if self.agents_of and self.roles:
            yield "roles", "an issuer of agent tokens gives the role agent and no other"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthConfig:
    """How callers are known, besides the tokens of development mode."""

    certificates: tuple[CertificateBinding, ...] = setting((), doc="What client certificates make of their bearers.")
    issuers: tuple[IssuerConfig, ...] = setting((), doc="Token issuers that are trusted.")

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield names that are used twice."""
        for key, values in (
            ("certificates", [binding.identity for binding in self.certificates]),
            ("issuers", [issuer.name for issuer in self.issuers]),
            ("issuers", [issuer.issuer for issuer in self.issuers]),
        ):
            for value in sorted({value for value in values if values.count(value) > 1}):
                yield key, f"{value} is there twice"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """What is the same for every service in a process."""

    dev: bool = setting(False, doc="Loopback only, without TLS, with tokens in <data>/dev/.")
    data: Path = setting(Path(".ringfence"), doc="Where services keep what must survive.")
    drain: Millis = setting(Millis(20 * SECOND), doc="What calls in progress get to finish on SIGTERM.", at_least=0)
    reuse_port: bool = setting(False, doc="Let several processes share the ports (SO_REUSEPORT).")
    reflection: bool = setting(True, doc="Describe the services to grpcurl and its kin.")
    plaintext_behind_proxy: bool = setting(
        False, doc="Serve without TLS on addresses others can reach: a proxy or mesh beside us encrypts."
    )
    tls: TlsConfig | None = setting(None, doc="The certificate of every service that has none of its own.")
    auth: AuthConfig = setting(AuthConfig(), doc="How callers are known.")
    limits: LimitsConfig = setting(LimitsConfig(), doc="Sizes, counts and ages.")
    deadlines: DeadlinesConfig = setting(DeadlinesConfig(), doc="How long calls may take.")
    quotas: QuotasConfig = setting(QuotasConfig(), doc="How often callers may call.")
    log: LogConfig = setting(LogConfig(), doc="Logs.")
    tracing: TracingConfig = setting(TracingConfig(), doc="Traces of our own calls.")


def _may_fetch(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback_host(host)))
