"""This machine: Python, the packages, the data directory."""

import importlib
import importlib.metadata
import os
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ringfence_launcher.doctor.check import Check, ok, warning, wrong

OLDEST_PYTHON, NEXT_PYTHON = (3, 11), (3, 14)
LOW_SPACE, NO_SPACE = 1 << 30, 100 << 20
"""Bytes free: a warning below the first, wrong below the second."""

_STUBS = tuple(
    f"ringfence.{module}_pb2_grpc"
    for module in ("registry.v1.registry", "identity.v1.identity", "pdp.v1.decision", "telemetry.v1.audit")
)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_PRIVATE = ("dev/operator.token", "dev/service.token", "*.keys")


def check_python(version: tuple[int, int, int] = sys.version_info[:3]) -> Check:
    """Look at the interpreter's version."""
    text = ".".join(map(str, version))
    if OLDEST_PYTHON <= version[:2] < NEXT_PYTHON:
        return ok("python", text)
    return wrong("python", text, mend="use Python 3.11, 3.12 or 3.13")


def check_packages(
    required: Iterable[str] | None = None, *, load: Callable[[str], object] = importlib.import_module
) -> Check:
    """Look whether what Ringfence needs is there, and whether the generated code fits the runtime."""
    missing = [name for name in _requirements(required) if not _installed(name)]
    if missing:
        mend = "install them: pip install --upgrade ringfence"
        return wrong("packages", f"not installed: {', '.join(sorted(missing))}", mend=mend)
    try:
        for stub in _STUBS:
            load(stub)
    except Exception as error:  # noqa: BLE001 - generated code raises what it likes when the runtime is too old
        return wrong("packages", str(error), mend="upgrade grpcio and protobuf together: pip install -U ringfence")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("ringfence", "grpcio", "protobuf"))
    return ok("packages", versions)


def check_data_directory(data: Path) -> Iterator[Check]:
    """Look at who can read the data, and how much room is left for more."""
    if not data.exists():
        yield ok("data directory", f"{data} is not there yet; `ringfence up` makes it")
        return
    found = data.stat()
    if not data.is_dir() or not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        yield wrong("data directory", f"{data} cannot be used", mend=f"check what {data} is and who owns it")
        return
    mode = stat.S_IMODE(found.st_mode)
    if mode & _OTHERS:
        yield wrong("data directory", f"others can reach {data} (mode {mode:04o})", mend=f"chmod 700 {data}")
    else:
        yield ok("data directory", str(data))
    exposed = [file for pattern in _PRIVATE for file in data.glob(pattern) if file.stat().st_mode & _OTHERS]
    for file in exposed:
        yield wrong("secrets", f"others can read {file}", mend=f"chmod 600 {file}, and replace what was in it")
    yield _check_space(data)


def _check_space(data: Path) -> Check:
    free = shutil.disk_usage(data).free
    found = f"{free / (1 << 30):,.1f} GiB free"
    if free < NO_SPACE:
        return wrong("disk", found, mend="make room: without it nothing more is acknowledged")
    if free < LOW_SPACE:
        return warning("disk", found, mend="make room before it runs out")
    return ok("disk", found)


def _requirements(required: Iterable[str] | None) -> Iterator[str]:
    for text in importlib.metadata.requires("ringfence") or () if required is None else required:
        name = re.match(r"[A-Za-z0-9._-]+", text)
        if name is not None and "extra ==" not in text:
            yield name.group()


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
