"""The mesh as a whole runs at full speed, under coverage as well."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def every_module(at_full_speed: None) -> None:
    """Measure no module of this folder."""
