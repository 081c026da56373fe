"""The mesh as a whole run at full speed, under coverage as well."""

from collections.abc import Iterator

import pytest
from support.measuring import unmeasured


@pytest.fixture(scope="module", autouse=True)
def at_full_speed() -> Iterator[None]:
    """Measure no module of this folder."""
    with unmeasured():
        yield
