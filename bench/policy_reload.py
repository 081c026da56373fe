"""Row 18: a bundle of 1,000 policies is pushed to a pdp that is asked all the time.

The clock runs from just before PushBundle is sent until an answer was decided by the new bundle: 10,000 rules are read,
compiled and stored meanwhile. One caller asks on the fast port, question after question, and every answer must be an
ALLOW. The longest it waited for one is the stall; that is what a caller sees, its own share of the machine included.
"""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from entrants import DECIDE
from grpc_load import Call, Load
from pdp_process import mesh
from questions import allowed, checks, policies
from ringfence.pdp.v1 import bundle_pb2, bundle_pb2_grpc, decision_pb2
from stage import Plan

POLICIES = 1_000
PUSHES = 5
LONGEST_S = 60.0


class Deciding:
    """Looks at answers, and says when the first came that another bundle decided."""

    def __init__(self) -> None:
        self._digest = ""
        self.changed = asyncio.Event()

    def is_right(self, body: bytes) -> bool:
        """Say whether it allowed."""
        digest = decision_pb2.CheckResponse.FromString(body).bundle_digest
        if digest != self._digest:
            self._digest = digest
            self.changed.set()
        return allowed(body)


async def measure(plan: Plan, folder: Path) -> Mapping[str, list[float]]:
    """Return seconds until it decides, and the longest wait in milliseconds, for each push."""
    taken, stalls, deciding = list[float](), list[float](), Deciding()
    async with (
        mesh(folder / "reload") as around,
        around.pdp(policies(POLICIES)) as pdp,
        pdp.service.channel() as channel,
    ):
        stub: bundle_pb2_grpc.BundleServiceAsyncStub = bundle_pb2_grpc.BundleServiceStub(channel)
        call = Call(method=f"{DECIDE}Check", requests=checks(), is_right=deciding.is_right, headers=pdp.credential)
        load = await Load.open(pdp.service.fast, call, connections=1, streams=1)

        async def push(number: int) -> None:
            files = policies(POLICIES, note=f"bundle {number}")
            await asyncio.wait_for(deciding.changed.wait(), LONGEST_S)  # by the first answer: of the bundle before
            deciding.changed.clear()
            began = time.perf_counter()
            await stub.PushBundle(bundle_pb2.PushBundleRequest(files=files))
            await asyncio.wait_for(deciding.changed.wait(), LONGEST_S)
            taken.append(time.perf_counter() - began)

        try:
            for number in range(min(plan.rounds, PUSHES)):
                found = await load.during(push(number))
                stalls.append(max(found.latencies) * 1_000)
        finally:
            load.close()
    return {"reload": taken, "reload stall": stalls}
