"""A pdp of the tests' own: it answers what it is told to answer."""

from typing import Any

import grpc
from ringfence.pdp.v1 import bundle_pb2 as pb
from ringfence.pdp.v1 import bundle_pb2_grpc, decision_pb2, decision_pb2_grpc

from support.launcher.refusals import Saw, refuse


class FakePdp(
    decision_pb2_grpc.DecisionServiceServicer,
    bundle_pb2_grpc.BundleServiceServicer,
    bundle_pb2_grpc.KillSwitchServiceServicer,
):
    """One answer for every question, one bundle, kill switches in a dictionary."""

    def __init__(self, saw: Saw) -> None:
        self._saw = saw
        self.answer = decision_pb2.CheckResponse(
            effect=decision_pb2.EFFECT_ALLOW, reason=decision_pb2.DECISION_REASON_ALLOWED, message="a rule allows it"
        )
        self.explanation = decision_pb2.ExplainResponse()
        self.files: list[pb.PolicyFile] = []
        self.faults: list[tuple[str, str]] = []
        """What the compiler finds wrong with a bundle."""
        self.engaged: dict[str, pb.KillSwitch] = {}
        self.kept: list[pb.Bundle] = []
        self.rollout = pb.Rollout()
        self.flips = pb.GetWouldFlipsResponse()
        self.changes: list[Any] = []
        """What was asked of the rollout."""

    def Check(self, request: Any, context: Any) -> decision_pb2.CheckResponse:
        self._saw(request, context)
        return self.answer

    def BatchCheck(self, request: Any, context: Any) -> decision_pb2.BatchCheckResponse:
        self._saw(request, context)
        result = decision_pb2.BatchCheckResult(response=self.answer)
        return decision_pb2.BatchCheckResponse(results=[result] * len(request.requests))

    def Explain(self, request: Any, context: Any) -> decision_pb2.ExplainResponse:
        self._saw(request, context)
        self.explanation.response.CopyFrom(self.answer)
        return self.explanation

    def PushBundle(self, request: Any, context: Any) -> pb.PushBundleResponse:
        self._saw(request, context)
        if self.faults:
            message = "the bundle cannot be used"
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "BUNDLE_INVALID", message, violations=self.faults)
        if not request.validate_only:
            self.files = list(request.files)
        return pb.PushBundleResponse(bundle=pb.Bundle(digest="sha256-ab", policy_count=len(request.files)))

    def GetBundle(self, request: Any, context: Any) -> pb.GetBundleResponse:
        self._saw(request, context)
        if not self.files:
            refuse(context, grpc.StatusCode.NOT_FOUND, "BUNDLE_NOT_FOUND", "no bundle was pushed")
        return pb.GetBundleResponse(bundle=pb.Bundle(digest="sha256-ab"), files=self.files)

    def UploadBundle(self, request: Any, context: Any) -> pb.UploadBundleResponse:
        self._saw(request, context)
        return pb.UploadBundleResponse(bundle=pb.Bundle(digest="sha256-cd", policy_count=len(request.files)))

    def ListBundles(self, request: Any, context: Any) -> pb.ListBundlesResponse:
        self._saw(request, context)
        return pb.ListBundlesResponse(bundles=self.kept)

    def GetRollout(self, request: Any, context: Any) -> pb.GetRolloutResponse:
        self._saw(request, context)
        return pb.GetRolloutResponse(rollout=self.rollout)

    def SetRollout(self, request: Any, context: Any) -> pb.SetRolloutResponse:
        self._change(request, context)
        rollout = pb.Rollout(active=self.rollout.active, candidate=request.candidate, mode=request.mode)
        return pb.SetRolloutResponse(rollout=rollout)

    def PromoteBundle(self, request: Any, context: Any) -> pb.PromoteBundleResponse:
        self._change(request, context)
        return pb.PromoteBundleResponse(rollout=pb.Rollout(active=self.rollout.candidate))

    def RollbackBundle(self, request: Any, context: Any) -> pb.RollbackBundleResponse:
        self._change(request, context)
        return pb.RollbackBundleResponse(rollout=pb.Rollout(active=request.name or self.rollout.previous))

    def GetWouldFlips(self, request: Any, context: Any) -> pb.GetWouldFlipsResponse:
        self._saw(request, context)
        return self.flips

    def _change(self, request: Any, context: Any) -> None:
        self._saw(request, context)
        self.changes.append(request)

    def EngageKillSwitch(self, request: Any, context: Any) -> pb.EngageKillSwitchResponse:
        self._saw(request, context)
        name = f"killSwitches/{len(self.engaged) + 1}"
        engaged = pb.KillSwitch(name=name, target=request.target, reason=request.reason, actor="dev:operator")
        self.engaged[name] = engaged
        return pb.EngageKillSwitchResponse(kill_switch=engaged)

    def ReleaseKillSwitch(self, request: Any, context: Any) -> pb.ReleaseKillSwitchResponse:
        self._saw(request, context)
        if self.engaged.pop(request.name, None) is None:
            refuse(context, grpc.StatusCode.NOT_FOUND, "KILL_SWITCH_NOT_FOUND", f"{request.name} is not engaged")
        return pb.ReleaseKillSwitchResponse()

    def ListKillSwitches(self, request: Any, context: Any) -> pb.ListKillSwitchesResponse:
        self._saw(request, context)
        return pb.ListKillSwitchesResponse(kill_switches=self.engaged.values())
