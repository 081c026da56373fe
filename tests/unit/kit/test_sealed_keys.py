import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc.jwk import ECKey, OKPKey
from ringfence.proofs.jwk_set import key_of_jwk
from ringfence_kit.clock import Instant
from ringfence_kit.sealed_keys import (
    P256_ORDER,
    FileKeyStore,
    KeyFileError,
    KeyStoreError,
    KeyUnknownError,
    check_guarded,
)
from ringfence_kit.sealing import Seal

AT = Instant(1_767_225_600_000)
SEAL = Seal.from_key(bytes(range(32)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "identity.keys"


@pytest.fixture
def store(path: Path) -> FileKeyStore:
    return FileKeyStore(path, SEAL)


class TestSigners:
    def test_there_are_none_at_first(self, store: FileKeyStore) -> None:
        assert store.signers("dev/issuer") == ()

    def test_ensure_makes_the_first_one_and_then_leaves_it(self, store: FileKeyStore) -> None:
        (first,) = store.ensure_signers("dev/issuer", at=AT)
        (again,) = store.ensure_signers("dev/issuer", at=Instant(AT + 1))
        assert (first.key_id, first.created_at) == (again.key_id, again.created_at) == (again.key_id, AT)

    def test_signatures_verify_with_the_public_key(self, store: FileKeyStore) -> None:
        signer = store.add_signer("dev/issuer", at=AT)
        Ed25519PublicKey.from_public_bytes(signer.public_key).verify(signer.sign(b"message"), b"message")

    def test_the_key_id_is_the_rfc_7638_thumbprint(self, store: FileKeyStore) -> None:
        signer = store.add_signer("dev/issuer", at=AT)
        pem = Ed25519PublicKey.from_public_bytes(signer.public_key)
        assert signer.key_id == OKPKey.import_key(_raw_to_pem(pem)).thumbprint()

    def test_rotation_keeps_the_old_key_and_puts_the_new_one_last(self, store: FileKeyStore) -> None:
        old = store.add_signer("dev/issuer", at=AT)
        new = store.add_signer("dev/issuer", at=Instant(AT + 5))
        assert [signer.key_id for signer in store.signers("dev/issuer")] == [old.key_id, new.key_id]

    def test_a_removed_key_is_gone_after_a_restart(self, store: FileKeyStore, path: Path) -> None:
        old = store.add_signer("dev/issuer", at=AT)
        new = store.add_signer("dev/issuer", at=AT)
        store.remove("dev/issuer", old.key_id)
        assert [signer.key_id for signer in FileKeyStore(path, SEAL).signers("dev/issuer")] == [new.key_id]

    def test_environments_do_not_share_keys(self, store: FileKeyStore) -> None:
        dev = store.add_signer("dev/issuer", at=AT)
        prod = store.add_signer("prod/issuer", at=AT)
        assert dev.key_id != prod.key_id
        assert [signer.key_id for signer in store.signers("prod/issuer")] == [prod.key_id]

    def test_does_not_show_the_private_key_in_a_repr(self, store: FileKeyStore, path: Path) -> None:
        signer = store.add_signer("dev/issuer", at=AT)
        assert not hasattr(signer, "__dict__")
        assert "secret" not in repr(signer)


class TestP256Signers:
    def test_signatures_verify_with_the_public_key_and_are_r_and_s(self, store: FileKeyStore) -> None:
        signer = store.add_p256_signer("dev/issuer-es256", at=AT)
        signature = signer.sign(b"message")
        assert len(signature) == 64
        assert signer.algorithm == "ES256"
        assert key_of_jwk(signer.jwk).verifies(signature, b"message")
        assert not key_of_jwk(signer.jwk).verifies(signature, b"another message")

    def test_the_key_id_is_the_rfc_7638_thumbprint(self, store: FileKeyStore) -> None:
        signer = store.add_p256_signer("dev/issuer-es256", at=AT)
        assert signer.key_id == ECKey.import_key({**signer.jwk}).thumbprint()

    def test_they_survive_a_restart_sealed(self, store: FileKeyStore, path: Path) -> None:
        signer = store.add_p256_signer("dev/issuer-es256", at=AT)
        (again,) = FileKeyStore(path, SEAL).p256_signers("dev/issuer-es256")
        assert (again.key_id, again.created_at, again.jwk) == (signer.key_id, AT, signer.jwk)

    def test_one_is_removed_by_its_id(self, store: FileKeyStore, path: Path) -> None:
        old = store.add_p256_signer("dev/issuer-es256", at=AT)
        new = store.add_p256_signer("dev/issuer-es256", at=AT)
        store.remove("dev/issuer-es256", old.key_id)
        assert [signer.key_id for signer in FileKeyStore(path, SEAL).p256_signers("dev/issuer-es256")] == [new.key_id]

    def test_a_number_beyond_the_order_of_the_group_is_drawn_again(self, path: Path) -> None:
        draws = [b"\xff" * 32, bytes(32), P256_ORDER.to_bytes(32), (P256_ORDER - 1).to_bytes(32)]
        store = FileKeyStore(path, SEAL, random=lambda _: draws.pop(0))
        assert store.add_p256_signer("dev/issuer-es256", at=AT).key_id
        assert draws == []

    @pytest.mark.parametrize("kind", ["signers", "mac_keys"])
    def test_no_key_has_two_algorithms(self, store: FileKeyStore, kind: str) -> None:
        store.add_p256_signer("dev/issuer", at=AT)
        with pytest.raises(KeyStoreError, match="use another name"):
            getattr(store, kind)("dev/issuer")
        with pytest.raises(KeyStoreError, match="use another name"):
            store.ensure_signers("dev/issuer", at=AT)

    def test_what_another_process_added_or_removed_is_seen_after_a_refresh(
        self, store: FileKeyStore, path: Path
    ) -> None:
        first = store.add_p256_signer("dev/issuer", at=AT)
        another_process = FileKeyStore(path, SEAL)
        second = another_process.add_p256_signer("dev/issuer", at=AT)
        another_process.remove("dev/issuer", first.key_id)
        assert [signer.key_id for signer in store.p256_signers("dev/issuer")] == [first.key_id]
        store.refresh()
        assert [signer.key_id for signer in store.p256_signers("dev/issuer")] == [second.key_id]


class TestMacKeys:
    def test_a_mac_key_survives_a_restart(self, store: FileKeyStore, path: Path) -> None:
        (key,) = store.ensure_mac_keys("page-tokens", at=AT)
        assert FileKeyStore(path, SEAL).mac_keys("page-tokens") == (key,)
        assert len(key.secret) == 32

    def test_its_repr_does_not_show_the_secret(self, store: FileKeyStore) -> None:
        key = store.add_mac_key("page-tokens", at=AT)
        assert repr(key.secret) not in repr(key)

    def test_key_ids_differ(self, store: FileKeyStore) -> None:
        ids = {store.add_mac_key("page-tokens", at=AT).key_id for _ in range(5)}
        assert len(ids) == 5


class TestRefusals:
    def test_removing_an_unknown_key(self, store: FileKeyStore) -> None:
        store.add_signer("dev/issuer", at=AT)
        with pytest.raises(KeyUnknownError, match="dev/issuer has no key nope"):
            store.remove("dev/issuer", "nope")

    def test_removing_a_key_under_another_name(self, store: FileKeyStore) -> None:
        signer = store.add_signer("dev/issuer", at=AT)
        with pytest.raises(KeyUnknownError):
            store.remove("prod/issuer", signer.key_id)

    def test_a_name_is_of_one_use(self, store: FileKeyStore) -> None:
        store.add_signer("dev/issuer", at=AT)
        with pytest.raises(KeyStoreError, match="use another name"):
            store.ensure_mac_keys("dev/issuer", at=AT)

    def test_an_empty_name(self, store: FileKeyStore) -> None:
        with pytest.raises(KeyStoreError, match="needs a name"):
            store.add_signer("", at=AT)

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o602, 0o777])
    def test_a_file_that_lets_others_in(self, store: FileKeyStore, path: Path, mode: int) -> None:
        store.add_signer("dev/issuer", at=AT)
        path.chmod(mode)
        with pytest.raises(KeyFileError, match=f"chmod 600 {path}"):
            FileKeyStore(path, SEAL)

    def test_a_link(self, store: FileKeyStore, path: Path, tmp_path: Path) -> None:
        store.add_signer("dev/issuer", at=AT)
        link = tmp_path / "link.keys"
        link.symlink_to(path)
        with pytest.raises(KeyFileError, match="not a link"):
            FileKeyStore(link, SEAL)

    def test_a_directory(self, tmp_path: Path) -> None:
        with pytest.raises(KeyFileError, match="plain file"):
            FileKeyStore(tmp_path, SEAL)

    def test_a_pipe_does_not_hang_it(self, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe.keys"
        os.mkfifo(pipe, 0o600)
        with pytest.raises(KeyFileError, match="plain file"):
            FileKeyStore(pipe, SEAL)

    def test_a_file_of_another_user(self, store: FileKeyStore, path: Path) -> None:
        store.add_signer("dev/issuer", at=AT)
        with pytest.raises(KeyFileError, match=f"belongs to user {os.geteuid()}, this process is 4711"):
            check_guarded(path, path.stat(), user=4711)

    def test_another_secret(self, store: FileKeyStore, path: Path) -> None:
        store.add_signer("dev/issuer", at=AT)
        with pytest.raises(KeyFileError, match="another secret"):
            FileKeyStore(path, Seal.from_key(bytes(32)))

    def test_an_unsealed_file_in_place_of_a_sealed_one(self, path: Path) -> None:
        FileKeyStore(path, Seal.unsealed()).add_signer("dev/issuer", at=AT)
        with pytest.raises(KeyFileError, match="not sealed"):
            FileKeyStore(path, SEAL)

    @pytest.mark.parametrize("content", [b"\xc1", b"[]", json.dumps({"keys": [{"name": 1}]}).encode()])
    def test_content_that_is_not_keys(self, path: Path, content: bytes) -> None:
        path.parent.mkdir()
        path.write_bytes(Seal.unsealed().seal(content))
        path.chmod(0o600)
        with pytest.raises(KeyFileError):
            FileKeyStore(path, Seal.unsealed())


class TestOnDisk:
    def test_the_file_is_ours_alone_whatever_the_umask(self, path: Path) -> None:
        previous = os.umask(0)
        try:
            FileKeyStore(path, SEAL).add_signer("dev/issuer", at=AT)
        finally:
            os.umask(previous)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_opening_makes_no_file(self, store: FileKeyStore, path: Path) -> None:
        assert not path.exists()

    def test_nothing_is_left_beside_the_file_but_its_lock(self, store: FileKeyStore, path: Path) -> None:
        store.add_signer("dev/issuer", at=AT)
        assert sorted(file.name for file in path.parent.iterdir()) == ["identity.keys", "identity.keys.lock"]

    def test_what_a_crash_left_half_written_is_ignored_and_replaced(self, store: FileKeyStore, path: Path) -> None:
        old = store.add_signer("dev/issuer", at=AT)
        path.with_name("identity.keys.new").write_bytes(b"half")
        reopened = FileKeyStore(path, SEAL)
        new = reopened.add_signer("dev/issuer", at=AT)
        assert [s.key_id for s in FileKeyStore(path, SEAL).signers("dev/issuer")] == [old.key_id, new.key_id]

    def test_says_whether_it_is_sealed(self, tmp_path: Path) -> None:
        assert FileKeyStore(tmp_path / "a", SEAL).sealed
        assert not FileKeyStore(tmp_path / "b", Seal.unsealed()).sealed

    def test_two_stores_on_one_file_keep_each_others_keys(self, path: Path) -> None:
        one, two = FileKeyStore(path, SEAL), FileKeyStore(path, SEAL)
        one.add_signer("dev/issuer", at=AT)
        two.add_signer("prod/issuer", at=AT)
        reopened = FileKeyStore(path, SEAL)
        assert len(reopened.signers("dev/issuer")) == len(reopened.signers("prod/issuer")) == 1

    def test_stores_racing_for_a_missing_key_agree_on_one(self, path: Path) -> None:
        stores = [FileKeyStore(path, SEAL) for _ in range(8)]
        threads = [
            threading.Thread(target=store.ensure_mac_keys, args=("seal",), kwargs={"at": AT}) for store in stores
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({store.mac_keys("seal") for store in stores}) == 1

    def test_processes_racing_for_a_missing_key_agree_on_one(self, path: Path) -> None:
        command = [sys.executable, "-c", RACER, str(path)]
        racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
        ids = {racer.communicate(timeout=60)[0].strip() for racer in racers}
        assert ids == {FileKeyStore(path, Seal.unsealed()).signers("dev/issuer")[0].key_id}


RACER = """
import pathlib, sys
from ringfence_kit.clock import Instant
from ringfence_kit.sealed_keys import FileKeyStore
from ringfence_kit.sealing import Seal
print(FileKeyStore(pathlib.Path(sys.argv[1]), Seal.unsealed()).ensure_signers("dev/issuer", at=Instant(1))[0].key_id)
"""


def _raw_to_pem(key: Ed25519PublicKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
