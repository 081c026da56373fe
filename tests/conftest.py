"""Fixtures every test may ask for."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from ringfence_kit.heap import loading
from support.backends import EVERY_KIND, Backend
from support.measuring import unmeasured
from support.postgres import empty_database, running_postgres

# An example's own time says nothing on a machine that does other work as well; pytest's timeout bounds the test.
settings.register_profile("ringfence", deadline=None)
settings.load_profile("ringfence")

if "PYTEST_XDIST_WORKER" in os.environ:
    # What is covered is told by what runs here; services that tests start would take twice as long to start.
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without looking for garbage: what is collected stays, and a third of the time went into looking."""
    with loading():
        return (yield)


@pytest.fixture(scope="module")
def at_full_speed() -> Iterator[None]:
    """Measure nothing of a module for coverage: of one that says the same thousands of times."""
    with unmeasured():
        yield


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a PostgreSQL server's first database, one server per session (per worker under xdist)."""
    with running_postgres() as url:
        yield url


@pytest.fixture(params=EVERY_KIND)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """An empty place for data; a test that asks for it runs on each kind of store."""
    if request.param == "postgres":
        with empty_database(request.getfixturevalue("postgres_url")) as url:
            yield Backend(kind="postgres", url=url)
    elif request.param == "sqlite":
        yield Backend(kind="sqlite", url=f"sqlite:///{tmp_path}/store.db")
    else:
        yield Backend(kind="memory")
