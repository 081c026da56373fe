"""A message of `ringfence.pdp.v1` put to the use case: what every door does, and the only place where it is done."""

from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence_kit.callers import Caller

from ringfence_pdp.answer import Answer
from ringfence_pdp.convert import decisions as convert
from ringfence_pdp.convert.question_bytes import Asked, asked_of
from ringfence_pdp.reckoning import Unsettled
from ringfence_pdp.sitting import Sitting


def checked(sitting: Sitting, asked: Asked, caller: Caller) -> Answer | Unsettled:
    """Decide one request, or return what people have a say in. Raises the failures of Check."""
    return sitting.check(asked.question(), caller, asked.sent, asked.routine)


async def answered(sitting: Sitting, asked: Asked, caller: Caller) -> Answer:
    """Decide one request, people included. Raises the failures of Check."""
    answer = checked(sitting, asked, caller)
    return await sitting.settled(answer) if isinstance(answer, Unsettled) else answer


async def decided(sitting: Sitting, request: pb.CheckRequest, caller: Caller) -> pb.CheckResponse:
    """Decide one request, and return the response as a message."""
    return convert.response_to_proto(await answered(sitting, asked_of(request), caller))
