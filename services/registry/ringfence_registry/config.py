"""The registry's settings: `[registry]` in the file, `RINGFENCE_REGISTRY_…` in the environment."""

import enum
from dataclasses import dataclass
from pathlib import Path

from ringfence_kit.config import Secret, setting
from ringfence_kit.peers import PeerConfig
from ringfence_kit.tls import TlsConfig
from ringfence_kit.witness import WitnessConfig


class DefaultVisibility(enum.Enum):
    """Who sees what is in a namespace for which nobody said so."""

    PRIVATE = "private"
    """Its own owners and agents, and who oversees everything."""
    PUBLIC = "public"
    """Every caller, and the HTTP face."""


class DefaultLeastVerdict(enum.Enum):
    """The worst card that is admitted into a namespace for which nobody said so."""

    VALID = "valid"
    VALID_WITH_WARNINGS = "valid-with-warnings"
    UPCONVERTED = "upconverted"
    """What is sound by an older A2A, too."""
    NONCONFORMANT = "nonconformant"
    """What breaks a rule, too: whatever can be read in one way only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryConfig:
    """What an operator may change about the registry."""

    listen: str = setting("127.0.0.1:7401", doc="Where gRPC is served, host:port.")
    fast_listen: str = setting(
        "",
        doc="Where agents, cards and the catalog are served by libnghttp2 as well, host:port, for less of the cost; "
        "empty serves none. Needs the extra `fast`.",
    )
    http_listen: str = setting("127.0.0.1:7411", doc="Where /metrics, /healthz, /readyz and cards are served.")
    tls: TlsConfig | None = setting(None, doc="This service's own certificate; without it, [server.tls].")
    database: Secret = setting(
        Secret(""), doc="sqlite:///file or postgresql://…; empty keeps registry.db in the data directory."
    )
    publish_cards: bool = setting(
        True, doc="Serve the cards of active agents over HTTP, to whoever reaches the port (A2A discovery)."
    )
    public_url: str = setting(
        "", doc="Where the outside world reaches the HTTP port, https://…; empty takes the socket's own address."
    )
    publisher: str = setting(
        "ringfence.internal",
        doc="Your domain; in AI catalogs agents are urn:air:<publisher>:<namespace>:<agent>.",
    )
    host_suffix: str = setting(
        "", doc="A domain under which each agent has a host, <agent>.<namespace>.<suffix>, for its well-known card."
    )
    http_per_second: int = setting(
        50, doc="Searches, lists and catalogs one address may ask for over HTTP, a second; 0 limits none.", at_least=0
    )
    default_visibility: DefaultVisibility = setting(
        DefaultVisibility.PRIVATE, doc="Who sees a namespace nobody set up: private (its own people) or public."
    )
    default_least_verdict: DefaultLeastVerdict = setting(
        DefaultLeastVerdict.UPCONVERTED,
        doc="The worst card a namespace nobody set up admits: valid, valid-with-warnings, upconverted or "
        "nonconformant.",
    )
    gated_environments: tuple[str, ...] = setting(
        ("prod",), doc="Where no agent serves before it is ready and an approver has let it."
    )
    deleted_kept_days: int = setting(
        30, doc="How many days a deleted agent can be brought back; then it is forgotten.", at_least=1, at_most=3_650
    )
    identity: PeerConfig = setting(
        PeerConfig(address="127.0.0.1:7402"), doc="Identity, which knows who agents are and how far they are trusted."
    )
    telemetry: PeerConfig = setting(
        PeerConfig(address="127.0.0.1:7404"), doc="Telemetry, which knows how agents did lately."
    )
    key_file: Path | None = setting(
        None, doc="Where the sealed keys are kept; absent means registry.keys in the data directory."
    )
    seal: Secret = setting(
        Secret(""),
        doc="What seals the key file: 32 bytes in base64, or a passphrase. Without it only --dev attests cards.",
    )
    witness: WitnessConfig = setting(WitnessConfig(), doc="How telemetry's audit log is watched over.")
    events_kept: int = setting(
        100_000, doc="How many events a watch can go back; older ones are forgotten.", at_least=1_000
    )

    def database_url(self, data: Path) -> str:
        """Return where the registry keeps its data."""
        return self.database.reveal() or f"sqlite:///{data.absolute() / 'registry.db'}"

    def key_path(self, data: Path) -> Path:
        """Return where the registry keeps its keys."""
        return self.key_file or data / "registry.keys"

    def checkpoint_path(self, data: Path) -> Path:
        """Return where the registry keeps what it need not work out again at the next start."""
        return data / "registry.checkpoint"
