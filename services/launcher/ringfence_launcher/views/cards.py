"""How the registry's judgement of a card looks in a terminal: verdict, reasons, signatures, findings."""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text
from ringfence.registry.v1 import card_pb2
from ringfence.registry.v1 import registry_pb2 as pb

from ringfence_launcher.output import fields, stacked
from ringfence_launcher.words import code_word, word

_STYLES: Mapping[int, str] = {
    card_pb2.CARD_VERDICT_VALID: "green",
    card_pb2.CARD_VERDICT_VALID_WITH_WARNINGS: "yellow",
    card_pb2.CARD_VERDICT_UPCONVERTED: "yellow",
}


def judged(answer: pb.ValidateCardResponse) -> RenderableType:
    """Show what would become of a card."""
    admitted = Text("yes", style="green") if answer.admissible else Text("no", style="red")
    return stacked(
        fields([("verdict", verdict(answer.verdict)), ("card", line(answer.card)), ("would be admitted", admitted)]),
        _listed("refused because", ((str(place), why) for place, why in enumerate(answer.refusals, 1)), "red"),
        remarks(answer.reasons, answer.signatures, answer.findings),
    )


def attested(answer: pb.GetCardAttestationResponse) -> RenderableType:
    """Show the registry's signature on a card, with what its protected header says. Nothing is verified here."""
    signature = answer.signature
    return fields(
        [
            *((name, str(value)) for name, value in sorted(_header(signature.protected).items())),
            ("card sha256", answer.card_sha256.hex()),
            ("protected", signature.protected),
            ("signature", signature.signature),
        ]
    )


def _header(protected: str) -> dict[str, Any]:
    try:
        header = json.loads(base64.urlsafe_b64decode(protected + "=" * (-len(protected) % 4)))
    except ValueError:
        return {}  # it is shown as it came
    return header if isinstance(header, dict) else {}


def verdict(value: int) -> Text:
    """Show a verdict; what is not quite right stands out."""
    return Text(word(card_pb2.CardVerdict, value), style=_STYLES.get(value, "red"))


def line(card: pb.CardView) -> str:
    """Say in a line what a card is; empty without one."""
    if not card.size_bytes:
        return ""
    versions = ", ".join(card.protocol_versions)
    return f"{card.display_name} {card.version} (A2A {versions}, {card.size_bytes} bytes)"


def remarks(
    reasons: Iterable[card_pb2.CardReason],
    signatures: Iterable[card_pb2.CardSignatureVerdict],
    findings: Iterable[pb.CardFinding],
) -> RenderableType:
    """Show everything there is to say about a card; nothing when there is nothing."""
    return stacked(
        _listed("why not valid", (_reason(reason) for reason in reasons), "yellow"),
        _listed("signatures", (_signature(signature) for signature in signatures), ""),
        _listed("remarks on the card", (_finding(finding) for finding in findings), "yellow"),
    )


def against_the_rules(card: pb.CardView) -> RenderableType | None:
    """Say of an admitted card that another registry may refuse it; nothing of one that breaks no rule."""
    if card.verdict != card_pb2.CARD_VERDICT_NONCONFORMANT:
        return None
    said = "admitted all the same: this registry lets nonconformant cards in; by default a registry refuses them"
    return Text(f"\n{said}", style="yellow")


def _reason(reason: card_pb2.CardReason) -> tuple[str, str]:
    rule = f" ({reason.rule})" if reason.rule else ""
    return reason.pointer or "/", f"{reason.problem}{rule}"


def _signature(signature: card_pb2.CardSignatureVerdict) -> tuple[str, str]:
    how = (
        word(card_pb2.SignatureStatus, signature.status),
        signature.signer or signature.key_id,
        word(card_pb2.CanonicalForm, signature.canonical_form),
        word(card_pb2.SignatureCoverage, signature.coverage),
        signature.problem,
    )
    return f"/signatures/{signature.index}", ", ".join(part for part in how if part) or "unknown"


def _finding(finding: pb.CardFinding) -> tuple[str, str]:
    kind = code_word(card_pb2.FindingKind, finding.kind)
    severity = word(card_pb2.FindingSeverity, finding.severity)
    what = " ".join(part for part in (severity, kind) if part)
    return finding.pointer or "/", f"{finding.problem} [{what}]" if what else finding.problem


def _listed(title: str, rows: Iterable[tuple[str, str]], style: str) -> RenderableType | None:
    given = list(rows)
    return stacked(Text(f"\n{title}", style=style), fields(given)) if given else None
