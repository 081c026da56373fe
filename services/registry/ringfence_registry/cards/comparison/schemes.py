"""How callers show who they are: what a client was set up with has to go on working."""

from ringfence_registry.cards.comparison.model import DifferenceKind, Differences, breaking, compatible
from ringfence_registry.cards.model import CardContent, OAuthFlow, SchemeKind, SecurityScheme
from ringfence_registry.cards.strict_json import child_pointer

_CONFIGURED = {
    "location": "the key goes elsewhere",
    "parameter": "the key has another name",
    "open_id_connect_url": "another provider is trusted",
    "oauth2_metadata_url": "another authorization server is described",
}
"""What a client is set up with, and what it means when it changes."""

_ADDRESSES = {
    "authorization_url": "authorizationUrl",
    "token_url": "tokenUrl",
    "refresh_url": "refreshUrl",
    "device_authorization_url": "deviceAuthorizationUrl",
}


def scheme_differences(before: CardContent, after: CardContent) -> Differences:
    """Yield how the security schemes differ."""
    old = {scheme.name: scheme for scheme in before.security_schemes}
    new = {scheme.name: scheme for scheme in after.security_schemes}
    for name in old:
        if name not in new:
            yield breaking(DifferenceKind.SCHEME_REMOVED, _place(name), "callers that use this scheme cannot any more")
    for name, scheme in new.items():
        if name not in old:
            yield compatible(DifferenceKind.SCHEME_ADDED, _place(name), "is a new way to authenticate")
        else:
            yield from _changes(old[name], scheme)


def _changes(before: SecurityScheme, after: SecurityScheme) -> Differences:
    place = _place(after.name)
    if before.kind is not after.kind:
        problem = f"is {after.kind.value}, and was {before.kind.value}"
        yield breaking(DifferenceKind.SCHEME_CHANGED, place, problem)
        return
    for field, problem in _CONFIGURED.items():
        # A metadata address that was not there before binds nobody.
        if getattr(before, field) != getattr(after, field) and getattr(before, field):
            yield breaking(DifferenceKind.SCHEME_CHANGED, place, problem)
    if before.http_scheme.lower() != after.http_scheme.lower():  # RFC 9110 11.1
        yield breaking(DifferenceKind.SCHEME_CHANGED, place, "another HTTP authentication scheme is asked for")
    if (before.description, before.bearer_format) != (after.description, after.bearer_format):
        yield compatible(DifferenceKind.SCHEME_DESCRIBED_ANEW, place, "is described anew")
    if after.kind is SchemeKind.OAUTH2:
        yield from _flow_differences(before, after, place)


def _flow_differences(before: SecurityScheme, after: SecurityScheme, place: str) -> Differences:
    old, new = ({flow.kind: flow for flow in scheme.flows} for scheme in (before, after))
    for kind in old:
        if kind not in new:
            yield breaking(DifferenceKind.FLOW_REMOVED, f"{place}/flows/{kind.value}", "tokens are not given out so")
    for kind, flow in new.items():
        if kind not in old:
            yield compatible(DifferenceKind.FLOW_ADDED, f"{place}/flows/{kind.value}", "is a new way to a token")
        else:
            yield from _changes_of_flow(old[kind], flow, f"{place}/flows/{kind.value}")


def _changes_of_flow(before: OAuthFlow, after: OAuthFlow, place: str) -> Differences:
    for field, member in _ADDRESSES.items():
        if getattr(before, field) != getattr(after, field) and getattr(before, field):
            yield breaking(DifferenceKind.FLOW_ADDRESS_CHANGED, f"{place}/{member}", "leads elsewhere")
    if after.pkce_required and not before.pkce_required:
        yield breaking(DifferenceKind.PKCE_REQUIRED, f"{place}/pkceRequired", "callers have to use PKCE now")
    for scope in before.scopes:
        if scope not in after.scopes:
            yield breaking(DifferenceKind.SCOPE_REMOVED, f"{place}/scopes", f"{scope[:80]} is not given out any more")
    for scope in after.scopes:
        if scope not in before.scopes:
            yield compatible(DifferenceKind.SCOPE_ADDED, f"{place}/scopes", f"{scope[:80]} is given out too")


def _place(name: str) -> str:
    return child_pointer("/securitySchemes", name)
