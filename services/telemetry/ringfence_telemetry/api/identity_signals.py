"""Identity as telemetry sees it: where trust signals go."""

from collections.abc import Sequence

import grpc.aio
from ringfence.errors import InvalidArgumentError, RingfenceError
from ringfence.identity.v1 import trust_pb2_grpc

from ringfence_telemetry.convert import signals as convert
from ringfence_telemetry.signal_delivery import ReceiverAway, SignalsUnreadable
from ringfence_telemetry.signals import Signal

DEADLINE_SECONDS = 10.0


class IdentitySignals:
    """A `SignalReceiver` on a channel to identity."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._trust: trust_pb2_grpc.TrustServiceAsyncStub = trust_pb2_grpc.TrustServiceStub(channel)

    async def record(self, signals: Sequence[Signal]) -> Sequence[str]:
        """Return what identity made of each signal. Raises ReceiverAway, SignalsUnreadable."""
        try:
            response = await self._trust.RecordSignals(convert.record_signals(signals), timeout=DEADLINE_SECONDS)
        except InvalidArgumentError as error:
            raise SignalsUnreadable(str(error)) from error
        except RingfenceError as error:
            raise ReceiverAway(str(error)) from error
        return [convert.outcome_word(result) for result in response.results]
