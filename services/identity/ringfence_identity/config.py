"""The settings of identity: section `[identity]` of the file, variables `RINGFENCE_IDENTITY_…`."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ringfence.proofs.access_token import LONGEST_LIFETIME
from ringfence.proofs.did import Host, is_host
from ringfence.proofs.signed_note import is_key_name
from ringfence_kit.clock import SECOND, Millis
from ringfence_kit.config import Secret, setting
from ringfence_kit.names import is_resource_id
from ringfence_kit.peers import PeerConfig
from ringfence_kit.tls import TlsConfig
from ringfence_kit.witness import WitnessConfig

from ringfence_identity.environments import PRODUCTION, Environment, Environments
from ringfence_identity.issuer_keys.schedule import SHORTEST_LEAD, USUAL_SCHEDULE, KeySchedule
from ringfence_identity.sponsors.limits import SponsorLimits
from ringfence_identity.trust.evidence import SignalKind

_AUDIENCE = re.compile(r"[\x21-\x7e]{1,256}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentConfig:
    """One environment: a wall of its own host, issuer and keys."""

    name: str = setting(doc="Its name, as in requests and in the claim env.")
    host: str = setting(
        doc="The DNS name its DIDs carry and are fetched from, for ever; with %3A before a port that is not 443."
    )
    issuer: str = setting("", doc="The iss of its tokens; empty means https:// and the host.")
    production: bool = setting(
        False, doc="No evaluation gate may be waived, every tool is pinned. Always so for the name prod."
    )
    token_lifetime: Millis = setting(
        LONGEST_LIFETIME, doc="The longest life of an access token.", at_least=10 * SECOND, at_most=LONGEST_LIFETIME
    )
    es256_audiences: tuple[str, ...] = setting(
        (), doc="Audiences, exactly as asked for, whose tokens are signed with ES256: they refuse EdDSA."
    )
    key_rotation: Millis = setting(
        USUAL_SCHEDULE.period, doc="How long a key signs tokens before the next one does.", at_least=2 * SHORTEST_LEAD
    )
    key_publication_lead: Millis = setting(
        USUAL_SCHEDULE.lead,
        doc="How long a key is published before it signs: twice the longest time any gateway keeps a key set.",
        at_least=SHORTEST_LEAD,
    )
    card_url: str = setting(
        "", doc="Where an agent's A2A card is served, with {namespace} and {agent}; empty leaves it out of DIDs."
    )

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what is wrong with names and URLs."""
        if not is_resource_id(self.name):
            yield "name", "must be lower case letters, digits and -, at most 63"
        if not is_host(self.host):
            yield "host", "must be a lower case DNS name of two labels or more, such as prod.id.example.com"
        if self.issuer and not _is_https(self.issuer):
            yield "issuer", "must start with https:// and have neither query nor fragment"
        if self.key_rotation < 2 * self.key_publication_lead:
            yield "key_rotation", "must be at least twice key_publication_lead"
        for audience in self.es256_audiences:
            if _AUDIENCE.fullmatch(audience) is None:
                yield "es256_audiences", f"{audience!r} is no audience: 1 to 256 printable ASCII characters, no space"
        if self.card_url and not _is_https(self.card_url):
            yield "card_url", "must start with https:// and have neither query nor fragment"

    def environment(self) -> Environment:
        """Return the environment these settings describe."""
        return Environment(
            name=self.name,
            host=Host(self.host),
            issuer=self.issuer or "https://" + self.host.replace("%3A", ":"),
            production=self.production or self.name == PRODUCTION,
            token_lifetime=self.token_lifetime,
            es256_audiences=frozenset(self.es256_audiences),
            key_schedule=KeySchedule(period=self.key_rotation, lead=self.key_publication_lead),
            card_url=self.card_url,
        )


DEFAULT_ENVIRONMENTS = tuple(
    EnvironmentConfig(name=name, host=f"{name}.id.ringfence.internal") for name in ("dev", "staging", "prod")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalWeightsConfig:
    """What each kind of evidence is worth, in points. Caps apply on top (README, Trust)."""

    task_accepted: int = setting(2, doc="A consumer accepted its work.", at_least=0, at_most=60)
    evaluation_passed: int = setting(15, doc="An evaluation gate passed.", at_least=0, at_most=60)
    clean_decisions: int = setting(1, doc="Fifty decisions in a row without a denial.", at_least=0, at_most=60)
    heartbeat: int = setting(0, doc="It is alive.", at_least=0, at_most=60)
    task_rejected: int = setting(-2, doc="A consumer rejected its work.", at_least=-1_000, at_most=0)
    action_denied: int = setting(-5, doc="It asked for what it may not do.", at_least=-1_000, at_most=0)
    slo_budget_exhausted: int = setting(-25, doc="An error budget is used up.", at_least=-1_000, at_most=0)
    probing: int = setting(-50, doc="Five denials or more within ten minutes.", at_least=-1_000, at_most=0)
    scope_escalation: int = setting(-150, doc="It tried to widen its scope.", at_least=-1_000, at_most=0)
    forged_signature: int = setting(-200, doc="A replayed or forged signature.", at_least=-1_000, at_most=0)
    incident_confirmed: int = setting(
        -400, doc="A confirmed incident; it is suspended as well.", at_least=-1_000, at_most=-1
    )

    def points(self) -> Mapping[SignalKind, int]:
        """Return the points by kind of signal."""
        return {kind: getattr(self, kind.value) for kind in SignalKind}


@dataclass(frozen=True, slots=True, kw_only=True)
class SponsorsConfig:
    """What one sponsor may have in one environment."""

    agents: int = setting(
        1_000,
        doc="Agents one sponsor answers for in one environment, the revoked left out; 0: no limit.",
        at_least=0,
    )
    enrolments_per_hour: int = setting(
        500, doc="Agents of one sponsor enrolled in one environment in any hour; 0: no limit.", at_least=0
    )

    def limits(self) -> SponsorLimits:
        """Return the limits these settings describe."""
        return SponsorLimits(agents=self.agents, enrolments_per_hour=self.enrolments_per_hour)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityConfig:
    """What an operator may change about identity."""

    listen: str = setting("127.0.0.1:7402", doc="Where gRPC is served, host:port.")
    fast_listen: str = setting(
        "",
        doc="Where all of it is served by libnghttp2 as well, host:port, for less of the cost; empty serves none. "
        "Needs the extra `fast`.",
    )
    http_listen: str = setting(
        "127.0.0.1:7412", doc="Where DIDs, key sets, /metrics and /healthz are served, host:port."
    )
    database: Secret = setting(
        Secret(""), doc="sqlite:///file or postgresql://…; empty keeps identity.db in the data directory."
    )
    key_file: Path | None = setting(
        None, doc="Where the sealed keys are kept; absent means identity.keys in the data directory."
    )
    seal: Secret = setting(
        Secret(""), doc="What seals the key file: 32 bytes in base64, or a passphrase. May be left out with --dev only."
    )
    environments: tuple[EnvironmentConfig, ...] = setting(
        DEFAULT_ENVIRONMENTS, doc="The environments hosted here. A host cannot be changed once agents are enrolled."
    )
    signals: SignalWeightsConfig = setting(SignalWeightsConfig(), doc="What evidence is worth.")
    sponsors: SponsorsConfig = setting(SponsorsConfig(), doc="How much one sponsor may answer for.")
    log_origin: str = setting(
        "ringfence.internal/identity",
        doc="The name of the log of mutations, in every checkpoint. Choose it once, and unlike any other log's.",
    )
    checkpoint_every: Millis = setting(
        SECOND, doc="Within what time new entries of that log are signed, if nobody asks before.", at_least=10
    )
    telemetry: PeerConfig = setting(
        PeerConfig(address="127.0.0.1:7404"), doc="Telemetry, whose audit log is watched over."
    )
    witness: WitnessConfig = setting(WitnessConfig(), doc="How telemetry's audit log is watched over.")
    events_kept: int = setting(
        100_000, doc="How many events a watch can go back; older ones are forgotten.", at_least=1_000
    )
    tls: TlsConfig | None = setting(None, doc="This service's own certificate; without it, [server.tls].")

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what is wrong with the environments together."""
        if not is_key_name(self.log_origin) or not self.log_origin.isascii():
            yield "log_origin", "must be ASCII without spaces and without +, such as example.com/identity"
        if not self.environments:
            yield "environments", "must name at least one environment"
        built = [environment.environment() for environment in self.environments]
        for key, values in (
            ("name", [environment.name for environment in built]),
            ("host", [str(environment.host) for environment in built]),
            ("issuer", [environment.issuer for environment in built]),
        ):
            for value in sorted({value for value in values if values.count(value) > 1}):
                yield "environments", f"{key} {value} is there twice"

    def database_url(self, data: Path) -> str:
        """Return where identity keeps its data."""
        return self.database.reveal() or f"sqlite:///{data.absolute() / 'identity.db'}"

    def key_path(self, data: Path) -> Path:
        """Return where identity keeps its keys."""
        return self.key_file or data / "identity.keys"

    def hosted(self, *, enrolled_in: Callable[[str], str | None] = lambda _: None) -> Environments:
        """Return the environments hosted here; `enrolled_in` tells where an agent named by its key belongs."""
        return Environments((environment.environment() for environment in self.environments), enrolled_in=enrolled_in)


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.netloc) and not parts.query and not parts.fragment
