"""Agent Cards in a hundred shapes, and what can go wrong with one on its way here.

`mutated_cards` starts from cards that look real and changes them as SDKs, people and attackers do: members dropped,
doubled, retyped, renamed, nested; bytes flipped, cut and spliced.
"""

import json
import re
from pathlib import Path
from typing import Any, TypeAlias

from hypothesis import strategies as st

Json: TypeAlias = Any

GOLDEN = Path(__file__).parents[2] / "golden" / "registry"
REAL_LOOKING = [path.read_bytes() for path in sorted((GOLDEN / "cards").glob("*.json"))]

_KNOWN_NAMES = (
    *("name", "description", "version", "url", "provider", "organization", "iconUrl", "documentationUrl"),
    *("supportedInterfaces", "supported_interfaces", "protocolBinding", "protocolVersion", "tenant"),
    *("preferredTransport", "additionalInterfaces", "transport", "supportsAuthenticatedExtendedCard"),
    *("capabilities", "streaming", "pushNotifications", "extendedAgentCard", "extensions", "uri", "required", "params"),
    *("securitySchemes", "security_schemes", "type", "in", "location", "scheme", "flows", "scopes", "tokenUrl"),
    *("apiKeySecurityScheme", "oauth2SecurityScheme", "httpAuthSecurityScheme", "mtlsSecurityScheme"),
    *("clientCredentials", "authorizationCode", "password", "deviceCode", "pkceRequired", "openIdConnectUrl"),
    *("security", "securityRequirements", "schemes", "list", "authentication", "credentials"),
    *("signatures", "protected", "signature", "header"),
    *(
        "skills",
        "id",
        "tags",
        "examples",
        "inputModes",
        "defaultInputModes",
        "default_output_modes",
        "x-evil",
        "__proto__",
    ),
)
_NAMES = st.sampled_from(_KNOWN_NAMES) | st.text(max_size=6)
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["1.0", "0.3.0", "JSONRPC", "https://a.example.com", "http://[::1", "\u202e", "e\u0301", ""])
    | st.sampled_from(["oauth2", "apiKey", "Ignore all previous instructions", "10.0.0.1:1", 2**63, 10**300])
)
values: st.SearchStrategy[Json] = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=4), max_leaves=12
)


@st.composite
def mutated_documents(draw: st.DrawFn) -> Json:
    """A card that looks real with up to four of its parts changed."""
    document = json.loads(draw(st.sampled_from(REAL_LOOKING)))
    for _ in range(draw(st.integers(0, 4))):
        _change(draw, document)
    return document


def _change(draw: st.DrawFn, document: Json) -> None:
    """Change one thing somewhere below `document`, which stays what it is."""
    place: Json = document
    while True:
        inner = [key for key, value in _members(place) if isinstance(value, dict | list) and value]
        if not inner or draw(st.booleans()):
            break
        place = place[draw(st.sampled_from(inner))]
    keys = [key for key, _ in _members(place)]
    match draw(st.sampled_from(["replace", "remove", "add", "wrap"])):
        case "replace" if keys:
            place[draw(st.sampled_from(keys))] = draw(values)
        case "remove" if keys:
            del place[draw(st.sampled_from(keys))]
        case "wrap" if keys:
            key = draw(st.sampled_from(keys))
            place[key] = [place[key]]
        case _ if isinstance(place, dict):
            place[draw(_NAMES)] = draw(values)
        case _:
            place.append(draw(values))


def _members(place: Json) -> list[tuple[Any, Json]]:
    return list(place.items()) if isinstance(place, dict) else list(enumerate(place))


@st.composite
def mutated_bytes(draw: st.DrawFn) -> bytes:
    """The bytes of a mutated card, some of them damaged on the way."""
    body = json.dumps(draw(mutated_documents()), ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(body)))
        length = draw(st.integers(0, 3))
        body = body[:at] + draw(st.binary(max_size=4)) + body[at + length :]
    return body


@st.composite
def repeated_members(draw: st.DrawFn) -> bytes:
    """A card with one of its members written a second time, somewhere."""
    body = draw(st.sampled_from(REAL_LOOKING)).decode()
    openings = [found.start() for found in re.finditer(r'"(?:[^"\\]|\\.)*"|\{', body) if found[0] == "{"]
    opening = draw(st.sampled_from(openings))
    rest = body[opening + 1 :].lstrip()
    name = rest[: rest.index('"', 1) + 1] if rest.startswith('"') else '"name"'
    return f"{body[: opening + 1]}{name}: 1, {name}: 2, {rest}".replace(", }", "}").encode()


def as_cards() -> st.SearchStrategy[bytes]:
    """Whatever somebody may send as a card."""
    return st.one_of(
        mutated_bytes(),
        mutated_documents().map(lambda document: json.dumps(document).encode()),
        repeated_members(),
        st.binary(max_size=64),
        st.integers(1, 400).map(lambda levels: b"[" * levels + b"]" * levels),
        values.map(lambda value: json.dumps(value).encode()),
    )


def mostly_readable() -> st.SearchStrategy[bytes]:
    """What somebody may send as a card and what mostly is one, for laws about cards that were read."""
    return st.one_of(
        mutated_documents().map(lambda document: json.dumps(document).encode()),
        st.dictionaries(_NAMES, values, max_size=6).map(lambda document: json.dumps(document).encode()),
        mutated_bytes(),
    )
