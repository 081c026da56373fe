"""The settings every process shares: `[server]`, given to each service's `build` beside its own section.

(nested sections for limits, quotas, authentication, logs and tracing follow)
"""

from dataclasses import dataclass
from pathlib import Path

from ringfence_kit.config import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """What is the same for every service in a process."""

    dev: bool = setting(False, doc="Loopback only, plaintext, with tokens in <data>/dev/.")
    data: Path = setting(Path(".ringfence"), doc="Where services keep what must survive; one folder or file each.")
