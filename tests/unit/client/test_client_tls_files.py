"""When replaced certificates are used, and when the old ones stay."""

import logging
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from ringfence.credentials import ChannelError, Tls
from ringfence.tls_files import LOOK_EVERY_S, TlsFiles
from support.certificates import Authority, Pair
from support.stepped_pace import SteppedPace


class Rotating:
    """A channel's files, and whoever replaces them."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority()
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(self.authority.certificate)
        config = self.authority.issue(name="first").write(folder, "client")
        self.cert_file, self.key_file = config.cert_file, config.key_file
        self.pace = SteppedPace()
        tls = Tls(ca_file=self.ca_file, cert_file=self.cert_file, key_file=self.key_file)
        self.files = TlsFiles(tls, self.pace.pace().now)

    def next_pair(self) -> Pair:
        return self.authority.issue(name="next")

    def looked_at(self) -> bool:
        """Let the next look come, and return what it says."""
        self.pace.now += LOOK_EVERY_S
        return self.files.are_new()


@pytest.fixture
def rotating(tmp_path: Path) -> Rotating:
    return Rotating(tmp_path)


def test_what_stays_is_not_new(rotating: Rotating) -> None:
    before = rotating.files.credentials
    assert not rotating.looked_at()
    assert rotating.files.credentials is before


def test_a_replaced_pair_is_new_once(rotating: Rotating) -> None:
    before = rotating.files.credentials
    rotating.next_pair().write(rotating.cert_file.parent, "client")
    assert rotating.looked_at()
    assert rotating.files.credentials is not before
    assert not rotating.looked_at()


def test_files_are_looked_at_once_a_second(rotating: Rotating) -> None:
    rotating.next_pair().write(rotating.cert_file.parent, "client")
    rotating.pace.now += LOOK_EVERY_S / 2
    assert not rotating.files.are_new()
    rotating.pace.now += LOOK_EVERY_S / 2
    assert rotating.files.are_new()


def test_new_authorities_are_new(rotating: Rotating) -> None:
    rotating.ca_file.write_bytes(rotating.authority.certificate + Authority("another").certificate)
    assert rotating.looked_at()


def test_half_a_pair_is_waited_for_and_told_once(rotating: Rotating, caplog: pytest.LogCaptureFixture) -> None:
    pair, before = rotating.next_pair(), rotating.files.credentials
    rotating.cert_file.write_bytes(pair.certificate)
    with caplog.at_level(logging.WARNING):
        assert [rotating.looked_at() for _ in range(3)] == [False] * 3
    assert rotating.files.credentials is before
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("certificate not replaced, the old one stays until its files are right")
    rotating.key_file.write_bytes(pair.key)
    assert rotating.looked_at()


@pytest.mark.parametrize("name", ["ca_file", "cert_file", "key_file"])
@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
def test_what_is_bad_or_gone_replaces_nothing(rotating: Rotating, name: str, content: bytes | None) -> None:
    path: Path = getattr(rotating, name)
    good, before = path.read_bytes(), rotating.files.credentials
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    assert not rotating.looked_at()
    assert rotating.files.credentials is before
    path.write_bytes(good)
    assert rotating.looked_at()


def test_nobody_is_asked_for_the_password_of_a_key(rotating: Rotating) -> None:
    pair = rotating.next_pair()
    key = load_pem_private_key(pair.key, password=None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    Pair(pair.certificate, locked).write(rotating.cert_file.parent, "client")
    assert not rotating.looked_at()


def test_a_swapped_link_is_followed(tmp_path: Path) -> None:
    """As Kubernetes replaces a mounted secret: all files at once, by one link."""
    authority = Authority()
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        authority.issue(name=name).write(tmp_path / name, "tls")
    link, pace = tmp_path / "data", SteppedPace()
    link.symlink_to(tmp_path / "first")
    files = TlsFiles(Tls(cert_file=link / "tls.crt", key_file=link / "tls.key"), pace.pace().now)
    (tmp_path / "new").symlink_to(tmp_path / "second")
    (tmp_path / "new").replace(link)
    pace.now += LOOK_EVERY_S
    assert files.are_new()


def test_at_the_beginning_files_have_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(ChannelError, match="cannot be read"):
        TlsFiles(Tls(ca_file=tmp_path / "none.pem"), SteppedPace().pace().now)
