"""`ringfence catalog`: what each command asks for, what it shows, and how it ends."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from ringfence.registry.v1 import card_pb2, namespace_pb2, registry_pb2
from ringfence.registry.v1 import catalog_pb2 as pb
from ringfence_launcher.catalog.finding import Form, Mode
from ringfence_launcher.catalog.namespaces import Signatures, Verdict, Visibility
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.words import number
from support.launcher.command_line import CommandLine
from support.launcher.fake_services import FakeMesh

ANALYST = "namespaces/demo/agents/analyst"


class TestSearch:
    def test_words_are_one_query_and_matches_stand_out(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        result = pb.SearchResult(agent=registry_pb2.Agent(name=ANALYST, display_name="Analyst"), relevance=1)
        match = result.matches.add(field="skills.tags", snippet="sql and more")
        match.highlights.add(start=0, end=3)
        mesh.catalog.answers["SearchAgents"] = pb.SearchAgentsResponse(results=[result], total_size=1)
        ended = ringfence("catalog", "search", "sql", "reports", "--in", "demo", "--filter", "f", "--limit", "7")
        for shown in ("1.00", "demo/analyst", "skills.tags", "sql and more"):
            assert shown in ended.out
        asked = mesh.sent("SearchAgents")
        assert (asked.parent, asked.query, asked.filter, asked.page_size) == ("namespaces/demo", "sql reports", "f", 7)

    def test_nothing_found_is_said(self, ringfence: CommandLine) -> None:
        assert ringfence("catalog", "search", "x").out == "nothing found\n"
        assert ringfence("catalog", "search", "x", "-o", "json").json == []

    @pytest.mark.parametrize("spans", [[(0, 99)], [(2, 1)], [(-1, 2)], [(0, 3), (1, 2)], [(3, 3)]])
    def test_highlights_that_point_nowhere_cost_no_text(
        self, ringfence: CommandLine, mesh: FakeMesh, spans: Sequence[tuple[int, int]]
    ) -> None:
        result = pb.SearchResult(relevance=1)
        match = result.matches.add(field="purpose", snippet="abcd")
        for start, end in spans:
            match.highlights.add(start=start, end=end)
        mesh.catalog.answers["SearchAgents"] = pb.SearchAgentsResponse(results=[result])
        assert "abcd" in ringfence("catalog", "search", "x").out


class TestSimilar:
    def test_like_an_agent_a_card_or_a_purpose(self, ringfence: CommandLine, mesh: FakeMesh, nowhere: Path) -> None:
        (nowhere / "card.json").write_bytes(b"{}")
        ringfence("catalog", "similar", "--agent", "demo/analyst", "--least", "0.5", "--limit", "3")
        asked = mesh.sent("FindSimilarAgents")
        assert (asked.agent, asked.min_score, asked.max_results) == (ANALYST, 0.5, 3)
        ringfence("catalog", "similar", "--card", "card.json")
        assert mesh.sent("FindSimilarAgents").card == b"{}"
        ringfence("catalog", "similar", "--purpose", "Reconciles.")
        assert mesh.sent("FindSimilarAgents").purpose == "Reconciles."

    @pytest.mark.parametrize("arguments", [(), ("--agent", "demo/a", "--purpose", "p"), ("--least", "2")])
    def test_like_one_thing(self, ringfence: CommandLine, mesh: FakeMesh, arguments: Sequence[str]) -> None:
        assert ringfence("catalog", "similar", *arguments).code == ExitCode.USAGE
        assert not mesh.calls


def test_facets(ringfence: CommandLine, mesh: FakeMesh) -> None:
    facet = pb.Facet(field="risk_tier", other_count=2, unset_count=3)
    facet.values.add(value="HIGH", count=17)
    mesh.catalog.answers["GetFacets"] = pb.GetFacetsResponse(facets=[facet], total_size=22)
    shown = ringfence("catalog", "facets", "risk_tier", "labels.team", "--query", "sql").out
    for text in ("22 agents", "risk_tier", "17", "HIGH", "(other values)", "(no value)"):
        assert text in shown
    asked = mesh.sent("GetFacets")
    assert (list(asked.fields), asked.query, asked.max_values) == (["risk_tier", "labels.team"], "sql", 20)


class TestSelect:
    def test_everything_typed_is_a_condition(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        ringfence(
            *("catalog", "select", "--skill", "convert", "--tag", "fx", "-e", "prod", "--most-risk", "medium"),
            *("--least-trust", "700", "--region", "eu", "--data-class", "pii", "--speaks", "GRPC", "--filter", "f"),
            *("--mode", "two-choices", "--affinity", "k", "--limit", "2", "--in", "demo"),
        )
        assert mesh.sent("SelectAgent") == pb.SelectAgentRequest(
            parent="namespaces/demo",
            skill="convert",
            tags=["fx"],
            environment="prod",
            max_risk_tier=registry_pb2.RISK_TIER_MEDIUM,
            min_trust_score=700,
            region="eu",
            data_classes=["pii"],
            protocol_bindings=["GRPC"],
            filter="f",
            mode=pb.SELECTION_MODE_TWO_CHOICES,
            max_candidates=2,
            affinity_key="k",
        )

    def test_who_and_why_and_why_not_others(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        candidate = pb.Candidate(agent=ANALYST, revision=f"{ANALYST}/revisions/3", weight=1)
        candidate.reasons.add(factor="latency", multiplier=0.5, explanation="p95 is 2 s")
        candidate.health.circuit, candidate.health.calls, candidate.health.error_rate = pb.CIRCUIT_STATE_CLOSED, 10, 0.1
        answer = pb.SelectAgentResponse(candidates=[candidate])
        answer.exclusions.add(reason="CIRCUIT_OPEN", count=2, agents=["namespaces/demo/agents/b"])
        mesh.catalog.answers["SelectAgent"] = answer
        ended = ringfence("catalog", "select", "--tag", "fx", "-e", "prod")
        assert ended.code == 0
        for text in ("demo/analyst", "latency x 0.5: p95 is 2 s", "10.0% of 10 failed", "CIRCUIT_OPEN", "demo/b"):
            assert text in ended.out

    def test_nobody_is_an_answer_of_no(self, ringfence: CommandLine) -> None:
        ended = ringfence("catalog", "select", "--tag", "fx", "-e", "prod")
        assert ended.code == ExitCode.NEGATIVE
        assert "nobody can be called" in ended.out

    def test_something_has_to_be_wanted(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        assert ringfence("catalog", "select", "-e", "prod").code == ExitCode.USAGE
        assert not mesh.calls


class TestExport:
    @pytest.fixture(autouse=True)
    def _inventory(self, mesh: FakeMesh) -> None:
        parts = [pb.ExportInventoryResponse(data=b"a,b\r\n"), pb.ExportInventoryResponse(data="1,ü\r\n".encode())]
        mesh.catalog.answers["ExportInventory"] = parts

    def test_the_bytes_are_the_registrys(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        assert ringfence("catalog", "export", "--form", "csv").raw == "a,b\r\n1,ü\r\n".encode()
        assert mesh.sent("ExportInventory").format == pb.INVENTORY_FORMAT_CSV

    def test_a_file_is_written_once(self, ringfence: CommandLine, nowhere: Path) -> None:
        assert ringfence("catalog", "export", "--into", "all.jsonl").code == 0
        assert (nowhere / "all.jsonl").read_bytes() == "a,b\r\n1,ü\r\n".encode()
        assert ringfence("catalog", "export", "--into", "all.jsonl").code == ExitCode.CONFIGURATION

    def test_a_refusal_is_explained(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        mesh.token = "sesame"
        ended = ringfence("catalog", "export", "--token", "wrong")
        assert ended.code == ExitCode.NOT_PERMITTED
        assert "UNAUTHENTICATED" in ended.err


class TestNamespaces:
    def test_what_is_typed_is_set_and_nothing_else(self, ringfence: CommandLine, mesh: FakeMesh, nowhere: Path) -> None:
        (nowhere / "jwks.json").write_text('{"keys": []}')
        ended = ringfence(
            *("catalog", "namespace", "set", "demo", "--visibility", "entitled", "--entitled", "sales"),
            *("--least-verdict", "valid", "--signatures", "full-coverage", "--refuse-look-alikes"),
            *("--trusted-jwks", "jwks.json", "--no-review", "--etag-required"),
        )
        assert ended.code == 0, ended.err
        sent = mesh.sent("UpdateNamespace")
        assert sorted(sent.update_mask.paths) == [
            *("admission.least_verdict", "admission.refuse_look_alikes", "admission.signatures"),
            *("admission.trusted_jwks", "entitled_namespaces", "etag_required", "review_required", "visibility"),
        ]
        assert sent.namespace == namespace_pb2.Namespace(
            name="namespaces/demo",
            visibility=namespace_pb2.VISIBILITY_ENTITLED,
            entitled_namespaces=["namespaces/sales"],
            etag_required=True,
            admission=namespace_pb2.AdmissionPolicy(
                least_verdict=card_pb2.CARD_VERDICT_VALID,
                signatures=namespace_pb2.SIGNATURE_REQUIREMENT_FULL_COVERAGE,
                refuse_look_alikes=True,
                trusted_jwks='{"keys": []}',
            ),
        )

    def test_a_file_is_the_whole_policy(self, ringfence: CommandLine, mesh: FakeMesh, nowhere: Path) -> None:
        (nowhere / "n.yaml").write_text("visibility: VISIBILITY_PUBLIC\nadmission: {refuseLookAlikes: true}\n")
        assert ringfence("catalog", "namespace", "set", "demo", "--file", "n.yaml").code == 0
        assert sorted(mesh.sent("UpdateNamespace").update_mask.paths) == ["admission", "visibility"]
        both = ("--file", "n.yaml", "--visibility", "public")
        assert ringfence("catalog", "namespace", "set", "demo", *both).code == ExitCode.USAGE

    def test_nothing_to_set_is_a_usage_error(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        assert ringfence("catalog", "namespace", "set", "demo").code == ExitCode.USAGE
        assert ringfence("catalog", "namespace", "set", "-", "--visibility", "public").code == ExitCode.USAGE
        assert not mesh.calls

    def test_one_and_all(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        demo = namespace_pb2.Namespace(name="namespaces/demo", visibility=namespace_pb2.VISIBILITY_PUBLIC)
        mesh.namespaces.answers["GetNamespace"] = namespace_pb2.GetNamespaceResponse(namespace=demo)
        mesh.namespaces.answers["ListNamespaces"] = namespace_pb2.ListNamespacesResponse(namespaces=[demo])
        assert "the registry's default" in ringfence("catalog", "namespace", "get", "demo").out
        assert "public" in ringfence("catalog", "namespace", "list").out


def test_words_are_the_protos() -> None:
    assert {number(pb.SelectionMode, word) for word in Mode} == set(pb.SelectionMode.values()) - {0}
    assert {number(pb.InventoryFormat, word) for word in Form} == set(pb.InventoryFormat.values()) - {0}
    assert {number(namespace_pb2.Visibility, word) for word in Visibility} == set(namespace_pb2.Visibility.values()) - {
        0
    }
    requirements = set(namespace_pb2.SignatureRequirement.values()) - {0}
    assert {number(namespace_pb2.SignatureRequirement, word) for word in Signatures} == requirements
    unreadable = {0, card_pb2.CARD_VERDICT_UNREADABLE}
    assert {number(card_pb2.CardVerdict, word) for word in Verdict} == set(card_pb2.CardVerdict.values()) - unreadable
