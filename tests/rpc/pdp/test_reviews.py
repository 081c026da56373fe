"""ValidateBundle and TestBundle over the wire, and what the tests of a bundle mean to UploadBundle."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ringfence.pdp.v1 import bundle_pb2 as pb
from ringfence_kit.callers import Caller, Role
from support.pdp.served import POLICY, ServedPdp, served_pdp
from support.wire import refusal

TESTS = b"""\
apiVersion: ringfence.dev/v1
kind: PolicyTest
metadata: {name: house}
spec:
  agents:
    analyst: {name: namespaces/data/agents/analyst, ring: 2}
  tests:
    - name: it reads
      ask: {agent: analyst, action: read_table, resource: {labels: {secret: "no"}}}
      expect: {effect: ALLOW, rules: [house/read]}
    - name: it deletes
      ask: {agent: analyst, action: delete_table, resource: {labels: {secret: "no"}}}
      expect: {effect: REQUIRE_APPROVAL}
"""
WRONG = TESTS.replace(b"effect: REQUIRE_APPROVAL", b"effect: ALLOW")
SHADOWED = POLICY + b"    - {name: wall, match: {actions: ['read_*']}, effect: DENY, when: has(args.rows)}\n"


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path) as served:
        yield served


def files(tests: bytes = TESTS, policy: bytes = POLICY) -> list[pb.PolicyFile]:
    written = [("house.yaml", policy), ("house_test.yaml", tests)]
    return [pb.PolicyFile(path=path, content=content) for path, content in written if content]


async def test_a_bundle_that_could_be_pushed_is_named_and_nothing_changes(pdp: ServedPdp) -> None:
    answer = await pdp.bundles().ValidateBundle(pb.ValidateBundleRequest(files=files(policy=SHADOWED)))
    assert (list(answer.problems), answer.bundle.policy_count, answer.bundle.rule_count) == ([], 1, 4)
    assert [(finding.path, finding.line) for finding in answer.findings] == [("house.yaml", 12)]
    assert answer.bundle.name == f"bundles/{answer.bundle.digest}"
    refused = await refusal(pdp.bundles().GetBundle(pb.GetBundleRequest()))
    assert refused.reason == "BUNDLE_NOT_FOUND"


async def test_everything_that_is_wrong_is_an_answer_and_no_error(pdp: ServedPdp) -> None:
    broken = POLICY.replace(b"effect: ALLOW", b"effect: MAYBE").replace(b"resource.labels", b"resource.label")
    answer = await pdp.bundles().ValidateBundle(pb.ValidateBundleRequest(files=files(TESTS + b"]", broken)))
    assert [(problem.path, problem.line, problem.field) for problem in answer.problems] == [
        ("house.yaml", 6, "spec.rules[0].effect"),
        ("house.yaml", 7, "spec.rules[1].when"),
        ("house_test.yaml", 14, ""),
    ]
    assert not answer.HasField("bundle")


async def test_tests_run_and_say_how_they_went(pdp: ServedPdp) -> None:
    answer = await pdp.bundles().TestBundle(pb.TestBundleRequest(files=files(WRONG), coverage=True))
    report = answer.report
    assert (report.run, report.failed, report.rule_count) == (2, 1, 3)
    assert [(result.path, result.line, result.name, result.passed) for result in report.results] == [
        ("house_test.yaml", 8, "it reads", True),
        ("house_test.yaml", 11, "it deletes", False),
    ]
    assert list(report.results[1].problems) == [
        "expected effect ALLOW, got REQUIRE_APPROVAL: rule house/delete asks for approval"
    ]
    assert list(report.unkilled_rules) == ["house/delete", "house/secret"]


async def test_tests_are_chosen_by_name(pdp: ServedPdp) -> None:
    answer = await pdp.bundles().TestBundle(pb.TestBundleRequest(files=files(), name_contains="deletes"))
    assert [result.name for result in answer.report.results] == ["it deletes"]
    assert not answer.report.unkilled_rules


async def test_tests_of_a_bundle_that_does_not_compile_are_not_run(pdp: ServedPdp) -> None:
    refused = await refusal(pdp.bundles().TestBundle(pb.TestBundleRequest(files=files(policy=b"]"))))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "BUNDLE_INVALID")


async def test_a_bundle_whose_tests_fail_is_not_kept(pdp: ServedPdp) -> None:
    refused = await refusal(pdp.bundles().UploadBundle(pb.UploadBundleRequest(files=files(WRONG))))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "BUNDLE_TESTS_FAILED")
    assert "house_test.yaml:11:7 spec.tests[1], 'it deletes': expected effect ALLOW" in refused.message
    assert not (await pdp.bundles().ListBundles(pb.ListBundlesRequest())).bundles


async def test_it_is_kept_when_that_is_ignored_or_nothing_fails(pdp: ServedPdp) -> None:
    ignored = await pdp.bundles().UploadBundle(pb.UploadBundleRequest(files=files(WRONG), ignore_tests=True))
    assert (ignored.tests.run, ignored.tests.failed) == (2, 1)
    kept = await pdp.bundles().UploadBundle(pb.UploadBundleRequest(files=files()))
    assert (kept.tests.run, kept.tests.failed) == (2, 0)
    listed = await pdp.bundles().ListBundles(pb.ListBundlesRequest())
    assert [bundle.digest for bundle in listed.bundles] == [kept.bundle.digest, ignored.bundle.digest]


@pytest.mark.parametrize("method", ["ValidateBundle", "TestBundle"])
async def test_a_review_without_files_is_refused(pdp: ServedPdp, method: str) -> None:
    refused = await refusal(getattr(pdp.bundles(), method)(getattr(pb, f"{method}Request")()))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")


async def test_an_agent_reviews_nothing(pdp: ServedPdp) -> None:
    agent = Caller(principal="agent", roles=frozenset({Role.AGENT}))
    refused = await refusal(pdp.bundles(agent).ValidateBundle(pb.ValidateBundleRequest(files=files())))
    assert refused.code == "PERMISSION_DENIED"
