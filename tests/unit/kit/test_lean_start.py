"""What a service imports before it serves: nothing it may never need, and nothing for the looks of it."""

import subprocess
import sys

import pytest

LATER = {
    "alembic": "there is nothing to migrate at most starts",
    "attr": "comes with rich",
    "numpy": "is for filters by intent, and for many agents",
    "onnxruntime": "is for the second reader of filters",
    "opentelemetry.exporter": "few export spans",
    "opentelemetry.instrumentation": "few export spans",
    "opentelemetry.sdk": "few export spans",
    "psycopg": "most databases are SQLite's",
    "pygments": "comes with rich",
    "rich": "is for the command line",
    "sqlalchemy.dialects.postgresql": "most databases are SQLite's",
    "sqlglot": "is for filters of statements",
    "typer": "is for the command line",
}
"""By module, why it is not there yet."""

PROGRAM = "import sys, ringfence_kit.entry, {app}; print(*sys.modules)"


def imported(app: str) -> set[str]:
    told = subprocess.run([sys.executable, "-c", PROGRAM.format(app=app)], capture_output=True, text=True, check=True)
    return set(told.stdout.split())


@pytest.mark.parametrize(
    ("app", "needed"),
    [
        ("ringfence_pdp.app", set[str]()),
        ("ringfence_pdp.workers.app", set[str]()),
        ("ringfence_registry.app", set[str]()),
        # Both make INSERTs of a dialect's own, for either.
        ("ringfence_identity.app", {"sqlalchemy.dialects.postgresql"}),
        ("ringfence_telemetry.app", {"sqlalchemy.dialects.postgresql"}),
    ],
)
def test_what_comes_later_is_not_there(app: str, needed: set[str]) -> None:
    assert imported(app) & (LATER.keys() - needed) == set()


def test_a_worker_knows_no_database_and_no_http() -> None:
    assert imported("ringfence_pdp.workers.app") & {"ringfence_kit.sql", "ringfence_pdp.store_sql"} == set()
