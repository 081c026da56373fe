"""Where arguments come from, as a call says: in `_meta` of an MCP message, or in a header the gateway vouches for.

The rules:

- whoever calls writes the body, and headers nobody vouches for: of these only what restricts is believed, so a message
  may say that something comes from a tool, and never that it comes from its user;
- where the gateway and the message both speak of a place, what restricts holds;
- an origin that cannot be read is no origin that can be left out: the call is refused.
"""

from collections.abc import Mapping
from typing import Final

from ringfence_pdp.doors.headers import ORIGINS, Headers
from ringfence_pdp.doors.json_reading import Json, UnreadableJsonError, read_json
from ringfence_pdp.doors.json_rpc import RpcMessage
from ringfence_pdp.doors.refusal import Refused
from ringfence_pdp.doors.route import Route
from ringfence_pdp.filters.finding import Origin
from ringfence_pdp.model import Reason

META: Final = "ringfence.dev/origins"
"""The member of an MCP message's `_meta` (MCP 2025-06-18, `_meta`: a prefix of one's own, then the name)."""

_WORDS: Final[Mapping[str, Origin]] = {origin.word: origin for origin in Origin}
_MANY: Final = 64


def origins_of(message: RpcMessage, headers: Headers, route: Route) -> Mapping[str, Origin]:
    """Return where the arguments of a message come from, by JSON Pointer, or raise Refused."""
    meta = message.params.get("_meta")
    said = meta.get(META) if isinstance(meta, dict) else None
    by_message = _restricting(_origins(said, f"params._meta[{META!r}]"))
    header = headers.get(ORIGINS)
    if header is None:
        return by_message
    by_header = _origins(_json(header), f"the header {ORIGINS}")
    if not route.trusts_headers:
        by_header = _restricting(by_header)
    return {**by_header, **by_message}


def read_origins(said: Mapping[str, Json]) -> Mapping[str, Origin] | None:
    """Return the origins that are written like this; None when one is none."""
    found: dict[str, Origin] = {}
    for pointer, word in said.items():
        if not isinstance(word, str) or word not in _WORDS:
            return None
        found[pointer] = _WORDS[word]
    return found


def words() -> str:
    """Return what an origin may be called, for who is told that one is not."""
    return ", ".join(_WORDS)


def _origins(said: Json, where: str) -> Mapping[str, Origin]:
    if said is None:
        return {}
    found = read_origins(said) if isinstance(said, dict) and len(said) <= _MANY else None
    if found is None:
        shape = f"at most {_MANY} JSON Pointers into the arguments, each with one of {words()}"
        raise Refused(Reason.REQUEST_INVALID, f"{where} has to be {shape}")
    return found


def _restricting(origins: Mapping[str, Origin]) -> Mapping[str, Origin]:
    return {pointer: origin for pointer, origin in origins.items() if origin.is_untrusted}


def _json(header: str) -> Json:
    try:
        return read_json(header.encode("latin-1"))
    except (UnicodeEncodeError, UnreadableJsonError) as error:
        raise Refused(Reason.REQUEST_INVALID, f"the header {ORIGINS} is no JSON: {error}") from None
