"""The settings of those who are asked about content: a table of `[[pdp.classifiers]]` each, and `[pdp.encoder]`."""

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ringfence_kit.clock import DAY, MINUTE, SECOND, Millis
from ringfence_kit.config import setting
from ringfence_kit.peers import PeerConfig

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierConfig:
    """Where a classifier is, how it is known, and how long it is waited for."""

    name: str = setting(doc="What policies call it: `classifier: guard`.")
    address: str = setting(doc="Where it serves gRPC, host:port. Beyond this machine only with TLS.")
    ca_file: Path | None = setting(None, doc="Who signs its certificate, PEM; empty takes the CAs of our own clients.")
    server_name: str = setting("", doc="The name in its certificate, when it is not the one in the address.")
    token_file: Path | None = setting(None, doc="A file with a bearer token to show; the mesh's own is never shown.")
    deadline: Millis = setting(
        Millis(200),
        doc="How long an answer is waited for; then the policy's on_error holds.",
        at_least=1,
        at_most=10_000,
    )
    remember: Millis = setting(
        Millis(5 * MINUTE), doc="How long an answer is good for the same content; 0 asks each time.", at_most=DAY
    )
    remembered: int = setting(10_000, doc="How many answers are remembered; no text is.", at_least=0, at_most=1_000_000)
    failures: int = setting(5, doc="After so many failures in a row it is not asked for a while.", at_least=1)
    rest: Millis = setting(Millis(10 * SECOND), doc="How long that is.", at_least=1, at_most=DAY)

    @property
    def peer(self) -> PeerConfig:
        """How it is reached."""
        return PeerConfig(
            address=self.address, ca_file=self.ca_file, server_name=self.server_name, token_file=self.token_file
        )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the name."""
        if not _NAME.fullmatch(self.name):
            yield "name", f"{self.name!r} must be a-z, 0-9 and -, a letter first, at most 63"


class Use(enum.Enum):
    """Whether calls the first reader of intent is in doubt about are read again."""

    AUTO = "auto"
    """Where the packages of the extra `encoder` are installed."""
    ON = "on"
    """Always; where they are not installed, people are asked about such calls."""
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """Whether what the first reader of intent is in doubt about is read a second time, and how long that may take."""

    use: Use = setting(
        Use.AUTO,
        doc="auto (where the packages of the extra `encoder` are installed), on (where they are not, people are asked "
        "about what is in doubt) or off.",
    )
    budget: Millis = setting(
        Millis(250),
        doc="How long it may take, waiting for its turn included; then the policy's on_error holds.",
        at_least=1,
        at_most=10_000,
    )
