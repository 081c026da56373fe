"""PushBundle and GetBundle over the wire: whole or not at all, on the etag that was read, once per request id."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ringfence.pdp.v1 import bundle_pb2 as pb
from ringfence.pdp.v1 import decision_pb2
from support.pdp.served import POLICY, ServedPdp, push, served_pdp
from support.wire import refusal

REQUEST_ID = "6d7c2b1e-8f5a-4d0c-9b3e-2a1f0c9d8e7f"
CONDITION = b"resource.labels.secret == 'yes'"
OTHER = POLICY.replace(b"house", b"other")
BROKEN = POLICY.replace(b"effect: ALLOW", b"effect: MAYBE").replace(b"resource.labels", b"resource.label")


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path) as served:
        yield served


async def active(pdp: ServedPdp) -> pb.GetBundleResponse:
    return await pdp.bundles().GetBundle(pb.GetBundleRequest())


async def test_before_the_first_bundle_there_is_none_and_everything_is_denied(pdp: ServedPdp) -> None:
    refused = await refusal(active(pdp))
    assert (refused.code, refused.reason) == ("NOT_FOUND", "BUNDLE_NOT_FOUND")
    answer = await pdp.check()
    assert (answer.reason, answer.bundle_digest) == (decision_pb2.DECISION_REASON_NO_BUNDLE, "")


async def test_a_pushed_bundle_decides_at_once_and_is_read_back_as_it_was(pdp: ServedPdp) -> None:
    pushed = (await pdp.push()).bundle
    assert (pushed.policy_count, pushed.rule_count, pushed.author) == (1, 3, "dev:operator")
    read = await active(pdp)
    assert read.bundle == pushed
    assert [(file.path, file.content) for file in read.files] == [("house.yaml", POLICY)]
    answer = await pdp.check()
    assert (answer.effect, answer.bundle_digest) == (decision_pb2.EFFECT_ALLOW, pushed.digest)


async def test_the_digest_does_not_depend_on_the_order_of_files(pdp: ServedPdp) -> None:
    files = [pb.PolicyFile(path="a.yaml", content=POLICY), pb.PolicyFile(path="b.yaml", content=OTHER)]
    first = await pdp.bundles().PushBundle(pb.PushBundleRequest(files=files))
    second = await pdp.bundles().PushBundle(pb.PushBundleRequest(files=files[::-1]))
    assert first.bundle.digest == second.bundle.digest
    assert [file.path for file in (await active(pdp)).files] == ["a.yaml", "b.yaml"]


async def test_a_bad_bundle_is_refused_whole_with_each_problem_and_changes_nothing(pdp: ServedPdp) -> None:
    before = (await pdp.push()).bundle
    refused = await refusal(pdp.push(BROKEN))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "BUNDLE_INVALID")
    assert set(refused.violations) == {"house.yaml:6:69 spec.rules[0].effect", "house.yaml:7:67 spec.rules[1].when"}
    assert "give DENY or REQUIRE_APPROVAL or ALLOW" in refused.violations["house.yaml:6:69 spec.rules[0].effect"]
    assert (await active(pdp)).bundle == before


BOMBS: dict[str, tuple[bytes, str]] = {
    "aliases": (b"a: &a [*a]", "anchors and aliases"),
    "duplicate keys": (b"kind: Policy\nkind: Policy\n", "is there twice"),
    "nesting": (b"[" * 5_000, "nested too deeply"),
    "not UTF-8": (b"\xff\xfe", "not UTF-8"),
    "a costly condition": (POLICY.replace(CONDITION, b"args.a.all(x, args.b.all(y, x == y))"), "units"),
    "a deep condition": (POLICY.replace(CONDITION, b"(" * 2_000), "nested too deeply"),
    "a long condition": (POLICY.replace(CONDITION, b"x" * 9_000), "8192 at most"),
    "a large pattern": (POLICY.replace(CONDITION, b"args.x.matches('(a{1,1000}){1,1000}')"), "RE2 regular expression"),
}


@pytest.mark.parametrize("bomb", sorted(BOMBS))
async def test_a_policy_bomb_is_refused(pdp: ServedPdp, bomb: str) -> None:
    content, says = BOMBS[bomb]
    refused = await refusal(pdp.push(content))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "BUNDLE_INVALID")
    assert any(says in problem for problem in refused.violations.values())


async def test_what_an_accepted_policy_leaves_open_is_told(pdp: ServedPdp) -> None:
    careless = POLICY.replace(CONDITION, b"has(args.secret) && args.secret == true")
    (finding,) = (await pdp.push(careless)).findings
    assert (finding.path, finding.line, finding.field) == ("house.yaml", 7, "spec.rules[1].when")
    assert "stop denying when that is left out" in finding.problem


async def test_validating_answers_as_pushing_would_and_changes_nothing(pdp: ServedPdp) -> None:
    before = (await pdp.push()).bundle
    told = await pdp.push(OTHER, validate_only=True)
    assert told.bundle.digest != before.digest
    assert (await active(pdp)).bundle == before
    assert (await refusal(pdp.push(BROKEN, validate_only=True))).reason == "BUNDLE_INVALID"


async def test_a_push_on_the_etag_that_was_read_replaces_what_was_read(pdp: ServedPdp) -> None:
    first = (await pdp.push()).bundle
    second = (await pdp.push(OTHER, etag=first.etag)).bundle
    refused = await refusal(pdp.push(etag=first.etag))
    assert (refused.code, refused.reason) == ("ABORTED", "ETAG_MISMATCH")
    assert refused.metadata["current_etag"] == second.etag
    assert (await active(pdp)).bundle == second


async def test_a_repeated_push_is_one_push(pdp: ServedPdp) -> None:
    first = await pdp.push(request_id=REQUEST_ID)
    assert await pdp.push(request_id=REQUEST_ID) == first
    refused = await refusal(pdp.push(OTHER, request_id=REQUEST_ID))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")
    assert (await active(pdp)).bundle == first.bundle


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (pb.PushBundleRequest(), {"files"}),
        (pb.PushBundleRequest(files=[pb.PolicyFile()]), {"files[0].path", "files[0].content"}),
        (pb.PushBundleRequest(files=[pb.PolicyFile(path="p" * 257, content=b"x")]), {"files[0].path"}),
        (pb.PushBundleRequest(files=[pb.PolicyFile(path="a", content=b"x" * (1 << 20) + b"x")]), {"files[0].content"}),
        (pb.PushBundleRequest(files=[pb.PolicyFile(path="a", content=b"x")] * 2), {"files[1]"}),
        (push(etag="7"), {"etag"}),
        (push(request_id="once"), {"request_id"}),
    ],
    ids=["nothing", "an empty file", "a long path", "a large file", "one path twice", "no etag", "no uuid"],
)
async def test_a_push_that_is_none_is_refused_by_field(
    pdp: ServedPdp, request_: pb.PushBundleRequest, fields: set[str]
) -> None:
    refused = await refusal(pdp.bundles().PushBundle(request_))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert set(refused.violations) == fields


async def test_a_bundle_survives_a_restart(tmp_path: Path) -> None:
    async with served_pdp(tmp_path) as first:
        pushed = (await first.push()).bundle
    async with served_pdp(tmp_path) as second:
        assert (await active(second)).bundle == pushed
        assert (await second.check()).effect == decision_pb2.EFFECT_ALLOW


async def test_decisions_go_on_while_a_large_bundle_is_compiled(pdp: ServedPdp) -> None:
    await pdp.push()
    rules = b"".join(
        b"    - {name: r%d, match: {actions: ['read_*']}, effect: ALLOW, when: \"args.n%d == %d\"}\n" % (n, n, n)
        for n in range(1_500)
    )
    head = b"apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {name: large}\nspec:\n  rules:\n"
    pushing = asyncio.create_task(pdp.push(head + rules))
    meanwhile = 0
    while not pushing.done():
        assert (await pdp.check()).effect in (decision_pb2.EFFECT_ALLOW, decision_pb2.EFFECT_DENY)
        meanwhile += 1
    assert (await pushing).bundle.rule_count == 1_500
    assert meanwhile > 5
