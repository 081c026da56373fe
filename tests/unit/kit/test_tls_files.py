"""Certificate files: judged before they are used, and the last good ones kept."""

from pathlib import Path

import pytest
from ringfence_kit.refusals import FileUnusable
from ringfence_kit.tls import Certificates, read_material
from support.certificates import Authority, Pair


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.issue(dns=["echo.example"])


def test_good_files(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    material = read_material(pair.write(tmp_path, "echo", client_ca=authority))
    assert (material.chain, material.key, material.client_ca) == (pair.certificate, pair.key, authority.certificate)
    assert Certificates(pair.write(tmp_path, "echo", client_ca=authority)).mutual
    assert not Certificates(pair.write(tmp_path, "echo")).mutual


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("echo.crt", None, "the certificate .*echo.crt: cannot be read: No such file"),
        ("echo.crt", b"", "the certificate .*echo.crt: is not PEM"),
        ("echo.crt", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "the certificate .*is not PEM"),
        ("echo.key", None, "the private key .*echo.key: cannot be read"),
        ("echo.key", b"nonsense", "the private key .*echo.key: "),
        ("echo-clients.crt", None, "the client CA file .*cannot be read"),
        ("echo-clients.crt", b"nonsense", "the client CA file .*is not PEM"),
    ],
)
def test_files_that_cannot_be_used(
    authority: Authority, pair: Pair, tmp_path: Path, name: str, content: bytes | None, problem: str
) -> None:
    config = pair.write(tmp_path, "echo", client_ca=authority)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FileUnusable, match=problem):
        read_material(config)


def test_the_key_of_another_certificate(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    config = pair.write(tmp_path, "echo")
    config.key_file.write_bytes(authority.issue().key)
    with pytest.raises(FileUnusable, match=r"is not the key of the certificate in .*echo\.crt"):
        read_material(config)


class TestReplacement:
    def test_a_pair_is_taken_once_both_files_are_there(self, authority: Authority, pair: Pair, tmp_path: Path) -> None:
        config = pair.write(tmp_path, "echo")
        certificates = Certificates(config)
        before = certificates.current()
        assert certificates.current() is before
        after = authority.issue(dns=["echo.example"], name="rotated, and longer")
        config.cert_file.write_bytes(after.certificate)
        assert certificates.current() is before
        config.key_file.write_bytes(after.key)
        assert certificates.current().chain == after.certificate

    def test_a_file_that_vanishes_and_returns(self, pair: Pair, tmp_path: Path) -> None:
        config = pair.write(tmp_path, "echo")
        certificates = Certificates(config)
        before = certificates.current()
        config.key_file.unlink()
        assert certificates.current() is before
        config.key_file.write_bytes(pair.key)
        assert certificates.current().key == pair.key

    def test_a_symlink_that_is_swapped(self, authority: Authority, pair: Pair, tmp_path: Path) -> None:
        # As Kubernetes replaces a mounted secret: the files are links through a directory that is switched.
        for name, content in (("one", pair), ("two", authority.issue())):
            (tmp_path / name).mkdir()
            content.write(tmp_path / name, "echo")
        link = tmp_path / "current"
        link.symlink_to("one")
        config = pair.write(tmp_path / "one", "echo")
        linked = type(config)(cert_file=link / "echo.crt", key_file=link / "echo.key")
        certificates = Certificates(linked)
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").rename(link)
        assert certificates.current().chain == (tmp_path / "two" / "echo.crt").read_bytes()

    def test_an_https_context_is_made_of_the_newest(self, pair: Pair, tmp_path: Path) -> None:
        assert Certificates(pair.write(tmp_path, "echo")).http_context().minimum_version.name == "TLSv1_2"
