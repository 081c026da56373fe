import json
import stat
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.protobuf.json_format import MessageToDict
from ringfence.agent_key import AgentKey
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import trust_pb2
from ringfence.proofs.canonical_json import digest
from ringfence.proofs.public_keys import import_key
from ringfence.registry.v1.registry_pb2 import Agent
from ringfence_identity.client_assertion import check_assertion, read_assertion
from ringfence_kit.clock import SystemClock
from ringfence_launcher.examples import example
from ringfence_launcher.exit_codes import ExitCode
from support.launcher.command_line import CommandLine, Ended
from support.launcher.fake_identity import CHALLENGE, ISSUER, SIGNING_PREFIX
from support.launcher.fake_services import FakeMesh


@pytest.fixture
def certificate(nowhere: Path) -> str:
    (nowhere / "birth.yaml").write_bytes(example("analyst.birth.yaml"))
    return "birth.yaml"


def enrol(ringfence: CommandLine, certificate: str, *more: str) -> Ended:
    return ringfence(
        *("did", "enrol", "demo/analyst", "-e", "dev", "--certificate", certificate, "--key", "analyst.key"), *more
    )


def test_registering_a_sponsor(ringfence: CommandLine, mesh: FakeMesh) -> None:
    ended = ringfence("sponsor", "register", "first", "--name", "First", "--contact", "first@example.com")
    assert ended.code == 0
    assert "sponsors/first" in ended.out
    assert mesh.last.request.sponsor == pb.Sponsor(display_name="First", contact="first@example.com")
    assert ringfence("sponsor", "register", "first", "--name", "F", "--contact", "c").code == ExitCode.CONFLICT


class TestEnrol:
    def test_the_key_is_made_kept_private_and_knows_whose_it_is(
        self, ringfence: CommandLine, nowhere: Path, certificate: str
    ) -> None:
        ended = enrol(ringfence, certificate, "-o", "json")
        assert ended.code == 0, ended.err
        file = nowhere / "analyst.key"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        key = AgentKey.load(file)
        assert key.did == ended.json["did"]
        assert (key.agent, key.environment) == ("namespaces/demo/agents/analyst", "dev")

    def test_the_proof_is_over_what_the_person_gave_not_over_what_the_server_sent(
        self, ringfence: CommandLine, mesh: FakeMesh, certificate: str
    ) -> None:
        assert enrol(ringfence, certificate).code == 0
        sent = mesh.sent("CompleteRegistration")
        signed = SIGNING_PREFIX + CHALLENGE + digest(MessageToDict(sent.birth_certificate))
        assert import_key(sent.public_key).verifies(sent.proof_of_possession, signed)
        assert sent.challenge == CHALLENGE
        assert mesh.sent("BeginRegistration").sponsor == "sponsors/first"

    def test_the_private_key_is_sent_nowhere(
        self, ringfence: CommandLine, mesh: FakeMesh, nowhere: Path, certificate: str
    ) -> None:
        enrol(ringfence, certificate)
        secret = AgentKey.load(nowhere / "analyst.key").private_key.private_bytes_raw()
        assert all(secret not in call.request.SerializeToString() for call in mesh.calls)

    def test_a_key_made_by_openssl_is_used_and_left_as_it_is(
        self, ringfence: CommandLine, mesh: FakeMesh, nowhere: Path, certificate: str
    ) -> None:
        private = Ed25519PrivateKey.generate()
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (nowhere / "analyst.key").write_bytes(pem)
        (nowhere / "analyst.key").chmod(0o600)
        did = enrol(ringfence, certificate, "-o", "json").json["did"]
        assert mesh.sent("CompleteRegistration").public_key == private.public_key().public_bytes_raw()
        assert (nowhere / "analyst.key").read_bytes() == pem
        asked = ("token", "issue", "--key", "analyst.key", "--audience", "a")
        assert ringfence(*asked).code == ExitCode.CONFIGURATION
        assert ringfence(*asked, "--did", did, "-e", "dev").code == 0

    def test_a_key_file_others_may_read_is_refused(
        self, ringfence: CommandLine, mesh: FakeMesh, nowhere: Path, certificate: str
    ) -> None:
        enrol(ringfence, certificate)
        (nowhere / "analyst.key").chmod(0o644)
        mesh.calls.clear()
        ended = enrol(ringfence, certificate)
        assert ended.code == ExitCode.CONFIGURATION
        assert "chmod 600" in ended.err
        assert "CompleteRegistration" not in [call.method for call in mesh.calls]

    def test_a_folder_that_cannot_be_written_to_is_named(self, ringfence: CommandLine, certificate: str) -> None:
        ended = ringfence("did", "enrol", "demo/a", "--certificate", certificate, "--key", "absent/analyst.key")
        assert ended.code == ExitCode.CONFIGURATION
        assert "absent/analyst.key" in ended.err

    def test_an_existing_key_is_used(self, ringfence: CommandLine, mesh: FakeMesh, certificate: str) -> None:
        enrol(ringfence, certificate)
        first = mesh.sent("CompleteRegistration").public_key
        enrol(ringfence, certificate)
        assert mesh.sent("CompleteRegistration").public_key == first

    def test_a_key_that_was_made_stays_when_the_service_refuses(
        self, ringfence: CommandLine, mesh: FakeMesh, nowhere: Path, certificate: str
    ) -> None:
        mesh.identity.missing = [("birth_certificate.purpose", "say what the agent is for")]
        ended = enrol(ringfence, certificate)
        assert ended.code == ExitCode.CONFLICT
        assert "  birth_certificate.purpose: say what the agent is for" in ended.err
        assert "BIRTH_CERTIFICATE_INCOMPLETE" in ended.err
        assert AgentKey.load(nowhere / "analyst.key").did == ""

    def test_the_registry_learns_the_did_unless_told_not_to(
        self, ringfence: CommandLine, mesh: FakeMesh, certificate: str
    ) -> None:
        registered = Agent(name="namespaces/demo/agents/analyst")
        mesh.registry.agents[registered.name] = registered
        ended = enrol(ringfence, certificate, "-o", "json")
        assert registered.did == ended.json["did"]
        assert list(mesh.sent("UpdateAgent").update_mask.paths) == ["did"]
        mesh.calls.clear()
        enrol(ringfence, certificate, "--no-link")
        assert "UpdateAgent" not in [call.method for call in mesh.calls]

    def test_an_enrolment_stands_without_the_registry(self, ringfence: CommandLine, certificate: str) -> None:
        ended = enrol(ringfence, certificate)
        assert ended.code == 0
        assert "the registry does not know its DID" in ended.err

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            ("purpos: x", "purpos"),
            ("- a\n- b", "mapping"),
            ("{", "birth.yaml"),
            ("ring_ceiling: many", "ring"),
            ("", "mapping"),
            ("purpose: a\npurpose: b\n", "there twice"),
            ("artifacts: {model: a, model: b}\n", "there twice"),
        ],
    )
    def test_a_certificate_file_that_cannot_be_used_is_named(
        self, ringfence: CommandLine, mesh: FakeMesh, nowhere: Path, content: str, complaint: str
    ) -> None:
        (nowhere / "birth.yaml").write_text(content)
        ended = enrol(ringfence, "birth.yaml")
        assert ended.code == ExitCode.CONFIGURATION
        assert complaint in ended.err
        assert not mesh.calls
        assert not (nowhere / "analyst.key").exists()


def test_the_certificate_example_is_complete(ringfence: CommandLine) -> None:
    printed = ringfence("did", "certificate").raw
    assert printed == example("analyst.birth.yaml")
    content = yaml.safe_load(printed)
    assert set(content) >= {"purpose", "sponsor", "backup_sponsor", "permissions", "ring_ceiling", "artifacts"}


def test_resolving_a_did(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.identity.documents = {"did:web:x": b'{"id": "did:web:x"}', "did:web:gone": b""}
    assert ringfence("did", "resolve", "did:web:x", "-o", "json").json["didDocument"] == {"id": "did:web:x"}
    assert '"did:web:x"' in ringfence("did", "resolve", "did:web:x").out
    gone = ringfence("did", "resolve", "did:web:gone")
    assert gone.out.strip() == "null"
    assert "out of use" in gone.err
    assert ringfence("did", "resolve", "did:web:y").code == ExitCode.NOT_FOUND


def test_an_identity_by_name_and_by_did(ringfence: CommandLine, certificate: str) -> None:
    did = enrol(ringfence, certificate, "-o", "json").json["did"]
    shown = ringfence("did", "get", "demo/analyst", "-e", "dev").out
    assert did in shown
    assert "safety: not run, needs 0.98, waived by sponsors/first" in shown
    assert ringfence("did", "get", did, "-o", "json").json["agent"] == "namespaces/demo/agents/analyst"
    assert ringfence("did", "get", "demo/analyst", "-e", "prod").code == ExitCode.NOT_FOUND


def test_revoking(ringfence: CommandLine, mesh: FakeMesh, certificate: str) -> None:
    did = enrol(ringfence, certificate, "-o", "json").json["did"]
    ended = ringfence("did", "revoke", did, "--reason", "compromised")
    assert ended.code == 0
    assert "revoked" in ended.out
    assert mesh.last.request.reason == "compromised"


class TestToken:
    def test_the_assertion_is_for_the_environments_issuer_and_the_agents_own(
        self, ringfence: CommandLine, nowhere: Path, certificate: str
    ) -> None:
        enrol(ringfence, certificate)
        token = ringfence("token", "issue", "--key", "analyst.key", "--audience", "https://x", "--scope", "a:b")
        assert token.code == 0, token.err
        public = import_key(AgentKey.load(nowhere / "analyst.key").public_key)
        read = read_assertion(token.out.strip())
        check_assertion(read, key=public, issuer=ISSUER, now=SystemClock().now())

    def test_scopes_and_audience_are_sent(self, ringfence: CommandLine, mesh: FakeMesh, certificate: str) -> None:
        enrol(ringfence, certificate)
        ringfence("token", "issue", "--key", "analyst.key", "--audience", "aud", "--scope", "a:b", "--scope", "c")
        assert mesh.last.request.audience == "aud"
        assert list(mesh.last.request.scopes) == ["a:b", "c"]
        assert mesh.sent("GetJwks").environment == "dev"

    def test_every_assertion_is_new(self, ringfence: CommandLine, certificate: str) -> None:
        enrol(ringfence, certificate)
        issued = [ringfence("token", "issue", "--key", "analyst.key", "--audience", "a").out for _ in range(2)]
        assert issued[0] != issued[1]

    def test_a_key_nobody_enrolled_says_what_to_do(
        self, ringfence: CommandLine, mesh: FakeMesh, certificate: str
    ) -> None:
        mesh.identity.missing = [("x", "y")]
        enrol(ringfence, certificate)
        ended = ringfence("token", "issue", "--key", "analyst.key", "--audience", "a")
        assert ended.code == ExitCode.CONFIGURATION
        assert "did enrol" in ended.err

    def test_showing_a_token_says_that_nothing_was_verified(self, ringfence: CommandLine, certificate: str) -> None:
        enrol(ringfence, certificate)
        token = ringfence("token", "issue", "--key", "analyst.key", "--audience", "a").out.strip()
        shown = ringfence("token", "show", token)
        assert shown.out.startswith("NOT VERIFIED")
        assert ISSUER in shown.out
        assert "T" in shown.out.split("iat")[1]
        asked = ringfence("token", "show", token, "-o", "json").json
        assert asked["verified"] is False
        assert asked["claims"]["aud"] == ISSUER

    @pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "e30.W10.x", "e30.!!.x", "e30.e30.x.y", "ü.ü.ü"])
    def test_what_is_no_token_says_so(self, ringfence: CommandLine, text: str) -> None:
        assert ringfence("token", "show", text).code == ExitCode.CONFIGURATION

    def test_a_token_cannot_move_the_cursor(self, ringfence: CommandLine) -> None:
        shown = ringfence("token", "show", "eyJhbGciOiJ4In0.eyJcdTAwMWJbMkoiOiJcdTAwMWJbMkoifQ.x").out
        assert "\x1b" not in shown
        assert "\\x1b[2J" in shown


class TestTrust:
    def test_score_and_ring_with_the_thresholds(self, ringfence: CommandLine, certificate: str) -> None:
        enrol(ringfence, certificate)
        shown = ringfence("trust", "get", "demo/analyst").out
        assert " 412 of 1000  ring 2" in shown
        assert "ring 1 from 700" in shown

    def test_a_did_is_asked_about_directly(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        assert ringfence("trust", "get", "did:key:z6Mk", "-o", "json").json["score"] == 412
        assert [call.method for call in mesh.calls] == ["GetTrust"]

    def test_watching_shows_the_score_computed_now(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        state = trust_pb2.TrustState(earned_micro_points=130_000_000, stored_ring=2, ceiling=1000)
        state.last_positive_time.FromMilliseconds(SystemClock().now())
        state.last_event_time.CopyFrom(state.last_positive_time)
        agent = pb.AgentIdentity(agent="namespaces/d/agents/a", did="did:x", trust_state=state)
        mesh.identity.events = [
            pb.WatchAgentsResponse(type=pb.WATCH_EVENT_TYPE_ADDED, revision=2, identity=agent),
            pb.WatchAgentsResponse(type=pb.WATCH_EVENT_TYPE_ADDED, revision=2, identity=pb.AgentIdentity(did="did:y")),
            pb.WatchAgentsResponse(type=pb.WATCH_EVENT_TYPE_BOOKMARK, revision=2, initial_state_end=True),
        ]
        (line,) = ringfence("trust", "watch", "did:x", "--count", "1").out.splitlines()
        assert " 430  ring 2" in line
        other = ringfence("trust", "watch", "did:y", "--count", "1", "-o", "json").out
        assert json.loads(other)["identity"]["did"] == "did:y"
        assert len(ringfence("trust", "watch", "--count", "2", "-o", "json").out.splitlines()) == 2
