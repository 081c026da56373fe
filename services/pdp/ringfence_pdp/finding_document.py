"""A finding as the decision log keeps it, and as it is read back where a replay needs what somebody else said.

What is in it is texts, whole numbers, lists and objects with ASCII names, like the rest of the document. Filters mask
secrets in what they show, and names of members may be secrets too. Of an argument the operator's masks hide, nothing
that stands in it is shown at all.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from ringfence_pdp.filters.finding import Action, ArgumentType, Finding, Kind, Ngram, Origin, Severity
from ringfence_pdp.filters.pointers import shown
from ringfence_pdp.masks import MASKED

MILLIONTHS: Final = 1_000_000
THOUSANDTHS: Final = 1_000


def finding_document(finding: Finding, hides: Callable[[str], bool]) -> dict[str, Any]:
    """Return the members that say something; `hides` says of a JSON Pointer whether what is there may be shown."""
    hidden = bool(finding.argument) and hides(finding.argument)
    said: dict[str, Any] = {
        "kind": finding.kind.name.lower(),
        "id": finding.id,
        "category": finding.category,
        "severity": finding.severity.word,
        "action": finding.action.name.lower() if finding.action else "",
        "message": "" if hidden else finding.message,
        "argument": shown(finding.argument),
        "argument_type": finding.argument_type.word if finding.argument_type is not None else "",
        "views": list(finding.views),
        "start": finding.start,
        "end": finding.end,
        "snippet": MASKED if hidden and finding.snippet else finding.snippet,
        "ngrams": [] if hidden else [[one.text, round(one.weight * THOUSANDTHS)] for one in finding.ngrams],
        "frame": {} if hidden else {name: value for name, value in sorted(finding.frame.items()) if name.isascii()},
        "model": finding.model,
        "origin": finding.origin.word if finding.origin else "",
    }
    document = {name: value for name, value in said.items() if value}
    if finding.p_value is not None:
        document["p_value_millionths"] = round(finding.p_value * MILLIONTHS)
    return document


def finding_of(document: Mapping[str, Any]) -> Finding:
    """Return the finding a document was made of. Raises KeyError, TypeError or ValueError when it is none."""
    p_value = document.get("p_value_millionths")
    argument_type = document.get("argument_type")
    return Finding(
        kind=Kind[document["kind"].upper()],
        id=document["id"],
        category=document["category"],
        severity=Severity[document["severity"].upper()],
        action=Action[document["action"].upper()] if "action" in document else Action.NONE,
        message=document.get("message", ""),
        argument=document.get("argument", ""),
        argument_type=ArgumentType[argument_type.upper()] if argument_type else None,
        views=tuple(document.get("views", ())),
        start=document.get("start", 0),
        end=document.get("end", 0),
        snippet=document.get("snippet", ""),
        p_value=None if p_value is None else p_value / MILLIONTHS,
        ngrams=tuple(Ngram(text, weight / THOUSANDTHS) for text, weight in document.get("ngrams", ())),
        frame=document.get("frame", {}),
        model=document.get("model", ""),
        origin=Origin[document["origin"].upper()] if "origin" in document else Origin.UNKNOWN,
    )
