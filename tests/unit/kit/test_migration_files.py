"""Migrations are files named for their revision, in the order of their names, and each has an `upgrade`."""

import importlib.util
import inspect
import re
from pathlib import Path

import pytest
from ringfence_kit.migrate import newest_revisions

SERVICES = Path(__file__).resolve().parents[3] / "services"
LINES = sorted(SERVICES.glob("*/ringfence_*/migrations/versions"))


def service_of(versions: Path) -> str:
    return versions.parts[-3].removeprefix("ringfence_")


@pytest.mark.parametrize("versions", LINES, ids=service_of)
def test_they_are_numbered_without_a_gap(versions: Path) -> None:
    found = sorted(path.stem for path in versions.glob("*.py"))
    assert found == [f"{service_of(versions)}_{number:04}" for number in range(1, len(found) + 1)]


@pytest.mark.parametrize("versions", LINES, ids=service_of)
def test_each_has_an_upgrade_and_nothing_of_the_service(versions: Path) -> None:
    """What a migration did once must not change with the code beside it."""
    for path in versions.glob("*.py"):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        migration = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(migration)
        assert list(inspect.signature(migration.upgrade).parameters) == ["schema"]
        assert not re.search(r"^(from|import) ringfence_(?!kit\b)", path.read_text(), re.MULTILINE), path


def test_the_newest_of_both_lines_is_what_a_database_says_of_itself() -> None:
    pdp = SERVICES / "pdp" / "ringfence_pdp" / "migrations" / "versions"
    assert newest_revisions(pdp) == {max(p.stem for p in pdp.glob("*.py")), "kit_0001"}
