import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from ringfence.identity.v1.identity_pb2 import BirthCertificateContent, EvaluationGate, EvaluationPlan
from ringfence_identity.birth_certificate import BirthContent
from ringfence_identity.birth_certificate import EvaluationGate as StatedGate
from ringfence_identity.birth_certificate import EvaluationPlan as StatedPlan
from ringfence_identity.client_assertion import check_assertion, read_assertion
from ringfence_identity.public_keys import import_key
from ringfence_identity.registration import require_possession
from ringfence_kit.clock import Instant
from ringfence_launcher.agent_key import AgentKey, new_key, read_key
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Problem

NOW = Instant(1_767_225_600_500)


def pkcs8(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class TestFile:
    @pytest.fixture
    def a_generous_umask(self) -> Iterator[None]:
        before = os.umask(0)
        yield
        os.umask(before)

    @pytest.mark.usefixtures("a_generous_umask")
    def test_a_new_file_is_for_its_owner_alone_and_reads_back(self, tmp_path: Path) -> None:
        key = new_key().enrolled_as(agent="namespaces/demo/agents/a", environment="dev", did="did:key:z6Mk")
        key.create(tmp_path / "a.key")
        assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600
        read = read_key(tmp_path / "a.key")
        assert read.public_bytes == key.public_bytes
        assert (read.agent, read.environment, read.did) == (key.agent, key.environment, key.did)

    def test_an_existing_file_is_never_replaced(self, tmp_path: Path) -> None:
        new_key().create(tmp_path / "a.key")
        before = (tmp_path / "a.key").read_bytes()
        with pytest.raises(Problem, match="exists already"):
            new_key().create(tmp_path / "a.key")
        assert (tmp_path / "a.key").read_bytes() == before

    def test_a_link_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "a.key").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(Problem):
            new_key().create(tmp_path / "a.key")
        assert not (tmp_path / "elsewhere").exists()

    def test_updating_keeps_the_key_and_the_mode(self, tmp_path: Path) -> None:
        key = new_key()
        key.create(tmp_path / "a.key")
        key.enrolled_as(agent="n", environment="dev", did="did:x").update(tmp_path / "a.key")
        assert read_key(tmp_path / "a.key").did == "did:x"
        assert read_key(tmp_path / "a.key").public_bytes == key.public_bytes
        assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600
        assert [entry.name for entry in tmp_path.iterdir()] == ["a.key"]

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
    def test_a_file_others_may_read_is_refused(self, tmp_path: Path, mode: int) -> None:
        new_key().create(tmp_path / "a.key")
        (tmp_path / "a.key").chmod(mode)
        with pytest.raises(Problem) as raised:
            read_key(tmp_path / "a.key")
        assert raised.value.code is ExitCode.CONFIGURATION
        assert "chmod 600" in raised.value.mend

    def test_a_key_made_by_openssl_is_read(self, tmp_path: Path) -> None:
        private = Ed25519PrivateKey.generate()
        (tmp_path / "a.pem").write_bytes(pkcs8(private))
        (tmp_path / "a.pem").chmod(0o600)
        assert read_key(tmp_path / "a.pem").public_bytes == private.public_key().public_bytes_raw()

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{}",
            b"[]",
            b"null",
            b"\xff",
            b'{"kty":"OKP","crv":"X25519"}',
            b'{"kty":"OKP","crv":"Ed25519","x":"","d":"AA"}',
            b'{"kty":"OKP","crv":"Ed25519","x":"","d":5}',
            b"-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n",
            b"[" * 100_000,
        ],
    )
    def test_what_is_no_key_says_so(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "a.key").write_bytes(content)
        (tmp_path / "a.key").chmod(0o600)
        with pytest.raises(Problem) as raised:
            read_key(tmp_path / "a.key")
        assert raised.value.code is ExitCode.CONFIGURATION

    def test_a_key_of_another_kind_says_so(self, tmp_path: Path) -> None:
        other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / "a.pem").write_bytes(other)
        (tmp_path / "a.pem").chmod(0o600)
        with pytest.raises(Problem, match="not an Ed25519 key"):
            read_key(tmp_path / "a.pem")

    def test_halves_that_do_not_belong_together_are_refused(self, tmp_path: Path) -> None:
        new_key().create(tmp_path / "a.key")
        document = json.loads((tmp_path / "a.key").read_text()) | {"x": new_key().public_jwk["x"]}
        (tmp_path / "a.key").write_text(json.dumps(document))
        with pytest.raises(Problem, match="belong together"):
            read_key(tmp_path / "a.key")

    def test_a_missing_file_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(Problem, match="cannot be used"):
            read_key(tmp_path / "absent")

    def test_the_private_key_is_not_in_a_repr(self) -> None:
        assert "private" not in repr(new_key())


class TestSignatures:
    """What is signed here is what the identity service verifies there, proven with its own code."""

    def test_a_proof_of_possession_is_one(self) -> None:
        key = new_key()
        gate = EvaluationGate(suite="safety", minimum_micros=980_000, result_micros=0, evidence_hash="sha256-ab")
        content = BirthCertificateContent(
            purpose="Zoë's answers \u2028",
            ring_ceiling=2,
            evaluation_plan=EvaluationPlan(uri="u", hash="h", gates=[gate]),
        )
        stated = BirthContent(
            purpose="Zoë's answers \u2028",
            ring_ceiling=2,
            evaluation_plan=StatedPlan(
                uri="u",
                hash="h",
                gates=(StatedGate(suite="safety", minimum_micros=980_000, result_micros=0, evidence_hash="sha256-ab"),),
            ),
        )
        proof = key.prove_registration(b"challenge", content)
        require_possession(import_key(key.public_bytes), proof, b"challenge", stated)

    def test_an_assertion_is_accepted(self) -> None:
        key: AgentKey = new_key().enrolled_as(agent="n", environment="dev", did="did:webvh:x")
        compact = key.assertion(issuer="https://dev.example", now=NOW, jti="one")
        public = import_key(key.public_bytes)
        accepted = check_assertion(read_assertion(compact), key=public, issuer="https://dev.example", now=NOW)
        assert accepted.jti == "one"
        assert accepted.expires_at - NOW <= 60_000
