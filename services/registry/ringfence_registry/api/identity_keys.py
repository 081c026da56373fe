"""Identity as the signatures of cards need it: an agent's standing, and every key it had."""

import asyncio
from collections.abc import Callable

import grpc.aio
from ringfence.errors import InvalidArgumentError, NotFoundError, RingfenceError
from ringfence.identity.v1 import identity_pb2, identity_pb2_grpc
from ringfence_kit.clock import Clock

from ringfence_registry.cards.signatures.keys import AgentKeys, IdentityAway
from ringfence_registry.convert.agent_keys import agent_keys

DEADLINE_SECONDS = 2.0
"""A registration waits for this; without an answer its signatures are judged later."""

_HAS_HISTORY = "did:webvh:"


class IdentityKeys:
    """An `IdentityReader` on the channel to identity, which is there once the registry runs."""

    def __init__(self, channel: Callable[[], grpc.aio.Channel], clock: Clock) -> None:
        self._channel = channel
        self._clock = clock

    async def keys_of(self, did: str) -> AgentKeys | None:
        """Return what identity says of `did`, None when it knows no such agent. Raises `IdentityAway`."""
        stub: identity_pb2_grpc.IdentityServiceAsyncStub = identity_pb2_grpc.IdentityServiceStub(self._channel())
        request = identity_pb2.GetAgentIdentityRequest(did=did)
        try:
            answer, log = await asyncio.gather(
                stub.GetAgentIdentity(request, timeout=DEADLINE_SECONDS), _log(stub, did)
            )
        except (NotFoundError, InvalidArgumentError):
            return None  # nobody it knows, or of an environment that is not its own
        except RingfenceError as error:
            raise IdentityAway(str(error)) from error
        return agent_keys(answer.identity, log, did=did, now=self._clock.now())


async def _log(stub: "identity_pb2_grpc.IdentityServiceAsyncStub", did: str) -> str:
    if not did.startswith(_HAS_HISTORY):
        return ""
    answer = await stub.GetDidLog(identity_pb2.GetDidLogRequest(did=did), timeout=DEADLINE_SECONDS)
    return answer.log.decode("utf-8", "replace")  # what is no UTF-8 fails the check of the log
