"""`ringfence serve`, as far as it goes without starting anything."""

from ringfence_launcher.exit_codes import ExitCode
from support.launcher.command_line import CommandLine


def test_only_a_pdp_has_workers(ringfence: CommandLine) -> None:
    refused = ringfence("serve", "registry", "--workers", "2")
    assert refused.code == ExitCode.USAGE
    assert "registry is one process" in refused.err
