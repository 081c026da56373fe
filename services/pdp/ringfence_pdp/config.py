"""The pdp's settings: `[pdp]` in the file, `RINGFENCE_PDP_…` in the environment."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ringfence_kit.clock import DAY, MINUTE, Millis
from ringfence_kit.config import Secret, setting
from ringfence_kit.peers import PeerConfig
from ringfence_kit.tls import TlsConfig
from ringfence_kit.witness import WitnessConfig

from ringfence_pdp.classifiers.config import ClassifierConfig, EncoderConfig
from ringfence_pdp.masks import DEFAULT_MASKS, is_mask
from ringfence_pdp.sources.git import is_ref, is_repository


class WhenFull(enum.Enum):
    """What to do about decisions that cannot be logged."""

    DENY_TRUSTED = "deny-trusted"
    """Agents in rings 0 and 1 are denied, the others are answered; what is not logged is counted."""
    STOP = "stop"
    """Nothing is answered: UNAVAILABLE."""


class Inputs(enum.Enum):
    """What of a question is logged beside who asked for what."""

    FULL = "full"
    """Arguments, context and labels, but for what is masked."""
    DIGEST = "digest"
    """None of them: only a digest of the question. What looked at them cannot be replayed exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionLogConfig:
    """The spool between decisions and telemetry's audit log."""

    when_full: WhenFull = setting(
        WhenFull.DENY_TRUSTED, doc="deny-trusted (rings 0 and 1 are denied) or stop (nothing is answered)."
    )
    max_bytes: int = setting(
        256 << 20, doc="How much may wait on disk while telemetry is away.", at_least=32 << 20, at_most=64 << 30
    )
    allow_rate: float = setting(
        1.0, doc="Which share of allowed calls is logged; denials and approvals always are.", at_least=0, at_most=1
    )
    inputs: Inputs = setting(
        Inputs.FULL, doc="full (arguments, context and labels are logged, but for masks) or digest (none of them)."
    )
    masks: tuple[str, ...] = setting(
        DEFAULT_MASKS, doc="What is never logged: arguments.card.number, context.*, labels.owner, **.password anywhere."
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the masks."""
        for mask in self.masks:
            if not is_mask(mask):
                yield "masks", f"{mask!r} must be a path below arguments, context or labels, or **. and a name"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalsConfig:
    """Questions to people."""

    open_of_one: int = setting(20, doc="Approvals of one agent that may wait at a time.", at_least=1, at_most=1_000)
    open_of_namespace: int = setting(
        200, doc="Approvals of all agents of one namespace that may wait at a time.", at_least=1, at_most=10_000
    )
    open_in_all: int = setting(1_000, doc="Approvals that may wait at a time.", at_least=1, at_most=10_000)
    kept: int = setting(5_000, doc="Approvals that are over and still shown; the audit log has all.", at_most=100_000)
    rest: Millis = setting(
        MINUTE, doc="How long a question that ran out of time stays answered with no.", at_least=0, at_most=DAY
    )
    show_arguments: bool = setting(True, doc="Show people the arguments they approve, up to 4 KiB; they are stored.")


class WhenSilent(enum.Enum):
    """What to do about agents with a hard budget when telemetry is silent."""

    DENY = "deny"
    """They are denied: nobody knows what is left."""
    ALLOW = "allow"
    """What is known stays: who had nothing left has not, until the period ends, and the others go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetsConfig:
    """Hard budgets, which telemetry counts."""

    when_silent: WhenSilent = setting(
        WhenSilent.DENY, doc="What agents with a hard budget get when telemetry is silent: deny or allow."
    )
    silent_after: Millis = setting(
        MINUTE, doc="How long telemetry may be silent before that.", at_least=15_000, at_most=DAY
    )

    @property
    def believed_for(self) -> Millis | None:
        """How long what telemetry said of budgets is believed; None for ever."""
        return self.silent_after if self.when_silent is WhenSilent.DENY else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """Where bundles come from by themselves: a folder or a git repository."""

    folder: str = setting("", doc="A folder whose *.yaml and *.yml are the policies, at any depth.")
    git: Secret = setting(Secret(""), doc="A git repository instead: https://, ssh:// or file://, or an absolute path.")
    ref: str = setting("main", doc="Which branch, tag or commit of it.")
    git_folder: str = setting("", doc="The folder in it; empty takes all of it.")
    interval: Millis = setting(Millis(5_000), doc="How often to look.", at_least=100, at_most=3_600_000)
    timeout: Millis = setting(Millis(30_000), doc="How long one call of git may take.", at_least=1_000, at_most=600_000)
    activate: bool = setting(True, doc="Whether what is new decides at once; if not it is kept, for a rollout.")

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what cannot be followed."""
        if self.folder and self.git.reveal():
            yield "git", "is set and folder is too; policies come from one place"
        if self.git.reveal() and not is_repository(self.git.reveal()):
            yield "git", "must begin with https://, ssh:// or file://, or be an absolute path"
        if not is_ref(self.ref):
            yield "ref", f"{self.ref!r} is no branch, tag or commit"


@dataclass(frozen=True, slots=True, kw_only=True)
class PdpConfig:
    """What an operator may change about the pdp."""

    listen: str = setting("127.0.0.1:7403", doc="Where gRPC is served, host:port.")
    fast_listen: str = setting(
        "",
        doc="Where decisions and ext_authz are served by libnghttp2 as well, host:port, for a fraction of the cost; "
        "empty serves none. Needs the extra `fast`.",
    )
    workers: int = setting(
        1,
        doc="How many processes decide; from 2 on they share the ports, and one more has the data and the feeds.",
        at_least=1,
        at_most=64,
    )
    http_listen: str = setting("127.0.0.1:7413", doc="Where AuthZEN, /metrics, /healthz and /readyz are served.")
    public_url: str = setting("", doc="What enforcement points reach http_listen by; empty tells each what it used.")
    tls: TlsConfig | None = setting(None, doc="This service's own certificate; without it, [server.tls].")
    database: Secret = setting(
        Secret(""), doc="sqlite:///file or postgresql://…; empty keeps pdp.db in the data directory."
    )
    gated_environments: tuple[str, ...] = setting(
        ("prod",), doc="Environments in which a tool has to be approved with the hash of its schema."
    )
    ring_rates: tuple[str, ...] = setting(
        (), doc="Environments in which every agent is held to the request rate of its ring: 100, 50, 20 or 5 a second."
    )
    approvals: ApprovalsConfig = setting(ApprovalsConfig(), doc="Questions to people.")
    audiences: tuple[str, ...] = setting(
        (), doc="Audiences of the delegation tokens that are decided on here; none leaves that to enforcement points."
    )
    events_kept: int = setting(100_000, doc="How many events are kept; older ones are forgotten.", at_least=1_000)
    identity: PeerConfig = setting(PeerConfig(address="127.0.0.1:7402"), doc="Where agents' identities come from.")
    registry: PeerConfig = setting(PeerConfig(address="127.0.0.1:7401"), doc="Where agents' registrations come from.")
    telemetry: PeerConfig = setting(PeerConfig(address="127.0.0.1:7404"), doc="Where decisions are logged.")
    witness: WitnessConfig = setting(WitnessConfig(), doc="How telemetry's audit log is watched over.")
    decision_log: DecisionLogConfig = setting(DecisionLogConfig(), doc="What happens to decisions on their way there.")

    budgets: BudgetsConfig = setting(BudgetsConfig(), doc="Hard budgets, which telemetry counts.")
    source: SourceConfig = setting(SourceConfig(), doc="Where bundles come from by themselves.")
    encoder: EncoderConfig = setting(EncoderConfig(), doc="A second reader of what the filter of intent doubts.")
    classifiers: tuple[ClassifierConfig, ...] = setting(
        (), doc="Classifiers of intent that somebody else runs, for policies with `use: remote`."
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what two settings say differently."""
        names = [classifier.name for classifier in self.classifiers]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield "classifiers", f"two are called {name!r}"

    def database_url(self, data: Path) -> str:
        """Return where the pdp keeps its data."""
        return self.database.reveal() or f"sqlite:///{data.absolute() / 'pdp.db'}"

    def spool_path(self, data: Path) -> Path:
        """Return where decisions wait for telemetry."""
        return data / "pdp-decisions"
