"""The four services as the launcher builds them: all of them there, and a refusal in words."""

import pytest
from ringfence_kit.clock import SystemClock
from ringfence_kit.ids import random_ids
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Problem
from ringfence_launcher.service_table import ENTRIES
from ringfence_launcher.settings import load_settings


def build(name: str, **flags: str) -> object:
    configuration = load_settings([name], file=None, flags=flags, environment={})
    return ENTRIES[name].build(configuration, clock=SystemClock(), new_id=random_ids)


@pytest.mark.parametrize("name", ENTRIES)
def test_each_is_built_under_its_own_name(name: str) -> None:
    assert getattr(build(name, **{"server.dev": "true"}), "name", "") == name


@pytest.mark.parametrize("name", ["identity", "telemetry"])
def test_keys_that_nothing_seals_are_refused_as_a_matter_of_configuration(name: str) -> None:
    with pytest.raises(Problem, match=f"RINGFENCE_{name.upper()}_SEAL") as refused:
        build(name)
    assert refused.value.code is ExitCode.CONFIGURATION
