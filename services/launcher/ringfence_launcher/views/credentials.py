"""How tokens and the keys that sign them look in a terminal."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text
from ringfence.identity.v1 import credential_pb2 as pb

from ringfence_launcher.output import fields, stacked, table
from ringfence_launcher.words import time_text, word

_GOOD = (pb.ISSUER_KEY_STATE_ACTIVE, pb.ISSUER_KEY_STATE_PUBLISHED)


def introspection(found: pb.IntrospectTokenResponse) -> RenderableType:
    """Show whether a token is good now, and what it is then good for."""
    if not found.active:
        return Text.assemble(("NOT ACTIVE", "bold red"), "  do not accept it; why is nobody's business but identity's")
    return stacked(
        Text("ACTIVE", style="bold green"),
        fields(
            [
                ("did", found.did),
                ("environment", found.environment),
                ("ring now", str(found.ring)),
                ("scopes", "\n".join(found.scopes)),
                ("until", time_text(found.expire_time)),
                ("token", found.token_id),
                ("holder's key", found.key_thumbprint),
                ("certificate", found.birth_certificate_hash),
                ("epoch", str(found.revocation_epoch)),
                ("handed on", "\n".join(found.delegation_path)),
            ]
        ),
    )


def issuer_keys(keys: Sequence[pb.IssuerKey]) -> RenderableType:
    """Show the keys that sign tokens, a line each."""
    return table(
        ["KEY", "ALGORITHM", "STATE", "MADE", "SIGNS FROM", "GONE AT"],
        (
            (
                key.key_id,
                key.algorithm,
                Text(
                    word(pb.IssuerKeyState, key.state),
                    style="green" if key.state in _GOOD else "red",
                ),
                time_text(key.create_time),
                time_text(key.activate_time),
                time_text(key.remove_time),
            )
            for key in keys
        ),
        empty="no keys",
    )
