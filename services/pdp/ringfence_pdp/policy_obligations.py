"""Reading the `obligations` of a rule: what has to be done with a call that it lets through.

`{type: redact, id: pii, properties: {fields: [email]}}`. Without an id it is called as its type is, so that one `log`
of one rule and one of another are the same obligation.
"""

import json
import re

from ringfence_pdp.fields import View
from ringfence_pdp.model import Effect, Obligation

OBLIGATIONS_MAX = 16
"""Obligations of one rule."""

PROPERTIES_BYTES_MAX = 4_096

TYPE = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_TYPE_SHAPE = "a type such as 'redact' or 'step_up'"
ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
_ID_SHAPE = "an id such as 'pii'"


def read_obligations(view: View, effect: Effect) -> tuple[Obligation, ...]:
    """Read the obligations of a rule, ordered by type and id."""
    if effect is Effect.DENY:
        view.wrong("a rule that says DENY obliges to nothing", "leave obligations out")
        return ()
    found: dict[tuple[str, str], Obligation] = {}
    for item in view.items(at_most=OBLIGATIONS_MAX):
        fields = item.fields(required=("type",), optional=("id", "properties"))
        type_ = fields["type"].text(TYPE, _TYPE_SHAPE)
        id_ = fields["id"].text(ID, _ID_SHAPE) if fields["id"].present else type_
        properties = fields["properties"].json_object()
        if len(json.dumps(properties, ensure_ascii=False).encode()) > PROPERTIES_BYTES_MAX:
            fields["properties"].wrong(f"are more than {PROPERTIES_BYTES_MAX} bytes as JSON")
        if (type_, id_) in found:
            item.wrong(f"the rule obliges to {type_!r} {id_!r} twice", "keep one, or give them ids")
        found[type_, id_] = Obligation(type_, id_, properties)
    return tuple(found[key] for key in sorted(found))
