"""A key file is opened sealed, or the service does not start and says why."""

from pathlib import Path

import pytest
from ringfence_kit.clock import EPOCH
from ringfence_kit.config import Secret
from ringfence_kit.key_files import KeyFileRefused, NotSealed, open_key_file, seal_of

SECRET = Secret("a passphrase of twenty-odd characters")


def test_outside_of_development_a_seal_is_demanded() -> None:
    with pytest.raises(NotSealed, match="RINGFENCE_TELEMETRY_SEAL"):
        seal_of(Secret(""), setting="telemetry.seal", dev=False)


def test_in_development_keys_may_lie_open(tmp_path: Path) -> None:
    keys = open_key_file(tmp_path / "made" / "keys", seal_of(Secret(""), setting="telemetry.seal", dev=True))
    assert not keys.sealed


def test_a_key_comes_back_under_its_seal_and_no_other(tmp_path: Path) -> None:
    sealed = seal_of(SECRET, setting="telemetry.seal", dev=False)
    (made,) = open_key_file(tmp_path / "keys", sealed).ensure_signers("heads", at=EPOCH)
    (found,) = open_key_file(tmp_path / "keys", sealed).signers("heads")
    assert found.public_key == made.public_key
    with pytest.raises(KeyFileRefused, match="keys"):
        open_key_file(tmp_path / "keys", seal_of(Secret("another passphrase, as long"), setting="a.seal", dev=False))


def test_a_seal_that_is_none_is_refused_by_its_name() -> None:
    with pytest.raises(KeyFileRefused, match=r"telemetry\.seal cannot be used"):
        seal_of(Secret("short"), setting="telemetry.seal", dev=False)
