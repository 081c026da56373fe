import base64
from pathlib import Path

import pytest
from ringfence_kit.sealing import (
    MAGIC,
    Seal,
    SealBrokenError,
    SealKind,
    SealKindError,
    WeakSealSecretError,
    read_seal,
)

KEY = bytes(range(32))
PASSPHRASE = "correct horse battery staple"


@pytest.mark.parametrize("seal", [Seal.from_key(KEY), Seal.from_text(PASSPHRASE), Seal.unsealed()], ids=str)
def test_opens_what_it_sealed(seal: Seal) -> None:
    assert seal.open(seal.seal(b"content")) == b"content"


def test_a_sealed_blob_does_not_show_its_content() -> None:
    assert b"content" not in Seal.from_key(KEY).seal(b"content")


def test_sealing_twice_gives_two_blobs_under_two_salts() -> None:
    seal = Seal.from_key(KEY)
    assert seal.seal(b"content")[9:25] != seal.seal(b"content")[9:25]


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(SealBrokenError, match="another secret"):
        Seal.from_key(bytes(32)).open(Seal.from_key(KEY).seal(b"content"))


def test_another_passphrase_does_not_open_it() -> None:
    with pytest.raises(SealBrokenError):
        Seal.from_text("a quite different passphrase").open(Seal.from_text(PASSPHRASE).seal(b"content"))


def test_a_sealed_store_does_not_accept_an_unsealed_blob_in_its_place() -> None:
    with pytest.raises(SealKindError, match="not sealed") as refused:
        Seal.from_key(KEY).open(Seal.unsealed().seal(b"planted"))
    assert refused.value.found is SealKind.UNSEALED
    assert refused.value.configured is SealKind.KEY


@pytest.mark.parametrize("blob", [b"", b"RF", MAGIC, b"x" * 100, MAGIC + b"\x07" + b"x" * 60])
def test_what_is_no_sealed_blob_is_refused(blob: bytes) -> None:
    with pytest.raises(SealBrokenError):
        Seal.from_key(KEY).open(blob)


@pytest.mark.parametrize(
    "text",
    [
        KEY.hex(),
        KEY.hex().upper(),
        base64.b64encode(KEY).decode(),
        base64.urlsafe_b64encode(KEY).decode().rstrip("="),
        f"  {base64.b64encode(KEY).decode()}\n",
    ],
)
def test_a_key_may_be_written_as_hex_or_base64(text: str) -> None:
    assert Seal.from_text(text) == Seal.from_key(KEY)


@pytest.mark.parametrize("text", ["", "short", "fifteen chars!!"])
def test_a_short_passphrase_is_refused_with_the_command_that_makes_a_key(text: str) -> None:
    with pytest.raises(WeakSealSecretError, match="openssl rand -base64 32"):
        Seal.from_text(text)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(WeakSealSecretError, match="32 bytes"):
        Seal.from_key(bytes(length))


def test_a_seal_does_not_print_its_secret() -> None:
    assert PASSPHRASE not in repr(Seal.from_text(PASSPHRASE))


def test_the_format_of_version_one_is_fixed() -> None:
    """A blob written by any version 1 opens in every later release."""
    counting = Seal.from_key(KEY, random=lambda count: bytes(range(count)))
    blob = counting.seal(b"content")
    assert (
        blob.hex()
        == (
            "52465345414c0001"  # magic
            "01"  # sealed with a key
            "000102030405060708090a0b0c0d0e0f"  # salt
            "000102030405060708090a0b"  # nonce
            + blob[37:].hex()
        )
    )
    assert len(blob[37:]) == len(b"content") + 16
    assert blob[37:].hex() == GOLDEN_CIPHERTEXT


GOLDEN_CIPHERTEXT = "0a43606f8013f627a6266739b6598d1238f84286c0b41a"


class TestReadSeal:
    def test_prefers_the_secret_file(self, tmp_path: Path) -> None:
        file = tmp_path / "secret"
        file.write_text(KEY.hex() + "\n")
        seal = read_seal(environ={"SEAL": PASSPHRASE}, variable="SEAL", secret_file=file, dev=False)
        assert seal == Seal.from_key(KEY)

    def test_takes_the_variable_when_there_is_no_file(self) -> None:
        seal = read_seal(environ={"SEAL": PASSPHRASE}, variable="SEAL", secret_file=None, dev=True)
        assert seal.kind is SealKind.PASSPHRASE

    def test_a_missing_file_is_not_replaced_by_the_variable(self, tmp_path: Path) -> None:
        with pytest.raises(WeakSealSecretError, match="cannot be read"):
            read_seal(environ={"SEAL": PASSPHRASE}, variable="SEAL", secret_file=tmp_path / "none", dev=True)

    def test_a_file_that_is_not_text_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "secret"
        file.write_bytes(b"\xff\xfe" * 20)
        with pytest.raises(WeakSealSecretError, match="cannot be read"):
            read_seal(environ={}, variable="SEAL", secret_file=file, dev=True)

    def test_an_empty_variable_is_a_mistake_even_in_dev(self) -> None:
        with pytest.raises(WeakSealSecretError):
            read_seal(environ={"SEAL": ""}, variable="SEAL", secret_file=None, dev=True)

    def test_dev_without_a_secret_is_unsealed(self) -> None:
        assert read_seal(environ={}, variable="SEAL", secret_file=None, dev=True).kind is SealKind.UNSEALED

    def test_production_without_a_secret_is_refused_and_says_what_to_set(self) -> None:
        with pytest.raises(WeakSealSecretError, match="set SEAL"):
            read_seal(environ={}, variable="SEAL", secret_file=None, dev=False)
