"""Configuration: documented frozen dataclasses, filled from defaults < TOML file < environment < flags.

The rules:

- a section of the file is one dataclass (`[registry]` is `RegistryConfig`); nested tables are nested dataclasses;
- every setting says what it is for where it is declared (`setting(default, doc=…)`), and nowhere else;
- an unknown key is an error that names the nearest known one; all problems are reported at once, each with its source;
- the environment variable of `registry.tls.cert_file` is `RINGFENCE_REGISTRY_TLS__CERT_FILE`: section, `_`, then the
  key with `__` between levels; lists are written as TOML (`["a", "b"]`);
- a `Secret` never shows itself: not in `repr`, not in `render`, not in a problem.
"""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, TypeVar

Section = TypeVar("Section")


def setting(default: Any, *, doc: str) -> Any:
    """Declare one setting of a configuration dataclass: its default and what it is for."""
    return field(default=default, metadata={"doc": doc})


class Configuration:
    """The effective configuration, and where each value came from."""

    def section(self, name: str, kind: type[Section]) -> Section:
        """Return one section as its dataclass."""
        raise NotImplementedError

    def render(self) -> str:
        """Return the effective configuration as TOML; each value's source stands behind it as a comment."""
        raise NotImplementedError


def load(
    sections: Mapping[str, type],
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
) -> Configuration:
    """Return the effective configuration of `sections`, or raise `ConfigInvalid` with everything that is wrong."""
    raise NotImplementedError
