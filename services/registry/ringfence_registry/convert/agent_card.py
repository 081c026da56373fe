"""A card of any A2A generation as the A2A 1.0 message it stands for, wire compatible with `lf.a2a.v1.AgentCard`.

The message has room for less than cards have: of several OAuth flows in one scheme it carries the preferred, and of
extension parameters and signature headers none that nest deeper than protobuf parsers go. The bytes have it all.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf.struct_pb2 import Struct
from ringfence.registry.v1 import agent_card_pb2 as pb

from ringfence_registry.cards.model import (
    CardContent,
    CardExtension,
    CardInterface,
    CardProvider,
    CardSignature,
    CardSkill,
    FlowKind,
    OAuthFlow,
    SchemeKind,
    SecurityRequirement,
    SecurityScheme,
)
from ringfence_registry.cards.strict_json import JsonValue

MAX_STRUCT_DEPTH = 24
"""Of JSON objects in a Struct. Each costs three messages of the hundred that protobuf parsers nest."""


def agent_card(content: CardContent) -> pb.AgentCard:
    """Return the card as a message."""
    return pb.AgentCard(
        name=content.name,
        description=content.description,
        supported_interfaces=map(_interface, content.interfaces),
        provider=None if content.provider is None else _provider(content.provider),
        version=content.version,
        documentation_url=content.documentation_url,
        capabilities=pb.AgentCapabilities(
            streaming=content.capabilities.streaming,
            push_notifications=content.capabilities.push_notifications,
            extensions=map(_extension, content.extensions),
            extended_agent_card=content.capabilities.extended_agent_card,
        ),
        security_schemes={scheme.name: _scheme(scheme) for scheme in content.security_schemes},
        security_requirements=map(_requirement, content.security_requirements),
        default_input_modes=content.input_modes,
        default_output_modes=content.output_modes,
        skills=map(_skill, content.skills),
        signatures=map(_signature, content.signatures),
        icon_url=content.icon_url,
    )


def _provider(value: CardProvider) -> pb.AgentProvider:
    return pb.AgentProvider(url=value.url, organization=value.organization)


def _interface(value: CardInterface) -> pb.AgentInterface:
    return pb.AgentInterface(
        url=value.url,
        protocol_binding=value.protocol_binding,
        tenant=value.tenant,
        protocol_version=value.protocol_version,
    )


def _extension(value: CardExtension) -> pb.AgentExtension:
    return pb.AgentExtension(
        uri=value.uri, description=value.description, required=value.required, params=_struct(value.params)
    )


def _skill(value: CardSkill) -> pb.AgentSkill:
    return pb.AgentSkill(
        id=value.id,
        name=value.name,
        description=value.description,
        tags=value.tags,
        examples=value.examples,
        input_modes=value.input_modes,
        output_modes=value.output_modes,
        security_requirements=map(_requirement, value.security_requirements),
    )


def _signature(value: CardSignature) -> pb.AgentCardSignature:
    return pb.AgentCardSignature(protected=value.protected, signature=value.signature, header=_struct(value.header))


def _requirement(value: SecurityRequirement) -> pb.SecurityRequirement:
    return pb.SecurityRequirement(schemes={name: pb.StringList(list=list_) for name, list_ in value.schemes.items()})


def _scheme(value: SecurityScheme) -> pb.SecurityScheme:
    description = value.description
    match value.kind:
        case SchemeKind.API_KEY:
            key = pb.APIKeySecurityScheme(description=description, location=value.location, name=value.parameter)
            return pb.SecurityScheme(api_key_security_scheme=key)
        case SchemeKind.HTTP:
            http = pb.HTTPAuthSecurityScheme(
                description=description, scheme=value.http_scheme, bearer_format=value.bearer_format
            )
            return pb.SecurityScheme(http_auth_security_scheme=http)
        case SchemeKind.OAUTH2:
            oauth2 = pb.OAuth2SecurityScheme(
                description=description,
                flows=_flows(value.flows[0]) if value.flows else pb.OAuthFlows(),
                oauth2_metadata_url=value.oauth2_metadata_url,
            )
            return pb.SecurityScheme(oauth2_security_scheme=oauth2)
        case SchemeKind.OPEN_ID_CONNECT:
            oidc = pb.OpenIdConnectSecurityScheme(
                description=description, open_id_connect_url=value.open_id_connect_url
            )
            return pb.SecurityScheme(open_id_connect_security_scheme=oidc)
        case SchemeKind.MUTUAL_TLS:
            return pb.SecurityScheme(mtls_security_scheme=pb.MutualTlsSecurityScheme(description=description))
        case SchemeKind.UNKNOWN:
            return pb.SecurityScheme()


def _flows(flow: OAuthFlow) -> pb.OAuthFlows:
    scopes, refresh = flow.scopes, flow.refresh_url
    match flow.kind:
        case FlowKind.AUTHORIZATION_CODE:
            return pb.OAuthFlows(
                authorization_code=pb.AuthorizationCodeOAuthFlow(
                    authorization_url=flow.authorization_url,
                    token_url=flow.token_url,
                    refresh_url=refresh,
                    scopes=scopes,
                    pkce_required=flow.pkce_required,
                )
            )
        case FlowKind.CLIENT_CREDENTIALS:
            return pb.OAuthFlows(
                client_credentials=pb.ClientCredentialsOAuthFlow(
                    token_url=flow.token_url, refresh_url=refresh, scopes=scopes
                )
            )
        case FlowKind.DEVICE_CODE:
            return pb.OAuthFlows(
                device_code=pb.DeviceCodeOAuthFlow(
                    device_authorization_url=flow.device_authorization_url,
                    token_url=flow.token_url,
                    refresh_url=refresh,
                    scopes=scopes,
                )
            )
        case FlowKind.IMPLICIT:
            return pb.OAuthFlows(
                implicit=pb.ImplicitOAuthFlow(
                    authorization_url=flow.authorization_url, refresh_url=refresh, scopes=scopes
                )
            )
        case FlowKind.PASSWORD:
            return pb.OAuthFlows(
                password=pb.PasswordOAuthFlow(token_url=flow.token_url, refresh_url=refresh, scopes=scopes)
            )


def _struct(value: Mapping[str, JsonValue] | None) -> Struct | None:
    if value is None or _is_deep(value):
        return None
    struct = Struct()
    plain: dict[str, Any] = dict(value)
    struct.update(plain)
    return struct


def _is_deep(value: Mapping[str, JsonValue]) -> bool:
    level: list[JsonValue] = [dict(value)]
    for _ in range(MAX_STRUCT_DEPTH):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
