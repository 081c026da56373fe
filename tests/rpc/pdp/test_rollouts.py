"""Bundles from upload to promotion and back, as the pdp is served."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ringfence.pdp.v1 import bundle_pb2 as pb
from ringfence.pdp.v1 import decision_pb2
from ringfence_kit.callers import Caller, Role
from ringfence_pdp.rollout.rollout import share_of
from support.pdp.served import ANALYST, POLICY, ServedPdp, question, served_pdp
from support.wire import refusal

STRICT = POLICY.replace(b"effect: ALLOW}", b"effect: DENY, reason: NOT_YET}")
FAULTY = (
    POLICY
    + b"""\
    - {name: faulty, match: {actions: ["read_*"]}, effect: DENY, when: "args.rows > 5"}
"""
)
AUDITOR = Caller(principal="dev:auditor", roles=frozenset({Role.AUDITOR}))


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path) as served:
        await served.push()
        yield served


async def upload(pdp: ServedPdp, content: bytes) -> str:
    files = [pb.PolicyFile(path="house.yaml", content=content)]
    return (await pdp.bundles().UploadBundle(pb.UploadBundleRequest(files=files))).bundle.name


async def tried(pdp: ServedPdp, name: str, mode: "pb.RolloutMode.ValueType", **more: Any) -> pb.Rollout:
    asked = pb.SetRolloutRequest(candidate=name, mode=mode, **more)
    return (await pdp.bundles().SetRollout(asked)).rollout


async def rollout(pdp: ServedPdp) -> pb.Rollout:
    return (await pdp.bundles(AUDITOR).GetRollout(pb.GetRolloutRequest())).rollout


ALLOW, DENY = decision_pb2.EFFECT_ALLOW, decision_pb2.EFFECT_DENY


async def test_what_is_uploaded_is_listed_and_read_back_and_decides_nothing(pdp: ServedPdp) -> None:
    name = await upload(pdp, STRICT)
    assert (await pdp.check()).effect == ALLOW
    listed = (await pdp.bundles().ListBundles(pb.ListBundlesRequest())).bundles
    assert [one.name for one in listed] == [name, (await rollout(pdp)).active]
    read = await pdp.bundles().GetBundle(pb.GetBundleRequest(name=name))
    assert read.files[0].content == STRICT


async def test_pages_of_bundles_are_walked_to_the_end(pdp: ServedPdp) -> None:
    names = [await upload(pdp, POLICY + b"# %d\n" % number) for number in range(3)]
    seen, token = [], ""
    while True:
        page = await pdp.bundles().ListBundles(pb.ListBundlesRequest(page_size=2, page_token=token))
        seen += [one.name for one in page.bundles]
        token = page.next_page_token
        if not token:
            break
    assert seen == [*reversed(names), (await rollout(pdp)).active]


async def test_a_shadow_changes_no_answer_and_says_what_it_would_change(pdp: ServedPdp) -> None:
    name = await upload(pdp, STRICT)
    await tried(pdp, name, pb.ROLLOUT_MODE_SHADOW)
    answers = [await pdp.check() for _ in range(3)] + [await pdp.check(action="delete_table")]
    assert [answer.effect for answer in answers[:3]] == [ALLOW] * 3
    assert {answer.bundle_digest for answer in answers} == {(await rollout(pdp)).active.removeprefix("bundles/")}
    flips = await pdp.bundles(AUDITOR).GetWouldFlips(pb.GetWouldFlipsRequest())
    assert (flips.candidate, flips.decisions, flips.flips, flips.errors) == (name, 4, 3, 0)
    flip = flips.by_rule[0]
    assert (flip.before, flip.after, flip.rule, flip.count) == ("ALLOW", "DENY", "house/read", 3)
    assert flip.example_decision_id == answers[0].decision_id


async def test_a_canary_decides_for_its_share_and_says_so(pdp: ServedPdp) -> None:
    name = await upload(pdp, STRICT)
    share = share_of(ANALYST)
    await tried(pdp, name, pb.ROLLOUT_MODE_CANARY, percent=share)
    assert (await pdp.check()).effect == ALLOW
    await tried(pdp, name, pb.ROLLOUT_MODE_CANARY, percent=share + 1)
    answer = await pdp.check()
    assert (answer.effect, answer.bundle_digest) == (DENY, name.removeprefix("bundles/"))
    explained = await pdp.decisions().Explain(decision_pb2.ExplainRequest(request=question()))
    assert explained.response.bundle_digest == answer.bundle_digest


async def test_promoting_and_going_back_take_one_call_each_and_raise_the_epoch(pdp: ServedPdp) -> None:
    before = (await rollout(pdp)).active
    name = await upload(pdp, STRICT)
    await tried(pdp, name, pb.ROLLOUT_MODE_SHADOW)
    epochs = [(await pdp.check()).epoch]
    promoted = (await pdp.bundles().PromoteBundle(pb.PromoteBundleRequest())).rollout
    assert (promoted.active, promoted.previous, promoted.mode) == (name, before, pb.ROLLOUT_MODE_NONE)
    answer = await pdp.check()
    assert answer.effect == DENY
    back = await pdp.bundles().RollbackBundle(pb.RollbackBundleRequest(reason="it denies too much"))
    assert (back.rollout.active, back.rollout.reason) == (before, "it denies too much")
    again = await pdp.check()
    assert again.effect == ALLOW
    epochs += [answer.epoch, again.epoch]
    assert epochs == sorted(set(epochs))


async def test_a_trial_that_flips_too_much_ends_by_itself_and_says_why_also_after_a_restart(tmp_path: Path) -> None:
    async with served_pdp(tmp_path) as pdp:
        await pdp.push()
        name = await upload(pdp, STRICT)
        limits = pb.AutoAbort(max_flip_rate=0.5, min_decisions=4)
        await tried(pdp, name, pb.ROLLOUT_MODE_CANARY, percent=100, auto_abort=limits)
        effects = [(await pdp.check()).effect for _ in range(6)]
        assert effects == [DENY] * 4 + [ALLOW] * 2
        while not (ended := await rollout(pdp)).aborted_because:
            pass
    async with served_pdp(tmp_path) as pdp:
        now = await rollout(pdp)
        assert (now.mode, now.candidate, now.actor) == (pb.ROLLOUT_MODE_NONE, "", "pdp:auto-abort")
        assert now.aborted_because == ended.aborted_because == "4 of 4 decisions came out otherwise, 0.5 of them may"
        assert (await pdp.check()).effect == ALLOW


async def test_a_trial_whose_conditions_fail_ends_by_itself(pdp: ServedPdp) -> None:
    name = await upload(pdp, FAULTY)
    limits = pb.AutoAbort(max_error_rate=0.1, min_decisions=2)
    await tried(pdp, name, pb.ROLLOUT_MODE_SHADOW, auto_abort=limits)
    for _ in range(2):
        assert (await pdp.check()).effect == ALLOW
    while not (ended := await rollout(pdp)).aborted_because:
        pass
    assert "could not be evaluated" in ended.aborted_because


async def test_what_cannot_be_done_names_its_reason(pdp: ServedPdp) -> None:
    bundles, nobody = pdp.bundles(), f"bundles/sha256-{'0' * 64}"
    active = (await rollout(pdp)).active
    for call, reason in (
        (bundles.GetWouldFlips(pb.GetWouldFlipsRequest()), "ROLLOUT_CONFLICT"),
        (bundles.PromoteBundle(pb.PromoteBundleRequest()), "ROLLOUT_CONFLICT"),
        (bundles.RollbackBundle(pb.RollbackBundleRequest(reason="x")), "BUNDLE_NOT_FOUND"),
        (bundles.RollbackBundle(pb.RollbackBundleRequest(reason="x", name=nobody)), "BUNDLE_NOT_FOUND"),
        (bundles.GetBundle(pb.GetBundleRequest(name=nobody)), "BUNDLE_NOT_FOUND"),
        (tried(pdp, nobody, pb.ROLLOUT_MODE_SHADOW), "BUNDLE_NOT_FOUND"),
        (tried(pdp, active, pb.ROLLOUT_MODE_SHADOW), "ROLLOUT_CONFLICT"),
        (tried(pdp, "", pb.ROLLOUT_MODE_NONE, etag='"0-rollout"'), "ETAG_MISMATCH"),
    ):
        assert (await refusal(call)).reason == reason


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.SetRolloutRequest(), "mode"),
        (pb.SetRolloutRequest(mode=pb.ROLLOUT_MODE_SHADOW), "candidate"),
        (pb.SetRolloutRequest(mode=pb.ROLLOUT_MODE_NONE, candidate=f"bundles/sha256-{'0' * 64}"), "candidate"),
        (pb.SetRolloutRequest(mode=pb.ROLLOUT_MODE_SHADOW, candidate="bundles/x"), "candidate"),
        (pb.SetRolloutRequest(mode=pb.ROLLOUT_MODE_NONE, percent=1), "percent"),
        (pb.SetRolloutRequest(mode=pb.ROLLOUT_MODE_NONE, percent=101), "percent"),
        (
            pb.SetRolloutRequest(mode=pb.ROLLOUT_MODE_NONE, auto_abort=pb.AutoAbort(max_flip_rate=float("nan"))),
            "auto_abort.max_flip_rate",
        ),
        (
            pb.SetRolloutRequest(mode=pb.ROLLOUT_MODE_NONE, auto_abort=pb.AutoAbort(max_error_rate=1.5)),
            "auto_abort.max_error_rate",
        ),
        (
            pb.SetRolloutRequest(mode=pb.ROLLOUT_MODE_NONE, auto_abort=pb.AutoAbort(min_decisions=-1)),
            "auto_abort.min_decisions",
        ),
    ],
)
async def test_a_rollout_that_is_none_is_refused_by_field(
    pdp: ServedPdp, request_: pb.SetRolloutRequest, field: str
) -> None:
    refused = await refusal(pdp.bundles().SetRollout(request_))
    assert (refused.reason, field in refused.violations) == ("INVALID_REQUEST", True)


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.SERVICE, Role.GATEWAY, Role.AGENT, Role.NAMESPACE_OWNER])
async def test_only_an_administrator_changes_what_decides(pdp: ServedPdp, role: Role) -> None:
    bundles = pdp.bundles(Caller(principal="x", roles=frozenset({role}), namespaces=frozenset({"data"})))
    for call in (
        bundles.UploadBundle(pb.UploadBundleRequest()),
        bundles.SetRollout(pb.SetRolloutRequest()),
        bundles.PromoteBundle(pb.PromoteBundleRequest()),
        bundles.RollbackBundle(pb.RollbackBundleRequest()),
    ):
        assert (await refusal(call)).reason == "NOT_PERMITTED"
