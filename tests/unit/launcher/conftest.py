"""Fixtures of the launcher's tests: a mesh of fakes, and a command line that finds it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.launcher.command_line import CommandLine
from support.launcher.fake_services import FakeMesh, fake_mesh


@pytest.fixture
def mesh() -> Iterator[FakeMesh]:
    with fake_mesh() as running:
        yield running


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty working directory, and an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    for variable in [name for name in os.environ if name.startswith("RINGFENCE_")]:
        monkeypatch.delenv(variable)
    return tmp_path


@pytest.fixture
def ringfence(
    mesh: FakeMesh, nowhere: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> CommandLine:
    """The command line, led to the fakes."""
    for variable, address in mesh.environment().items():
        monkeypatch.setenv(variable, address)
    return CommandLine(capfdbinary)
