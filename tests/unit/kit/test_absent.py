"""A library is imported as if another were not installed, and only it."""

import importlib
import sys
from pathlib import Path

import pytest
from ringfence_kit.absent import absent

OPTIONAL = "try:\n    import ornament\nexcept ImportError:\n    ornament = None\n"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    tmp_path.joinpath("plain_library.py").write_text(OPTIONAL)
    tmp_path.joinpath("ornament.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("plain_library", "ornament"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return "plain_library"


def test_it_does_without(library: str) -> None:
    with absent("ornament"):
        assert importlib.import_module(library).ornament is None
    assert importlib.import_module("ornament").__name__ == "ornament"


def test_who_has_it_keeps_it(library: str) -> None:
    ornament = importlib.import_module("ornament")
    with absent("ornament"):
        assert importlib.import_module(library).ornament is None
    assert sys.modules["ornament"] is ornament


def test_it_is_there_again_after_a_failure(library: str) -> None:
    with pytest.raises(ModuleNotFoundError), absent("ornament"):
        importlib.import_module("ornament")
    assert importlib.import_module("ornament").__name__ == "ornament"
