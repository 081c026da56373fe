"""`endpoints.json`: how a running `ringfence up` tells the other commands where it is.

The rules:

- it is written when every port is open and removed when the mesh stops; a process that died leaves it behind, so a file
  whose process is gone is no mesh;
- it is replaced by renaming, so a reader sees the old file or the new one, never half of one;
- it holds addresses and the name of the token file, never a token.
"""

import contextlib
import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Problem

SERVICES = ("registry", "identity", "pdp", "telemetry")
"""The four services, in the order they are started and shown."""

_FILE_NAME = "endpoints.json"
_FORMAT = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunningMesh:
    """What `up` left for others to find."""

    pid: int
    grpc: Mapping[str, str]
    """Service name to `host:port`."""
    http: Mapping[str, str]
    """Service name to the `host:port` of its HTTP face."""
    otlp: str
    """`host:port` for OTLP spans."""
    fast: Mapping[str, str]
    """Service name to the `host:port` of its fast port, of those that have one."""
    token_file: Path
    """The operator token's file."""

    @classmethod
    def read(cls, data: Path) -> Self | None:
        """Return the mesh that runs on `data`; None when there is none. A file that cannot be read is a Problem."""
        file = data / _FILE_NAME
        try:
            mesh = cls._of(json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Problem(
                f"{file} cannot be used: {error}",
                code=ExitCode.CONFIGURATION,
                mend=f"remove {file} and start `ringfence up` again, or name the services with --addr",
            ) from error
        return mesh if is_alive(mesh.pid) else None

    @classmethod
    def _of(cls, document: Any) -> Self:
        if document["format"] != _FORMAT:
            raise ValueError(f"format {document['format']!r}, this ringfence reads {_FORMAT}")
        return cls(
            pid=int(document["pid"]),
            grpc={name: str(document["grpc"][name]) for name in SERVICES},
            http={name: str(document["http"][name]) for name in SERVICES},
            otlp=str(document["otlp"]),
            fast={name: str(document["fast"][name]) for name in SERVICES if name in document.get("fast", {})},
            token_file=Path(document["token_file"]),
        )

    def write(self, data: Path) -> None:
        """Publish this mesh under `data`."""
        document = {"format": _FORMAT, **dataclasses.asdict(self), "token_file": str(self.token_file)}
        with tempfile.NamedTemporaryFile("w", dir=data, prefix=_FILE_NAME, delete=False, encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
        Path(file.name).replace(data / _FILE_NAME)


def remove(data: Path) -> None:
    """Take the file away when the mesh has stopped."""
    (data / _FILE_NAME).unlink(missing_ok=True)


def is_alive(pid: int) -> bool:
    """Say whether a process of this id exists."""
    if pid <= 0:
        return False
    with contextlib.suppress(ProcessLookupError):
        try:
            os.kill(pid, 0)
        except PermissionError:
            return True  # it exists and belongs to somebody else
        return True
    return False
