"""A pdp embedded in a test, beside one that is served."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ringfence.channel import ChannelOptions
from ringfence.local_pdp import LocalPdp
from ringfence_kit.callers import Caller

from support.pdp.followed import DECIDER
from support.pdp.served import ServedPdp


@asynccontextmanager
async def local_pdp(
    pdp: ServedPdp, data: Path, *, caller: Caller = DECIDER, ready: bool = True, **settings: Any
) -> AsyncIterator[LocalPdp]:
    """Decide on the snapshot of `pdp`, by its clock unless another one is given."""
    options = ChannelOptions(token=pdp.mesh.token(caller))
    local = LocalPdp(pdp.mesh.address("pdp.listen"), data=data, options=options, **{"clock": pdp.clock, **settings})
    async with local:
        if ready:
            await local.ready()
        yield local
