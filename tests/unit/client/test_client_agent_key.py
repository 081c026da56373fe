import base64
import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from joserfc import jwt
from joserfc.jwk import OKPKey
from ringfence.agent_key import AgentKey, KeyFileError, registration_input
from ringfence.identity.v1.identity_pb2 import BirthCertificateContent, EvaluationGate, EvaluationPlan
from ringfence.proofs.card_forms import CardFormError
from ringfence.proofs.card_keys import card_key
from ringfence.proofs.card_verdict import Coverage, KnownKey, SignatureStatus, SignedCard
from ringfence.proofs.public_keys import import_key

SEED = bytes(range(32))
NOW = 1_767_225_600


@pytest.fixture
def key() -> AgentKey:
    return AgentKey(private_key=Ed25519PrivateKey.from_private_bytes(SEED), did="did:webvh:x", environment="prod")


def pem(private: Any, encryption: KeySerializationEncryption | None = None) -> bytes:
    encoded: bytes = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    return encoded


def write(file: Path, content: str | bytes) -> Path:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    file.chmod(0o600)
    return file


class TestFile:
    def test_a_saved_key_is_loaded_as_it_was(self, key: AgentKey, tmp_path: Path) -> None:
        key.save(tmp_path / "agent.key")
        loaded = AgentKey.load(tmp_path / "agent.key")
        assert loaded == key
        assert loaded.public_key == key.public_key

    @pytest.mark.parametrize("umask", [0, 0o077, 0o777])
    def test_it_is_for_its_owner_only_whatever_the_umask(self, key: AgentKey, tmp_path: Path, umask: int) -> None:
        previous = os.umask(umask)
        try:
            key.save(tmp_path / "agent.key")
        finally:
            os.umask(previous)
        assert stat.S_IMODE((tmp_path / "agent.key").stat().st_mode) == 0o600

    def test_it_never_replaces_another_file(self, key: AgentKey, tmp_path: Path) -> None:
        key.save(tmp_path / "agent.key")
        with pytest.raises(KeyFileError, match="exists already"):
            AgentKey.generate().save(tmp_path / "agent.key")
        assert AgentKey.load(tmp_path / "agent.key").public_key == key.public_key
        assert [file.name for file in tmp_path.iterdir()] == ["agent.key"], "and leaves nothing beside it"

    def test_it_does_not_follow_a_link_that_was_planted(self, key: AgentKey, tmp_path: Path) -> None:
        (tmp_path / "agent.key").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(KeyFileError, match="exists already"):
            key.save(tmp_path / "agent.key")
        assert not (tmp_path / "elsewhere").exists()

    def test_a_directory_that_is_not_there_is_named(self, key: AgentKey, tmp_path: Path) -> None:
        with pytest.raises(KeyFileError, match="cannot be written: No such file"):
            key.save(tmp_path / "none" / "agent.key")

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622, 0o610])
    def test_a_file_others_may_touch_is_refused(self, key: AgentKey, tmp_path: Path, mode: int) -> None:
        file = tmp_path / "agent.key"
        key.save(file)
        file.chmod(mode)
        with pytest.raises(KeyFileError, match=f"chmod 600 {file}"):
            AgentKey.load(file)

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(KeyFileError, match="cannot be read: No such file"):
            AgentKey.load(tmp_path / "none.key")

    def test_a_pipe_does_not_hang_it(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe", 0o600)
        with pytest.raises(KeyFileError, match="not a plain file"):
            AgentKey.load(tmp_path / "pipe")

    def test_a_pem_as_openssl_makes_it(self, key: AgentKey, tmp_path: Path) -> None:
        loaded = AgentKey.load(write(tmp_path / "agent.pem", pem(key.private_key)))
        assert (loaded.public_key, loaded.did) == (key.public_key, "")

    def test_what_is_not_such_a_key_is_refused(self, key: AgentKey, tmp_path: Path) -> None:
        other = AgentKey.generate()
        document = {**key.public_jwk, "d": _base64url(SEED)}
        bad: dict[str, str | bytes] = {
            "nothing": "",
            "garbage": "garbage",
            "not text": b"\xff\xfe",
            "not an object": "[]",
            "deep": "[" * 100_000,
            "no private half": json.dumps(key.public_jwk),
            "short": json.dumps({**document, "d": "AAAA"}),
            "another curve": json.dumps({**document, "crv": "X25519"}),
            "halves of two keys": json.dumps({**document, "x": other.public_jwk["x"]}),
            "a number as a name": json.dumps({**document, "did": 7}),
            "a pem of another kind": pem(ec.generate_private_key(ec.SECP256R1())),
            "an encrypted pem": pem(key.private_key, BestAvailableEncryption(b"secret")),
            "a broken pem": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        }
        for name, content in bad.items():
            file = write(tmp_path / name, content)
            with pytest.raises(KeyFileError) as refused:
                AgentKey.load(file)
            assert refused.value.file == file

    def test_its_repr_does_not_show_the_key(self, key: AgentKey) -> None:
        assert "private" not in repr(key)

    def test_two_keys_are_two_keys(self) -> None:
        assert AgentKey.generate().public_key != AgentKey.generate().public_key


class TestKeyId:
    def test_it_is_the_rfc_7638_thumbprint(self, key: AgentKey) -> None:
        assert key.key_id == OKPKey.import_key({**key.public_jwk}).thumbprint()


class TestRegistration:
    CONTENT = BirthCertificateContent(
        purpose="Reconcile invoices. ☂",
        sponsor="sponsors/ada",
        permissions=["orders:read"],
        ring_ceiling=1,
        evaluation_plan=EvaluationPlan(gates=[EvaluationGate(suite="s", minimum_micros=980_000, result_micros=0)]),
    )

    def test_the_signing_input_is_the_documented_bytes(self) -> None:
        canonical = (
            '{"evaluationPlan":{"gates":[{"minimumMicros":980000,"resultMicros":0,"suite":"s"}]},'
            '"permissions":["orders:read"],"purpose":"Reconcile invoices. ☂","ringCeiling":1,"sponsor":"sponsors/ada"}'
        )
        assert registration_input(b"challenge", self.CONTENT) == (
            b"ringfence.dev/identity/v1/registration\x00challenge" + hashlib.sha256(canonical.encode()).digest()
        )

    def test_the_proof_verifies_over_them(self, key: AgentKey) -> None:
        proof = key.prove_registration(b"challenge", self.CONTENT)
        public = Ed25519PublicKey.from_public_bytes(key.public_key)
        public.verify(proof, registration_input(b"challenge", self.CONTENT))


class TestAssertion:
    def test_a_library_verifies_it_and_reads_the_claims(self, key: AgentKey) -> None:
        assertion = key.assertion(did=key.did, issuer="https://issuer", now=NOW, jti="once")
        decoded = jwt.decode(assertion, OKPKey.import_key({**key.public_jwk}), algorithms=["EdDSA"])
        assert decoded.header == {"alg": "EdDSA", "kid": key.key_id, "typ": "client-authentication+jwt"}
        assert decoded.claims == {
            "iss": "did:webvh:x",
            "sub": "did:webvh:x",
            "aud": "https://issuer",
            "iat": NOW,
            "exp": NOW + 60,
            "jti": "once",
        }

    @pytest.mark.parametrize(("asked", "given"), [(10, 10), (60, 60), (3_600, 60)])
    def test_it_never_lives_longer_than_is_accepted(self, key: AgentKey, asked: int, given: int) -> None:
        assertion = key.assertion(did=key.did, issuer="i", now=NOW, jti="once", lifetime=asked)
        claims = json.loads(base64.urlsafe_b64decode(assertion.split(".")[1] + "=="))
        assert claims["exp"] - claims["iat"] == given


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


CARD: dict[str, Any] = {"name": "Ledger", "skills": [{"id": "read", "tags": ["ledger"]}]}


def test_a_card_is_signed_under_the_name_the_agent_was_given(key: AgentKey) -> None:
    entry = key.sign_card(CARD)
    signed = SignedCard({**CARD, "signatures": [entry]})
    assert signed.key_ids == (f"did:webvh:x#{key.key_id}",)
    answer = KnownKey(key=card_key(import_key(key.public_key)), signer="did:webvh:x")
    (verdict,) = signed.judge({signed.key_ids[0]: answer})
    assert (verdict.status, verdict.coverage) == (SignatureStatus.VERIFIED, Coverage.FULL)


def test_a_card_that_verifiers_read_differently_is_not_signed(key: AgentKey) -> None:
    with pytest.raises(CardFormError, match="SDK"):
        key.sign_card({**CARD, "description": ""})


def test_an_agent_without_a_name_signs_no_card() -> None:
    with pytest.raises(ValueError, match="not enrolled"):
        AgentKey.generate().sign_card(CARD)
