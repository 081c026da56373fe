"""How namespaces and their policies look in a terminal."""

from collections.abc import Sequence

from rich.console import RenderableType
from ringfence.registry.v1 import card_pb2
from ringfence.registry.v1 import namespace_pb2 as pb

from ringfence_launcher.output import fields, table
from ringfence_launcher.words import code_word, short, time_text, word


def details(namespace: pb.Namespace) -> RenderableType:
    """Show one namespace."""
    admission = namespace.admission
    return fields(
        [
            ("name", namespace.name),
            ("display name", namespace.display_name),
            ("visibility", word(pb.Visibility, namespace.visibility)),
            ("seen by", ", ".join(map(short, namespace.entitled_namespaces))),
            ("worst card", word(card_pb2.CardVerdict, admission.least_verdict)),
            ("signatures", word(pb.SignatureRequirement, admission.signatures)),
            ("refused", ", ".join(_refused(admission))),
            ("trusted keys", f"{len(admission.trusted_jwks.encode())} bytes" if admission.trusted_jwks else ""),
            ("review", _review(namespace)),
            ("etags", "required" if namespace.etag_required else ""),
            ("etag", namespace.etag),
            ("set", time_text(namespace.create_time) or "never: the registry's default"),
            ("changed", time_text(namespace.update_time)),
        ]
    )


def listed(namespaces: Sequence[pb.Namespace]) -> RenderableType:
    """Show many namespaces, a line each."""
    return table(
        ["NAMESPACE", "VISIBILITY", "WORST CARD", "SIGNATURES", "REVIEW"],
        (
            (
                short(one.name),
                word(pb.Visibility, one.visibility),
                word(card_pb2.CardVerdict, one.admission.least_verdict),
                word(pb.SignatureRequirement, one.admission.signatures),
                _review(one),
            )
            for one in namespaces
        ),
        empty="no namespaces",
    )


def _refused(admission: pb.AdmissionPolicy) -> list[str]:
    said = [("breaking changes", admission.refuse_breaking_changes), ("look-alikes", admission.refuse_look_alikes)]
    kinds = [code_word(card_pb2.FindingKind, kind) for kind in admission.refused_findings]
    return [what for what, refused in said if refused] + kinds


def _review(namespace: pb.Namespace) -> str:
    if not namespace.review_required:
        return ""
    return "by another person" if namespace.distinct_approver_required else "required"
