"""Every test of what happens around a call runs on both kinds of port: one suite, whatever serves it."""

from collections.abc import Iterator

import pytest
from support.echo import KINDS, ports_of_kind


@pytest.fixture(params=KINDS)
def either_port(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test once on each kind of port."""
    with ports_of_kind(request.param):
        yield request.param
