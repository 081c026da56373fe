"""How callers show who they are: the security schemes of a card of any A2A generation.

- 1.0 wraps a scheme in a member named by its kind; 0.3 tells the kind by `type`. A hybrid has both in one object.
- 1.0 has room for one OAuth flow a scheme; all that a card names are read.
- 0.1 had `authentication`, a list of names; they are read as schemes. In newer cards it may be anything.
"""

from collections.abc import Callable, Iterator, Mapping

from ringfence_registry.cards.members import MAX_ENTRIES, CardObject, CardReader, Need, has
from ringfence_registry.cards.model import (
    FlowKind,
    OAuthFlow,
    SchemeKind,
    SecurityScheme,
)
from ringfence_registry.cards.sections import (
    API_KEY_SCHEME,
    CARD,
    HTTP_SCHEME,
    MUTUAL_TLS_SCHEME,
    OAUTH2_SCHEME,
    OAUTH_FLOWS,
    OPEN_ID_CONNECT_SCHEME,
    SCHEME,
    Section,
)
from ringfence_registry.cards.strict_json import JsonPath, JsonValue

_LOCATIONS = frozenset({"query", "header", "cookie"})
_WRAPPERS: Mapping[str, tuple[SchemeKind, Section]] = {
    "apiKeySecurityScheme": (SchemeKind.API_KEY, API_KEY_SCHEME),
    "httpAuthSecurityScheme": (SchemeKind.HTTP, HTTP_SCHEME),
    "oauth2SecurityScheme": (SchemeKind.OAUTH2, OAUTH2_SCHEME),
    "openIdConnectSecurityScheme": (SchemeKind.OPEN_ID_CONNECT, OPEN_ID_CONNECT_SCHEME),
    "mtlsSecurityScheme": (SchemeKind.MUTUAL_TLS, MUTUAL_TLS_SCHEME),
}
_TYPES = {kind.value: kind for kind in SchemeKind if kind is not SchemeKind.UNKNOWN}
_LOOSE_TYPES = {
    **{text.lower(): kind for text, kind in _TYPES.items()},
    "api_key": SchemeKind.API_KEY,
    "bearer": SchemeKind.HTTP,
    "basic": SchemeKind.HTTP,
    "oauth": SchemeKind.OAUTH2,
    "oidc": SchemeKind.OPEN_ID_CONNECT,
    "mtls": SchemeKind.MUTUAL_TLS,
}
"""What cards in the wild write for a type."""


def security_schemes_of(card: CardObject, reader: CardReader) -> tuple[SecurityScheme, ...]:
    """Return every scheme the card declares, also those nobody can make anything of."""
    schemes = [_scheme(name, at, reader) for name, at in _declared(card, reader)]
    schemes += _schemes_of_0_1(card, {scheme.name for scheme in schemes}, reader)
    return tuple(schemes)


def _declared(card: CardObject, reader: CardReader) -> Iterator[tuple[str, CardObject]]:
    value = reader.value(card, "securitySchemes")
    place = reader.place(card, "securitySchemes")
    members: dict[str, tuple[JsonPath, JsonValue]]
    if isinstance(value, list) and value:
        reader.mistyped(place, CARD, "an object", value)
        members = {}
        for index, entry in enumerate(value[:MAX_ENTRIES]):
            name = _name_of(entry)
            members[str(index) if name in members or not name else name] = ((place, index), entry)
    else:
        members = {name: ((place, name), entry) for name, entry in reader.mapping(card, "securitySchemes").items()}
    for name, (path, entry) in members.items():
        if isinstance(entry, dict):
            yield name, CardObject(entry, path, SCHEME)
        else:
            reader.mistyped(path, SCHEME, "an object", entry)


def _name_of(entry: JsonValue) -> str:
    """Return how a scheme in a list may be called; the form has no place for a name."""
    if isinstance(entry, dict):
        for member in ("id", "schemeName", "type", "name"):
            if isinstance(name := entry.get(member), str) and name:
                return name
    return ""


def _scheme(name: str, at: CardObject, reader: CardReader) -> SecurityScheme:
    wrapped = [wrapper for wrapper in _WRAPPERS if has(at, wrapper)]
    stated = reader.text(at, "type")
    if len(wrapped) > 1:
        reader.reasons.violate(at.path, SCHEME, "is of several kinds at once")
    if wrapped:
        kind, section = _WRAPPERS[wrapped[0]]
        if stated and _LOOSE_TYPES.get(stated.lower()) is not kind:
            reader.reasons.violate((at.path, "type"), SCHEME, "is another kind of scheme for older clients")
        return _READERS[kind](name, reader.object(at, wrapped[0], section), reader)
    if not stated:
        reader.reasons.violate(at.path, SCHEME, "is of no kind A2A knows")
        return SecurityScheme(name=name, kind=SchemeKind.UNKNOWN)
    return _scheme_by_type(name, stated, at, reader)


def _scheme_by_type(name: str, stated: str, at: CardObject, reader: CardReader) -> SecurityScheme:
    kind = _LOOSE_TYPES.get(stated.lower(), SchemeKind.UNKNOWN)
    if stated not in _TYPES:
        reader.reasons.violate((at.path, "type"), SCHEME, "is not apiKey, http, oauth2, openIdConnect or mutualTLS")
    elif not reader.before_1_0:
        reader.reasons.translate((at.path, "type"), SCHEME, "tells the kind of scheme as 0.3 does")
    return _READERS[kind](name, at, reader)


def _api_key(name: str, at: CardObject, reader: CardReader) -> SecurityScheme:
    old = has(at, "in") and not has(at, "location")
    location = reader.text(at, "in" if old else "location", Need.VITAL)
    if location and location not in _LOCATIONS:
        place = reader.place(at, "in" if old else "location")
        reader.reasons.violate(place, API_KEY_SCHEME, "is not query, header or cookie")
    return SecurityScheme(
        name=name,
        kind=SchemeKind.API_KEY,
        description=reader.text(at, "description"),
        location=location,
        parameter=reader.text(at, "name", Need.VITAL),
    )


def _http(name: str, at: CardObject, reader: CardReader) -> SecurityScheme:
    loose = reader.text(at, "type").lower()
    return SecurityScheme(
        name=name,
        kind=SchemeKind.HTTP,
        description=reader.text(at, "description"),
        http_scheme=loose if loose in {"bearer", "basic"} else reader.text(at, "scheme", Need.VITAL),
        bearer_format=reader.text(at, "bearerFormat"),
    )


def _oauth2(name: str, at: CardObject, reader: CardReader) -> SecurityScheme:
    flows = reader.object(at, "flows", OAUTH_FLOWS, Need.VITAL)
    kinds = [kind for kind in FlowKind if isinstance(reader.value(flows, kind.value), dict)]
    if not kinds and flows.members:
        reader.reasons.violate(flows.path, OAUTH_FLOWS, "names no flow A2A knows")
    if len(kinds) > 1:
        # ProtoJSON cannot hold two members of a oneof, and A2A 0.3 could.
        note = reader.reasons.translate if reader.before_1_0 else reader.reasons.violate
        note(flows.path, OAUTH_FLOWS, f"names {len(kinds)} flows, where 1.0 has room for one; all are read")
    return SecurityScheme(
        name=name,
        kind=SchemeKind.OAUTH2,
        description=reader.text(at, "description"),
        oauth2_metadata_url=reader.text(at, "oauth2MetadataUrl"),
        flows=tuple(_flow(kind, reader.object(flows, kind.value, OAUTH_FLOWS), reader) for kind in kinds),
    )


_FLOW_URLS: Mapping[FlowKind, frozenset[str]] = {
    FlowKind.AUTHORIZATION_CODE: frozenset({"authorizationUrl", "tokenUrl"}),
    FlowKind.CLIENT_CREDENTIALS: frozenset({"tokenUrl"}),
    FlowKind.DEVICE_CODE: frozenset({"deviceAuthorizationUrl", "tokenUrl"}),
    FlowKind.IMPLICIT: frozenset({"authorizationUrl"}),
    FlowKind.PASSWORD: frozenset({"tokenUrl"}),
}


def _flow(kind: FlowKind, at: CardObject, reader: CardReader) -> OAuthFlow:
    def url(member: str) -> str:
        return reader.text(at, member, Need.VITAL if member in _FLOW_URLS[kind] else Need.OPTIONAL)

    scopes = reader.mapping(at, "scopes", Need.REQUIRED)
    for scope, meaning in scopes.items():
        if not isinstance(meaning, str):
            reader.mistyped((reader.place(at, "scopes"), scope), OAUTH_FLOWS, "a string", meaning)
    return OAuthFlow(
        kind=kind,
        authorization_url=url("authorizationUrl"),
        token_url=url("tokenUrl"),
        refresh_url=reader.text(at, "refreshUrl"),
        device_authorization_url=url("deviceAuthorizationUrl"),
        scopes={scope: meaning if isinstance(meaning, str) else "" for scope, meaning in scopes.items()},
        pkce_required=reader.flag(at, "pkceRequired") is True,
    )


def _open_id_connect(name: str, at: CardObject, reader: CardReader) -> SecurityScheme:
    return SecurityScheme(
        name=name,
        kind=SchemeKind.OPEN_ID_CONNECT,
        description=reader.text(at, "description"),
        open_id_connect_url=reader.text(at, "openIdConnectUrl", Need.VITAL),
    )


def _described(kind: SchemeKind) -> Callable[[str, CardObject, CardReader], SecurityScheme]:
    def read(name: str, at: CardObject, reader: CardReader) -> SecurityScheme:
        return SecurityScheme(name=name, kind=kind, description=reader.text(at, "description"))

    return read


_READERS: Mapping[SchemeKind, Callable[[str, CardObject, CardReader], SecurityScheme]] = {
    SchemeKind.API_KEY: _api_key,
    SchemeKind.HTTP: _http,
    SchemeKind.OAUTH2: _oauth2,
    SchemeKind.OPEN_ID_CONNECT: _open_id_connect,
    SchemeKind.MUTUAL_TLS: _described(SchemeKind.MUTUAL_TLS),
    SchemeKind.UNKNOWN: _described(SchemeKind.UNKNOWN),
}


def _schemes_of_0_1(card: CardObject, taken: set[str], reader: CardReader) -> list[SecurityScheme]:
    if not has(card, "authentication"):
        return []
    if not reader.may_be_0_1 and not _is_of_0_1(reader.value(card, "authentication")):
        # Since 0.2 it is a member like any other that A2A does not know (A2A 1.0 5.7).
        reader.reasons.warn((card.path, "authentication"), SCHEME, "is none of A2A's members; it is left alone")
        return []
    authentication = reader.object(card, "authentication", SCHEME)
    found = {}
    for name in reader.texts(authentication, "schemes"):
        kind = _LOOSE_TYPES.get(name.lower(), SchemeKind.UNKNOWN)
        http = name.lower() if kind is SchemeKind.HTTP else ""
        if name not in taken and name.lower() != "none":
            found[name] = SecurityScheme(name=name, kind=kind, http_scheme=http)
    if found:
        place = (authentication.path, "schemes")
        reader.reasons.translate(place, SCHEME, "names schemes as the first drafts of A2A did")
    return list(found.values())


def _is_of_0_1(authentication: JsonValue) -> bool:
    schemes = authentication.get("schemes") if isinstance(authentication, dict) else None
    return isinstance(schemes, list) and all(isinstance(name, str) for name in schemes)
