"""Decisions that may be used again: for what and how long, the pdp says. Pure: nothing waits or is sent here.

The rules:

- an answer without `cache` is used once; so is one to a question that names a chain, a target, proofs, an approval or
  usage, whatever was answered to the same question without;
- an answer is used for questions that are equal in every field its `vary_on` names, until its ttl ends;
- an answer of an older epoch than the latest that was heard of is gone at once, and so is all of it when nothing was
  heard for `SILENCE`: whoever does not hear of a kill must not act on what was before.
"""

from collections import OrderedDict
from typing import Final, NamedTuple

from google.protobuf.message import Message

from ringfence.pdp.v1.decision_pb2 import CheckRequest, CheckResponse

SILENCE: Final = 15.0
"""Seconds after which a silent pdp is one that may have said something else."""

KEPT: Final = 10_000

_ALONE: Final = frozenset(
    {"subject", "action", "resource", "environment", "side", "session", "context", "trace_id", "supported_obligations"}
)
"""What a question may say for its answer to be used again."""


class _Kept(NamedTuple):
    response: CheckResponse
    until: float


class DecisionCache:
    """Answers by what they depend on. `now` is seconds of the caller's steady clock."""

    def __init__(self, *, kept: int = KEPT) -> None:
        self._kept: OrderedDict[tuple[tuple[str, ...], tuple[bytes, ...]], _Kept] = OrderedDict()
        self._most = kept
        self._shapes: OrderedDict[tuple[str, ...], None] = OrderedDict()
        self._epoch = 0
        self._heard_at: float | None = None

    def __len__(self) -> int:
        return len(self._kept)

    def heard(self, epoch: int, now: float) -> None:
        """Take note that the pdp lives, and that answers of an epoch before `epoch` are void."""
        self._heard_at = now
        if epoch > self._epoch:
            self._epoch = epoch
            self._kept.clear()
            self._shapes.clear()

    def forget(self) -> None:
        """Drop everything: the connection broke, and what is on the other end now may be another pdp."""
        self._kept.clear()
        self._shapes.clear()
        self._epoch, self._heard_at = 0, None

    def find(self, request: CheckRequest, now: float) -> CheckResponse | None:
        """Return the answer that holds for `request`, if there is one."""
        if self._heard_at is None or now - self._heard_at > SILENCE or not _is_alone(request):
            return None
        for shape in self._shapes:
            key = shape, _values(request, shape)
            kept = self._kept.get(key)
            if kept is not None:
                if now < kept.until:
                    return kept.response
                del self._kept[key]
        return None

    def keep(self, request: CheckRequest, response: CheckResponse, now: float) -> None:
        """Keep an answer if it says for what and how long."""
        if not response.HasField("cache") or response.epoch < self._epoch or not _is_alone(request):
            return
        shape = tuple(sorted(response.cache.vary_on))
        self._shapes[shape] = None
        self._kept[shape, _values(request, shape)] = _Kept(response, now + response.cache.ttl.ToMilliseconds() / 1_000)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)


def _is_alone(request: CheckRequest) -> bool:
    return all(field.name in _ALONE for field, _ in request.ListFields())


def _values(request: CheckRequest, shape: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(_value(request, path) for path in shape)


def _value(request: CheckRequest, path: str) -> bytes:
    """Return what a request says at a path such as `action.name`, as bytes that are equal when it is."""
    holder: Message = request
    *parents, name = path.split(".")
    for parent in parents:
        holder = getattr(holder, parent)
    only = type(holder)()
    field = holder.DESCRIPTOR.fields_by_name[name]
    value = getattr(holder, name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        getattr(only, name).update(value)
    elif field.is_repeated:
        getattr(only, name).extend(sorted(value))
    elif field.message_type is not None:
        if holder.HasField(name):
            getattr(only, name).CopyFrom(value)
    else:
        setattr(only, name, value)
    return only.SerializeToString(deterministic=True)
