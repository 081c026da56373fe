"""`ringfence.pdp.v1.IntentClassifierService` as its client: questions to messages, answers to values.

An answer is judged like a request of anybody: one thing wrong with it, and nothing of it counts.
"""

import re
from collections.abc import Mapping

from ringfence.pdp.v1 import classifier_pb2 as pb
from ringfence.pdp.v1 import filter_pb2
from ringfence_kit.errors import InvalidRequest
from ringfence_kit.validation import Violations

from ringfence_pdp.classifiers.reply import Cause, Label, NoReply, Question, Reply
from ringfence_pdp.filters.finding import Severity

LABELS_MAX = 16
MODEL_BYTES_MAX = 200
MESSAGE_BYTES_MAX = 500

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_SEVERITIES: Mapping[int, Severity] = {severity.value: severity for severity in Severity}


def classify_request(question: Question, number: int) -> pb.ClassifyRequest:
    """Return the question as it is sent."""
    texts = [
        pb.ClassifiedText(
            argument=_encodable(text.pointer),
            type=filter_pb2.ArgumentType.ValueType(text.type),
            text=_encodable(text.text),
            origin=filter_pb2.Origin.ValueType(text.origin),
        )
        for text in question.texts
    ]
    return pb.ClassifyRequest(id=number, texts=texts, action=question.action, tool=question.tool)


def reply_of(response: pb.ClassifyResponse, question: Question) -> Reply:
    """Return what an answer says. Raises NoReply when it makes no sense."""
    found = Violations()
    pointers = {text.pointer for text in question.texts} | {""}
    labels = [
        _label(label, field, pointers, found)
        for field, label in found.items(response.labels, "labels", max_items=LABELS_MAX)
    ]
    model = found.text(response.model, "model", max_bytes=MODEL_BYTES_MAX, required=False)
    try:
        found.raise_if_any()
    except InvalidRequest as invalid:
        first = invalid.violations[0]
        raise NoReply(Cause.NONSENSE, f"its answer makes no sense: {first.field} {first.problem}") from None
    return Reply([label for label in labels if label is not None], model)


def _label(label: pb.Label, field: str, pointers: set[str], found: Violations) -> Label | None:
    at = found.at(field)
    name = at.text(label.name, "name", max_bytes=63, pattern=_NAME, shape="a-z, 0-9 and -, a letter first")
    severity = at.enum(label.severity, "severity", _SEVERITIES)
    message = at.text(label.message, "message", max_bytes=MESSAGE_BYTES_MAX, required=False)
    if label.argument not in pointers:
        at.add("argument", "is none of the texts that were asked about")
    return None if severity is None else Label(name, severity, label.argument, message)


def _encodable(text: str) -> str:
    """Return `text` as protobuf takes it: half a surrogate pair is no character, and cannot be sent."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
