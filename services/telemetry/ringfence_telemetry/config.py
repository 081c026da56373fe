"""The settings of telemetry: section `[telemetry]` of the file, variables `RINGFENCE_TELEMETRY_…`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ringfence.proofs.cosignature import WitnessKey
from ringfence.proofs.signed_note import NoteInvalid, is_key_name
from ringfence_kit.clock import DAY, Millis
from ringfence_kit.config import Secret, setting
from ringfence_kit.peers import PeerConfig
from ringfence_kit.tls import TlsConfig
from ringfence_kit.witness_keys import published_witness_keys

from ringfence_telemetry.labels import LabelLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestConfig:
    """How spans are taken in."""

    max_request_bytes: int = setting(
        64 << 20, doc="The largest OTLP request, after decompression.", at_least=1_024, at_most=64 << 20
    )
    queue_spans: int = setting(20_000, doc="Spans accepted and not yet in the totals; more wait.", at_least=1)
    queue_bytes: int = setting(64 << 20, doc="The same, in bytes of their requests.", at_least=1_024)
    free_bytes: int = setting(256 << 20, doc="Room to leave on the disk; below it spans are refused.", at_least=0)
    keep_raw: Millis = setting(
        Millis(3 * DAY),
        doc="How long requests and spans are kept; a span that comes later starts a new trace.",
        at_least=60_000,
    )
    spans_in_memory: int = setting(50_000, doc="Spans of open traces in memory; others are read back.", at_least=1)
    traces_in_memory: int = setting(20_000, doc="Open traces in memory; others are read back.", at_least=1)
    agents_per_day: int = setting(10_000, doc="Names of agents one reporter may bring a day.", at_least=1)
    sessions_per_day: int = setting(200_000, doc="Sessions one reporter may bring a day.", at_least=1)
    models_per_day: int = setting(1_000, doc="Models one reporter may bring a day.", at_least=1)
    tools_per_day: int = setting(5_000, doc="Tools one reporter may bring a day.", at_least=1)
    teams_per_day: int = setting(1_000, doc="Teams one reporter may bring a day.", at_least=1)
    skills_per_day: int = setting(1_000, doc="Skills one reporter may bring a day.", at_least=1)
    series_per_day: int = setting(
        50_000, doc="Combinations of agent, operation, model, tool and team a namespace may have a day.", at_least=1
    )
    exclusive_scopes: tuple[str, ...] = setting(
        (), doc="Instrumentation scopes whose spans leave out what their children used."
    )

    def label_limits(self) -> LabelLimits:
        """Return how many names a reporter may bring a day, and how many series a namespace."""
        return LabelLimits(
            agents=self.agents_per_day,
            sessions=self.sessions_per_day,
            models=self.models_per_day,
            tools=self.tools_per_day,
            teams=self.teams_per_day,
            skills=self.skills_per_day,
            series=self.series_per_day,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageConfig:
    """How long usage is kept, the coarser the older it is. Totals stay exact; what is folded is told apart no more."""

    keep_minutes: Millis = setting(Millis(14 * DAY), doc="How long usage is kept by the minute.", at_least=DAY)
    keep_fives: Millis = setting(
        Millis(90 * DAY), doc="How long it is kept by five minutes, and that of agents by the hour.", at_least=DAY
    )
    keep_hours: Millis = setting(
        Millis(400 * DAY), doc="How long it is kept by the hour, and that of agents by the day.", at_least=DAY
    )
    keep_sessions: Millis = setting(Millis(90 * DAY), doc="How long usage is kept by session.", at_least=DAY)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what is not in order."""
        if self.keep_fives < self.keep_minutes:
            yield "keep_fives", "must not be less than keep_minutes"
        if self.keep_hours < self.keep_fives:
            yield "keep_hours", "must not be less than keep_fives"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardConfig:
    """Where everything that is accepted is sent on, as plain OTLP over gRPC."""

    address: str = setting("", doc="A Collector or any other OTLP backend, host:port; empty forwards nothing.")
    plaintext: bool = setting(default=False, doc="Whether it is reached without TLS; for loopback and meshes.")
    ca_file: Path | None = setting(None, doc="Who signs its certificate, PEM; absent takes the system's.")
    headers: Secret = setting(
        Secret(""), doc="Metadata of every request, as in OTEL_EXPORTER_OTLP_HEADERS: name=value,name=value."
    )
    lag_bytes: int = setting(
        4 << 30,
        doc="How far it may fall behind; raw requests are kept that long, what is beyond is lost to it, and counted.",
        at_least=1 << 20,
    )

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what is wrong with the headers."""
        if self.header_pairs() is None:
            yield "headers", "must be name=value pairs with commas between, names in lower case"

    def header_pairs(self) -> list[tuple[str, str]] | None:
        """Return the headers; None when they are none."""
        pairs = [pair.strip().partition("=") for pair in self.headers.reveal().split(",") if pair.strip()]
        if any(not name or name != name.lower() or not separator for name, separator, _ in pairs):
            return None
        return [(name.strip(), value.strip()) for name, _, value in pairs]


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryConfig:
    """What an operator may change about telemetry."""

    listen: str = setting("127.0.0.1:7404", doc="Where gRPC is served, OTLP included, host:port.")
    otlp_listen: str = setting("127.0.0.1:4317", doc="Where OTLP is served on its own well-known port, host:port.")
    fast_listen: str = setting(
        "",
        doc="Where OTLP and the audit log are served by libnghttp2 as well, host:port, for a fraction of the cost; "
        "empty serves none. Needs the extra `fast`.",
    )
    http_listen: str = setting(
        "127.0.0.1:7414", doc="Where OTLP over HTTP, /metrics, /healthz and /readyz are served, host:port."
    )
    database: Secret = setting(
        Secret(""), doc="sqlite:///file or postgresql://…; empty keeps telemetry.db in the data directory."
    )
    log_directory: Path | None = setting(
        None,
        doc="Where accepted requests are kept; absent means telemetry-log in the data directory.",
    )
    key_file: Path | None = setting(
        None, doc="Where the sealed keys are kept; absent means telemetry.keys in the data directory."
    )
    seal: Secret = setting(
        Secret(""), doc="What seals the key file: 32 bytes in base64, or a passphrase. May be left out with --dev only."
    )
    audit_origin: str = setting(
        "ringfence.internal/audit",
        doc="The audit log's name, in every checkpoint. Choose it once, and unlike any other log's.",
    )
    witnesses: tuple[str, ...] = setting(
        (),
        doc="Verifier keys of those whose signatures are kept beneath checkpoints; each leaves its own in its data "
        "directory, under witnesses/. With --dev, those in the data directory are known by themselves.",
    )
    identity: PeerConfig = setting(PeerConfig(address="127.0.0.1:7402"), doc="Identity, which takes the trust signals.")
    ingest: IngestConfig = setting(IngestConfig(), doc="How spans are taken in.")
    forward: ForwardConfig = setting(ForwardConfig(), doc="Where what is accepted is sent on.")
    usage: UsageConfig = setting(UsageConfig(), doc="How long usage is kept.")
    tls: TlsConfig | None = setting(None, doc="This service's own certificate; without it, [server.tls].")

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what is wrong with the origin."""
        if not is_key_name(self.audit_origin) or not self.audit_origin.isascii():
            yield "audit_origin", "must be ASCII without spaces and without +, such as example.com/audit"
        for number, text in enumerate(self.witnesses):
            try:
                WitnessKey.parse(text)
            except NoteInvalid as error:
                yield f"witnesses[{number}]", f"is no verifier key of a witness: {error}"

    def known_witnesses(self, data: Path | None) -> Callable[[], Sequence[WitnessKey]]:
        """Return who the witnesses are, at the moment of the call; with `data`, those that left a key there too."""
        configured = [WitnessKey.parse(text) for text in self.witnesses]
        return lambda: [*configured, *(() if data is None else published_witness_keys(data))]

    def database_url(self, data: Path) -> str:
        """Return where telemetry keeps its data."""
        return self.database.reveal() or f"sqlite:///{data.absolute() / 'telemetry.db'}"

    def log_path(self, data: Path) -> Path:
        """Return where the ingest log is."""
        return self.log_directory or data / "telemetry-log"

    def key_path(self, data: Path) -> Path:
        """Return where telemetry keeps its keys."""
        return self.key_file or data / "telemetry.keys"
