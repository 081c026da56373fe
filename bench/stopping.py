"""Row 19: how long an agent still gets what it asks for, once somebody stopped it.

The clock runs from just before EngageKillSwitch at the pdp, or Suspend at identity, is sent until the pdp denies for
the first time: the durable commit and the way from identity are part of it. The pdp is asked without a pause; what it
decided before, and after the stop is lifted, must be an ALLOW.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from pdp_process import AGENT, mesh, question
from questions import policies
from ringfence.identity.v1 import identity_pb2, identity_pb2_grpc
from ringfence.pdp.v1 import bundle_pb2, bundle_pb2_grpc, decision_pb2, decision_pb2_grpc
from stage import Plan

LONGEST_S = 60.0


async def measure(plan: Plan, folder: Path) -> Mapping[str, list[float]]:
    """Return milliseconds until the first denial, for each round."""
    killed, suspended = list[float](), list[float]()
    async with (
        mesh(folder / "stopping") as around,
        around.pdp(policies()) as pdp,
        pdp.service.channel() as to_pdp,
        around.identity.channel() as to_identity,
    ):
        switches: bundle_pb2_grpc.KillSwitchServiceAsyncStub = bundle_pb2_grpc.KillSwitchServiceStub(to_pdp)
        decisions: decision_pb2_grpc.DecisionServiceAsyncStub = decision_pb2_grpc.DecisionServiceStub(to_pdp)
        identity: identity_pb2_grpc.IdentityServiceAsyncStub = identity_pb2_grpc.IdentityServiceStub(to_identity)

        async def decides(effect: decision_pb2.Effect.ValueType) -> None:
            ends = time.perf_counter() + LONGEST_S
            while (await decisions.Check(question())).effect != effect:
                if time.perf_counter() > ends:
                    raise TimeoutError(f"the pdp does not say {decision_pb2.Effect.Name(effect)}")

        async def until_denied(stop: Callable[[], Awaitable[None]]) -> float:
            await decides(decision_pb2.EFFECT_ALLOW)
            began = time.perf_counter()
            await stop()
            await decides(decision_pb2.EFFECT_DENY)
            return (time.perf_counter() - began) * 1_000

        async def engage() -> None:
            target = bundle_pb2.KillTarget(agent=AGENT)
            await switches.EngageKillSwitch(bundle_pb2.EngageKillSwitchRequest(target=target, reason="bench"))

        async def release() -> None:
            for each in (await switches.ListKillSwitches(bundle_pb2.ListKillSwitchesRequest())).kill_switches:
                await switches.ReleaseKillSwitch(bundle_pb2.ReleaseKillSwitchRequest(name=each.name, reason="bench"))

        async def suspend() -> None:
            await identity.Suspend(identity_pb2.SuspendRequest(did=around.did, reason="bench"))

        for _ in range(plan.rounds):
            killed.append(await until_denied(engage))
            await release()
            suspended.append(await until_denied(suspend))
            await identity.Reinstate(identity_pb2.ReinstateRequest(did=around.did, reason="bench"))
    return {"killed": killed, "suspended": suspended}
