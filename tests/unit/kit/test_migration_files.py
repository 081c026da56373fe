"""Migrations are files named for their revision, the last by name the newest: so a start can do without Alembic."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from ringfence_kit.migrate import newest_revisions

SERVICES = Path(__file__).resolve().parents[3] / "services"
KIT = SERVICES / "kit" / "ringfence_kit" / "migrations"
OF_SERVICES = sorted(SERVICES.glob("*/ringfence_*/migrations/versions"))


@pytest.mark.parametrize(
    "versions", [path for path in OF_SERVICES if KIT not in path.parents], ids=lambda p: p.parts[-3]
)
def test_the_newest_by_name_are_alembics_heads(versions: Path) -> None:
    config = Config()
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", str(KIT))
    config.set_main_option("version_locations", f"{KIT / 'versions'}\n{versions}")
    scripts = ScriptDirectory.from_config(config)

    assert set(scripts.get_heads()) == newest_revisions(versions)
    for script in scripts.walk_revisions():
        assert Path(script.path).stem == script.revision


def test_nothing_heavy_is_imported_that_a_start_does_not_need() -> None:
    """Alembic and OpenTelemetry's SDK take most of a second; they come when they are needed."""
    probe = "import ringfence_kit.server, ringfence_kit.sql, sys; print([m for m in sys.modules if m in {names}])"
    names = {"alembic", "opentelemetry.sdk.trace", "opentelemetry.instrumentation.grpc"}
    told = subprocess.run([sys.executable, "-c", probe.format(names=names)], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
