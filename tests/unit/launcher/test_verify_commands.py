"""`ringfence verify`: what a real mesh signed is judged from files, and every refusal names its rule."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from ringfence.identity.v1 import credential_pb2, identity_pb2_grpc, peer_pb2, revocation_pb2
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import transparency_pb2 as log_pb
from ringfence.identity.v1.transparency_pb2_grpc import TransparencyServiceStub
from ringfence.proofs.delegation_grant import Grant, grant_hash, sign_grant
from ringfence.proofs.did_log_check import stored_entry
from ringfence.proofs.timestamps import timestamp
from ringfence_kit.clock import MINUTE, SECOND, Instant
from ringfence_launcher.exit_codes import ExitCode
from support.identity.births import COMPLETE
from support.identity.keys import seeded_key
from support.identity.mesh import AUDIENCE, IdentityMesh, identity_mesh
from support.launcher.audit_logs import numbered_log
from support.launcher.command_line import CommandLine, Ended
from support.serving import SERVICE

FORMS = (
    (credential_pb2.CREDENTIAL_FORMAT_EDDSA_JCS_2022, ".json"),
    (credential_pb2.CREDENTIAL_FORMAT_VC_JWT, ".jwt"),
)
HOST = "prod.id.ringfence.internal"


@dataclass(frozen=True, slots=True)
class Signed:
    """What the mesh signed for two agents, in files."""

    folder: Path
    now: Instant
    dids: tuple[str, str]
    certificate: str
    """The hash of the first agent's birth certificate."""

    def file(self, name: str) -> str:
        return str(self.folder / name)

    def later(self, seconds: int) -> str:
        return timestamp(Instant(self.now + seconds * SECOND))

    def changed(self, name: str, change: Callable[[str], str]) -> str:
        """Return a copy of a file that somebody edited."""
        copy = self.folder / f"edited-{name}"
        copy.write_text(change((self.folder / name).read_text()))
        return str(copy)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def signed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Signed]:
    folder = tmp_path_factory.mktemp("signed")
    async with identity_mesh(tmp_path_factory.mktemp("data")) as mesh:
        await mesh.with_sponsors()
        one, two = [(await mesh.enrol(f"a{n}", key=seeded_key(n))).identity for n in (1, 2)]
        (folder / "token").write_text((await mesh.token(one)).access_token + "\n")
        (folder / "jwks.json").write_text(await mesh.get("/prod/.well-known/jwks.json"))
        (folder / "registrar.jsonl").write_text(await mesh.get("/prod/.well-known/did.jsonl"))
        (folder / "registrar-dev.jsonl").write_text(await mesh.get("/dev/.well-known/did.jsonl"))
        newest = stored_entry((folder / "registrar.jsonl").read_text().splitlines()[-1])
        (folder / "registrar.json").write_text(json.dumps(newest.state))
        for number, identity in enumerate((one, two), start=1):
            log = await mesh.identity().GetDidLog(pb.GetDidLogRequest(did=identity.did))
            (folder / f"did-{number}.jsonl").write_bytes(log.log)
            await _certificate(mesh, identity.did, folder / f"birth-{number}")
        await _status_lists(mesh, folder)
        stated = await mesh.trust(SERVICE).IssueTrustStatement(peer_pb2.IssueTrustStatementRequest(did=one.did))
        (folder / "statement").write_text(stated.statement)
        (folder / "grants").write_text(_grant(one, two.did, mesh.clock.now()) + "\n")
        now = mesh.clock.now()
        await mesh.identity().Revoke(pb.RevokeRequest(did=one.did, reason="over"))
        mesh.clock.advance(MINUTE)
        (folder / "after").mkdir()
        await _status_lists(mesh, folder / "after")
        await _log(mesh, folder)
    yield Signed(folder, now, (one.did, two.did), one.birth_certificate_hash)


async def _certificate(mesh: IdentityMesh, did: str, file: Path) -> None:
    credentials = identity_pb2_grpc.CredentialServiceStub(mesh.channel())
    for form, suffix in FORMS:
        request = credential_pb2.GetBirthCertificateRequest(did=did, format=form)
        file.with_suffix(suffix).write_bytes((await credentials.GetBirthCertificate(request)).credential)


async def _status_lists(mesh: IdentityMesh, folder: Path) -> None:
    credentials = identity_pb2_grpc.CredentialServiceStub(mesh.channel())
    for number in (1, 2):
        request = revocation_pb2.GetStatusListRequest(environment="prod", list=number)
        (folder / f"status-{number}.json").write_bytes((await credentials.GetStatusList(request)).credential)


async def _log(mesh: IdentityMesh, folder: Path) -> None:
    log = TransparencyServiceStub(mesh.channel())
    old = (await log.GetCheckpoint(log_pb.GetCheckpointRequest())).checkpoint
    await mesh.with_sponsors("katherine")
    new = (await log.GetCheckpoint(log_pb.GetCheckpointRequest())).checkpoint
    grown = await log.GetConsistencyProof(log_pb.GetConsistencyProofRequest(first_tree_size=old.tree_size))
    proof = await log.GetInclusionProof(log_pb.GetInclusionProofRequest(index=3))
    (entry,) = (await log.ListLogEntries(log_pb.ListLogEntriesRequest(start_index=3, page_size=1))).entries
    (folder / "old.txt").write_text(old.signed_note)
    (folder / "new.txt").write_text(new.signed_note)
    (folder / "log.key").write_text(new.verifier_key)
    (folder / "entry").write_bytes(entry.body)
    hashes = [base64.b64encode(each).decode() for each in grown.hashes]
    (folder / "grown.json").write_text(json.dumps({"hashes": hashes}))
    hashes = [base64.b64encode(each).decode() for each in proof.hashes]
    rpc = {"index": "3", "hashes": hashes, "checkpoint": {"signedNote": proof.checkpoint.signed_note}}
    (folder / "proof.json").write_text(json.dumps(rpc))


def _grant(one: pb.AgentIdentity, to: str, now: Instant) -> str:
    return sign_grant(grant(one.did, to, one.birth_certificate_hash, now), seeded_key(1))


def grant(did: str, to: str, certificate: str, now: Instant) -> Grant:
    return Grant(
        delegator=did,
        delegatee=to,
        audiences=(AUDIENCE,),
        environment="prod",
        scopes=COMPLETE.permissions[:1],
        not_before=now,
        expires_at=Instant(now + 10 * MINUTE),
        issued_at=now,
        grant_id="g1",
        chain="g1",
        depth=1,
        max_depth=1,
        parent=certificate,
    )


@pytest.fixture
def verify(capfdbinary: pytest.CaptureFixture[bytes], nowhere: Path) -> Callable[..., Ended]:
    """The command line without a mesh to speak to."""
    line = CommandLine(capfdbinary)
    return lambda *arguments: line("verify", *arguments, "-o", "json")


def holds(ended: Ended) -> dict[str, Any]:
    assert ended.code == 0, ended.out + ended.err
    assert ended.json["holds"]
    assert ended.json["rule"] == ""
    said: dict[str, Any] = ended.json["says"]
    return said


def refused(ended: Ended, rule: str, problem: str = "") -> None:
    assert ended.code == ExitCode.NEGATIVE, ended.out + ended.err
    assert not ended.json["holds"]
    assert (ended.json["rule"], ended.json["says"]) == (rule, {})
    assert problem in ended.json["problem"]


class TestLog:
    def test_a_log_that_holds(self, verify: Callable[..., Ended], signed: Signed) -> None:
        said = holds(verify("log", signed.file("did-1.jsonl"), "--did", signed.dids[0], "--at", signed.later(1)))
        assert (said["did"], said["versions"], said["deactivated"]) == (signed.dids[0], 1, False)

    def test_of_another_did(self, verify: Callable[..., Ended], signed: Signed) -> None:
        refused(verify("log", signed.file("did-1.jsonl"), "--did", signed.dids[1]), "did-log", "of another DID")

    def test_a_changed_byte(self, verify: Callable[..., Ended], signed: Signed) -> None:
        edited = signed.changed(
            "did-1.jsonl", lambda text: text.replace("capabilityDelegation", "capabilityInvocation")
        )
        refused(verify("log", edited, "--did", signed.dids[0], "--at", signed.later(1)), "did-log")

    def test_before_its_time(self, verify: Callable[..., Ended], signed: Signed) -> None:
        early = verify("log", signed.file("did-1.jsonl"), "--did", signed.dids[0], "--at", signed.later(-3_600))
        refused(early, "did-log", "future")

    @pytest.mark.parametrize("did", ["nonsense", "did:key:z6Mk", f"did:web:{HOST}"])
    def test_a_did_without_a_log_is_a_usage_error(self, verify: Callable[..., Ended], signed: Signed, did: str) -> None:
        assert verify("log", signed.file("did-1.jsonl"), "--did", did).code == ExitCode.USAGE

    def test_a_file_that_is_not_there(self, verify: Callable[..., Ended], signed: Signed) -> None:
        ended = verify("log", signed.file("nothing"), "--did", signed.dids[0])
        assert ended.code == ExitCode.CONFIGURATION


class TestToken:
    def ask(self, verify: Callable[..., Ended], signed: Signed, *more: str, token: str = "") -> Ended:
        file = token or signed.file("token")
        return verify(
            "token",
            file,
            "--jwks",
            signed.file("jwks.json"),
            *(more or ("--audience", AUDIENCE)),
            "--at",
            signed.later(1),
        )

    def test_a_token_that_holds(self, verify: Callable[..., Ended], signed: Signed) -> None:
        said = holds(self.ask(verify, signed))
        assert (said["did"], said["environment"], said["ring"]) == (signed.dids[0], "prod", 3)

    def test_on_the_command_line(self, verify: Callable[..., Ended], signed: Signed) -> None:
        holds(self.ask(verify, signed, token=(signed.folder / "token").read_text()))

    def test_for_another_audience(self, verify: Callable[..., Ended], signed: Signed) -> None:
        refused(self.ask(verify, signed, "--audience", "https://other.example.com"), "audience")

    def test_of_another_environment(self, verify: Callable[..., Ended], signed: Signed) -> None:
        refused(self.ask(verify, signed, "--audience", AUDIENCE, "-e", "dev"), "environment")

    def test_of_another_issuer(self, verify: Callable[..., Ended], signed: Signed) -> None:
        refused(self.ask(verify, signed, "--audience", AUDIENCE, "--issuer", "https://dev.example.com"), "issuer")

    def test_too_late(self, verify: Callable[..., Ended], signed: Signed) -> None:
        late = ("--audience", AUDIENCE, "--at", signed.later(3_600))
        refused(verify("token", signed.file("token"), "--jwks", signed.file("jwks.json"), *late), "time")

    def test_with_a_changed_byte(self, verify: Callable[..., Ended], signed: Signed) -> None:
        edited = signed.changed("token", lambda text: text.replace(".", ".e", 1))
        assert self.ask(verify, signed, token=edited).code == 1

    def test_a_key_set_that_is_none(self, verify: Callable[..., Ended], signed: Signed) -> None:
        ended = verify("token", signed.file("token"), "--jwks", signed.file("registrar.json"), "--audience", AUDIENCE)
        assert ended.code == ExitCode.CONFIGURATION


class TestCertificate:
    def ask(self, verify: Callable[..., Ended], signed: Signed, name: str, *more: str) -> Ended:
        registrar = () if "--registrar" in more else ("--registrar", signed.file("registrar.jsonl"))
        return verify("certificate", signed.file(name), *registrar, "--at", signed.later(1), *more)

    @pytest.mark.parametrize("name", ["birth-1.json", "birth-1.jwt"])
    @pytest.mark.parametrize("registrar", ["registrar.jsonl", "registrar.json"])
    def test_both_forms_by_log_or_document(
        self, verify: Callable[..., Ended], signed: Signed, name: str, registrar: str
    ) -> None:
        said = holds(self.ask(verify, signed, name, "--registrar", signed.file(registrar)))
        assert (said["did"], said["environment"], said["serial"]) == (signed.dids[0], "prod", 1)
        assert said["status"].startswith("not asked")

    def test_in_good_standing(self, verify: Callable[..., Ended], signed: Signed) -> None:
        lists = [word for n in (1, 2) for word in ("--status-list", signed.file(f"status-{n}.json"))]
        assert holds(self.ask(verify, signed, "birth-1.json", *lists))["status"] == "good"

    def test_revoked(self, verify: Callable[..., Ended], signed: Signed) -> None:
        lists = [word for n in (1, 2) for word in ("--status-list", signed.file(f"after/status-{n}.json"))]
        late = self.ask(verify, signed, "birth-1.json", *lists, "--at", signed.later(61))
        refused(late, "revoked")

    def test_a_list_withheld(self, verify: Callable[..., Ended], signed: Signed) -> None:
        one = self.ask(verify, signed, "birth-1.json", "--status-list", signed.file("status-1.json"))
        refused(one, "credential", "not at hand")

    def test_by_another_registrar(self, verify: Callable[..., Ended], signed: Signed) -> None:
        foreign = ("--registrar", signed.file("registrar-dev.jsonl"))
        refused(self.ask(verify, signed, "birth-1.json", *foreign), "credential")

    def test_with_a_changed_byte(self, verify: Callable[..., Ended], signed: Signed) -> None:
        edited = signed.changed("birth-1.json", lambda text: text.replace("invoices:read", "invoices:*"))
        registrar = ("--registrar", signed.file("registrar.jsonl"), "--at", signed.later(1))
        refused(verify("certificate", edited, *registrar), "credential")

    @pytest.mark.parametrize("registrar", ["did-1.jsonl", "jwks.json", "token"])
    def test_a_registrar_that_is_none(self, verify: Callable[..., Ended], signed: Signed, registrar: str) -> None:
        ended = self.ask(verify, signed, "birth-1.json", "--registrar", signed.file(registrar))
        assert ended.code == ExitCode.CONFIGURATION


class TestChain:
    def ask(self, verify: Callable[..., Ended], signed: Signed, grants: str, *more: str) -> Ended:
        agents = [
            word
            for n in (1, 2)
            for word in ("--certificate", signed.file(f"birth-{n}.json"), "--log", signed.file(f"did-{n}.jsonl"))
        ]
        return verify("chain", grants, "--registrar", signed.file("registrar.jsonl"), *agents, *more)

    def test_a_chain_that_holds(self, verify: Callable[..., Ended], signed: Signed) -> None:
        said = holds(self.ask(verify, signed, signed.file("grants"), "--at", signed.later(2)))
        assert said["path"] == list(signed.dids)
        assert said["scopes"] == list(COMPLETE.permissions[:1])
        assert said["grants"] == [f"delegations/{grant_hash((signed.folder / 'grants').read_text().strip())}"]

    def test_for_another_audience(self, verify: Callable[..., Ended], signed: Signed) -> None:
        other = ("--audience", "https://other.example.com", "--at", signed.later(2))
        refused(self.ask(verify, signed, signed.file("grants"), *other), "audience", "link 1")

    def test_too_late(self, verify: Callable[..., Ended], signed: Signed) -> None:
        refused(self.ask(verify, signed, signed.file("grants"), "--at", signed.later(1_000)), "time")

    def test_by_another_key(self, verify: Callable[..., Ended], signed: Signed) -> None:
        forged = sign_grant(grant(*signed.dids, signed.certificate, signed.now), seeded_key(9))
        file = signed.folder / "forged"
        file.write_text(forged)
        refused(self.ask(verify, signed, str(file), "--at", signed.later(2)), "key", "link 1")

    def test_an_agent_nobody_knows(self, verify: Callable[..., Ended], signed: Signed) -> None:
        one = ("--certificate", signed.file("birth-1.json"), "--log", signed.file("did-1.jsonl"))
        registrar = ("--registrar", signed.file("registrar.jsonl"), "--at", signed.later(2))
        refused(verify("chain", signed.file("grants"), *registrar, *one), "agent")

    def test_no_grant_at_all(self, verify: Callable[..., Ended], signed: Signed) -> None:
        (signed.folder / "empty").write_text("\n")
        refused(self.ask(verify, signed, signed.file("empty"), "--at", signed.later(2)), "links")


class TestStatement:
    def test_a_statement_that_holds(self, verify: Callable[..., Ended], signed: Signed) -> None:
        registrar = ("--registrar", signed.file("registrar.jsonl"))
        said = holds(verify("statement", signed.file("statement"), *registrar, "--at", signed.later(1)))
        assert (said["did"], said["environment"], said["score"], said["ring"]) == (signed.dids[0], "prod", 300, 3)
        refused(
            verify("statement", signed.file("statement"), *registrar, "--at", signed.later(61)), "statement", "expired"
        )

    def test_by_another_registrar(self, verify: Callable[..., Ended], signed: Signed) -> None:
        registrar = ("--registrar", signed.file("registrar-dev.jsonl"), "--at", signed.later(1))
        refused(verify("statement", signed.file("statement"), *registrar), "statement")


class TestMerkle:
    def test_a_checkpoint(self, verify: Callable[..., Ended], signed: Signed) -> None:
        said = holds(verify("checkpoint", signed.file("new.txt"), "--verifier-key", signed.file("log.key")))
        assert said["origin"] == "ringfence.internal/identity"
        edited = signed.changed("new.txt", lambda text: text.replace("\n", "\n1", 1))
        refused(verify("checkpoint", edited, "--verifier-key", signed.file("log.key")), "signature")
        refused(
            verify("checkpoint", signed.file("new.txt"), "--verifier-key", numbered_log(1).verifier_key), "signature"
        )

    def test_an_entry(self, verify: Callable[..., Ended], signed: Signed) -> None:
        key = ("--verifier-key", signed.file("log.key"))
        said = holds(verify("entry", signed.file("proof.json"), "--body", signed.file("entry"), *key))
        assert (said["index"], said["entry"]["type"]) == (3, "ringfence-identity-mutation/1")
        edited = signed.changed("entry", lambda text: text.replace("added", "moved"))
        refused(verify("entry", signed.file("proof.json"), "--body", edited, *key), "inclusion")
        refused(verify("entry", signed.file("proof.json"), *key), "form", "--body")
        moved = signed.changed("proof.json", lambda text: text.replace('"3"', '"2"'))
        refused(verify("entry", moved, "--body", signed.file("entry"), *key), "inclusion")
        refused(verify("entry", signed.file("jwks.json"), *key), "form")

    def test_a_log_that_only_grew(self, verify: Callable[..., Ended], signed: Signed) -> None:
        key = ("--verifier-key", signed.file("log.key"))
        old, new, proof = (signed.file(name) for name in ("old.txt", "new.txt", "grown.json"))
        said = holds(verify("consistency", old, new, proof, *key))
        assert said["to"] == said["from"] + 1
        refused(verify("consistency", new, old, proof, *key), "consistency")
        other = signed.changed("grown.json", lambda text: text.replace("/", "+").replace("A", "B"))
        refused(verify("consistency", old, new, other, *key), "consistency")
        spoilt = signed.changed("grown.json", lambda text: text.replace('["', '["!'))
        refused(verify("consistency", old, new, spoilt, *key), "form")

    def test_what_audit_prove_prints(self, verify: Callable[..., Ended], tmp_path: Path) -> None:
        log = numbered_log(1)
        proof = {
            "entry": {"index": "0", "body": base64.b64encode(log.bodies[0]).decode()},
            "path": [],
            "checkpoint": {"signedNote": log.checkpoint()},
        }
        (tmp_path / "proof.json").write_text(json.dumps(proof))
        said = holds(verify("entry", str(tmp_path / "proof.json"), "--verifier-key", log.verifier_key))
        assert said["entry"] == {"decision_id": "0", "effect": "DENY"}


def test_a_verdict_is_read_at_a_glance(capfdbinary: pytest.CaptureFixture[bytes], signed: Signed) -> None:
    line = CommandLine(capfdbinary)
    asked = ("verify", "log", signed.file("did-1.jsonl"), "--at", signed.later(1), "--did")
    good, bad = line(*asked, signed.dids[0]), line(*asked, signed.dids[1])
    assert good.out.startswith("HOLDS  DID log")
    assert bad.out.startswith("REFUSED  DID log: rule did-log")
    assert (good.code, bad.code) == (0, 1)


def test_a_moment_nobody_can_read_is_a_usage_error(verify: Callable[..., Ended], signed: Signed) -> None:
    asked = ("log", signed.file("did-1.jsonl"), "--did", signed.dids[0])
    assert verify(*asked, "--at", "yesterday").code == ExitCode.USAGE
