"""Each check of `ringfence doctor`, with one thing wrong at a time."""

import datetime as dt
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from ringfence_launcher.doctor.certificates import check_certificates, check_pair
from ringfence_launcher.doctor.check import Check, Verdict, anything_wrong, ok, warning, wrong
from ringfence_launcher.doctor.machine import check_data_directory, check_packages, check_python
from support.launcher.certificates import certificate_pem, key_pem

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)


def wrongs(checks: Iterable[Check]) -> list[str]:
    found = [check for check in checks if check.verdict is Verdict.WRONG]
    assert all(check.mend for check in found), "whatever is wrong says how to mend it"
    return [check.found for check in found]


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 5), (3, 13, 9)])
def test_a_python_that_will_do(version: tuple[int, int, int]) -> None:
    assert check_python(version).verdict is Verdict.OK


@pytest.mark.parametrize("version", [(3, 10, 14), (3, 14, 0), (2, 7, 18), (4, 0, 0)])
def test_a_python_that_will_not(version: tuple[int, int, int]) -> None:
    assert wrongs([check_python(version)])


class TestPackages:
    def test_what_is_installed_here_is_enough(self) -> None:
        assert check_packages().verdict is Verdict.OK

    def test_extras_are_not_needed(self) -> None:
        assert check_packages(['no-such-thing>=1 ; extra == "test"']).verdict is Verdict.OK

    def test_a_missing_package_is_named(self) -> None:
        (found,) = wrongs([check_packages(["grpcio>=1.85", "no-such-thing<2"])])
        assert "no-such-thing" in found
        assert "grpcio" not in found

    def test_generated_code_that_the_runtime_is_too_old_for(self) -> None:
        def load(_name: str) -> None:
            raise RuntimeError("The grpc package installed is at version 1.60.0")

        assert wrongs([check_packages(load=load)]) == ["The grpc package installed is at version 1.60.0"]


class TestDataDirectory:
    def test_none_yet_is_fine(self, tmp_path: Path) -> None:
        (check,) = check_data_directory(tmp_path / "absent")
        assert check.verdict is Verdict.OK

    def test_one_for_its_owner_alone_is_fine(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o700)
        assert not anything_wrong(check_data_directory(tmp_path))

    @pytest.mark.parametrize("mode", [0o750, 0o705, 0o777])
    def test_one_others_can_reach(self, tmp_path: Path, mode: int) -> None:
        tmp_path.chmod(mode)
        assert any("others can reach" in found for found in wrongs(check_data_directory(tmp_path)))

    @pytest.mark.parametrize("name", ["dev/operator.token", "dev/service.token", "identity.keys"])
    def test_a_secret_others_can_read_is_named(self, tmp_path: Path, name: str) -> None:
        tmp_path.chmod(0o700)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("secret")
        (tmp_path / name).chmod(0o644)
        assert any(name in found for found in wrongs(check_data_directory(tmp_path)))

    def test_a_file_in_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "data").write_text("")
        assert wrongs(check_data_directory(tmp_path / "data"))

    @pytest.mark.parametrize(
        ("free", "verdict"), [(5 << 30, Verdict.OK), (500 << 20, Verdict.WARNING), (1 << 20, Verdict.WRONG)]
    )
    def test_room_left(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, verdict: Verdict) -> None:
        usage = shutil.disk_usage(tmp_path)._replace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        tmp_path.chmod(0o700)
        assert [check.verdict for check in check_data_directory(tmp_path) if check.what == "disk"] == [verdict]


class TestCertificates:
    def judge(self, file: Path) -> Check:
        (check,) = check_certificates([("server", file)], now=NOW)
        return check

    @pytest.mark.parametrize(
        ("begins", "ends", "verdict"),
        [(-10, 200, Verdict.OK), (-10, 29, Verdict.WARNING), (-10, 0, Verdict.WRONG), (1, 200, Verdict.WRONG)],
    )
    def test_how_long_it_is_good(self, tmp_path: Path, begins: int, ends: int, verdict: Verdict) -> None:
        pem, _ = certificate_pem(NOW + dt.timedelta(days=begins), NOW + dt.timedelta(days=ends))
        (tmp_path / "c.pem").write_bytes(pem)
        assert self.judge(tmp_path / "c.pem").verdict is verdict

    def test_of_several_the_first_to_end_counts(self, tmp_path: Path) -> None:
        day = dt.timedelta(days=1)
        long, _ = certificate_pem(NOW - day, NOW + 300 * day)
        short, _ = certificate_pem(NOW - day, NOW + 3 * day)
        (tmp_path / "c.pem").write_bytes(long + short)
        assert "ends in 3 days" in self.judge(tmp_path / "c.pem").found

    @pytest.mark.parametrize("content", [None, b"", b"nonsense"])
    def test_a_file_that_holds_none(self, tmp_path: Path, content: bytes | None) -> None:
        if content is not None:
            (tmp_path / "c.pem").write_bytes(content)
        assert self.judge(tmp_path / "c.pem").verdict is Verdict.WRONG

    def test_a_certificate_and_its_own_key(self, tmp_path: Path) -> None:
        pem, key = certificate_pem(NOW, NOW + dt.timedelta(days=9))
        (tmp_path / "c.pem").write_bytes(pem)
        (tmp_path / "k.pem").write_bytes(key_pem(key))
        assert check_pair("server", tmp_path / "c.pem", tmp_path / "k.pem").verdict is Verdict.OK

    def test_a_certificate_and_another_key(self, tmp_path: Path) -> None:
        pem, _ = certificate_pem(NOW, NOW + dt.timedelta(days=9))
        (tmp_path / "c.pem").write_bytes(pem)
        _, other = certificate_pem(NOW, NOW + dt.timedelta(days=9))
        (tmp_path / "k.pem").write_bytes(key_pem(other))
        assert "is not the key of" in check_pair("server", tmp_path / "c.pem", tmp_path / "k.pem").found
        assert check_pair("server", tmp_path / "c.pem", tmp_path / "absent").verdict is Verdict.WRONG


def test_warnings_are_not_wrong() -> None:
    assert not anything_wrong([ok("a", "b"), warning("a", "b", mend="c")])
    assert anything_wrong([ok("a", "b"), wrong("a", "b", mend="c")])
