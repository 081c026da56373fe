"""What a caller needs to call: the security requirements of a card or a skill, of any A2A generation.

- A requirement is an object of schemes that are needed together; of several requirements one is enough.
- 1.0 says `securityRequirements` and nests the scopes under `list`; 0.3 said `security` and listed them.
- Every name in a requirement has to be that of a scheme the card declares.
"""

from collections.abc import Mapping

from ringfence_registry.cards.members import CardObject, CardReader, has
from ringfence_registry.cards.model import SecurityRequirement, SecurityScheme
from ringfence_registry.cards.sections import CARD, SCHEME
from ringfence_registry.cards.strict_json import JsonPath, JsonValue


def security_requirements_of(
    at: CardObject, schemes: tuple[SecurityScheme, ...], reader: CardReader
) -> tuple[SecurityRequirement, ...]:
    """Return what a caller needs for the card, or for one of its skills: any one of these."""
    declared = {scheme.name for scheme in schemes}
    new = [_requirement(place, value, declared, reader) for place, value in reader.entries(at, "securityRequirements")]
    old = [_old_requirement(place, value, declared, reader) for place, value in _old_entries(at, reader)]
    if has(at, "securityRequirements"):
        if old and old != new:
            reader.reasons.warn((at.path, "security"), SCHEME, "asks older clients for something else")
        return tuple(new)
    if old:
        reader.reasons.translate((at.path, "security"), CARD, "is called securityRequirements, and nests its scopes")
    elif at.section is CARD and has(at, "authentication"):
        old = [SecurityRequirement(schemes={scheme.name: ()}) for scheme in schemes]
    return tuple(old)


def _requirement(place: JsonPath, value: JsonValue, declared: set[str], reader: CardReader) -> SecurityRequirement:
    if not isinstance(value, dict):
        reader.mistyped(place, SCHEME, "an object", value)
        return SecurityRequirement(schemes={value: ()} if isinstance(value, str) else {})
    at = CardObject(value, place, SCHEME)
    if "schemes" not in value and any(isinstance(scopes, list) or name in declared for name, scopes in value.items()):
        reader.reasons.translate(place, SCHEME, "names its schemes without the member schemes")
        return _old_requirement(place, value, declared, reader)
    schemes = {}
    for name, scopes in reader.mapping(at, "schemes").items():
        path = ((place, "schemes"), name)
        if isinstance(scopes, dict):
            schemes[name] = reader.texts(CardObject(scopes, path, SCHEME), "list")
        elif isinstance(scopes, list):  # as an SDK for Go serves them
            schemes[name] = _scopes(path, scopes, reader)
            reader.reasons.translate(path, SCHEME, "lists its scopes without the member list")
        else:
            schemes[name] = _scopes(path, scopes, reader)
            reader.mistyped(path, SCHEME, "an object with a list", scopes)
    _judge_references(schemes, (place, "schemes"), declared, reader)
    return SecurityRequirement(schemes=schemes)


def _old_entries(at: CardObject, reader: CardReader) -> list[tuple[JsonPath, JsonValue]]:
    value = reader.value(at, "security")
    if isinstance(value, dict) and value:
        reader.mistyped((at.path, "security"), SCHEME, "a list", value)
        return [((at.path, "security"), value)]
    return reader.entries(at, "security")


def _old_requirement(place: JsonPath, value: JsonValue, declared: set[str], reader: CardReader) -> SecurityRequirement:
    if isinstance(value, str):
        reader.mistyped(place, SCHEME, "an object", value)
        schemes: dict[str, tuple[str, ...]] = {value: ()}
    elif isinstance(value, dict):
        schemes = {name: _scopes((place, name), scopes, reader) for name, scopes in value.items()}
    else:
        reader.mistyped(place, SCHEME, "an object", value)
        schemes = {}
    _judge_references(schemes, place, declared, reader)
    return SecurityRequirement(schemes=schemes)


def _scopes(path: JsonPath, value: JsonValue, reader: CardReader) -> tuple[str, ...]:
    if not isinstance(value, list):
        if value is not None:
            reader.mistyped(path, SCHEME, "a list", value)
        return (value,) if isinstance(value, str) and value else ()
    for index, scope in enumerate(value):
        if not isinstance(scope, str):
            reader.mistyped((path, index), SCHEME, "a string", scope)
    return tuple(scope for scope in value if isinstance(scope, str))


def _judge_references(names: Mapping[str, object], place: JsonPath, declared: set[str], reader: CardReader) -> None:
    for name in names:
        if name not in declared:
            reader.reasons.violate((place, name), SCHEME, "is not the name of a security scheme of the card")
