"""What can be wrong with a card. Of many reasons the first are listed: an answer has to fit into a status."""

from collections.abc import Iterable, Sequence

from ringfence_kit.errors import Failure, Kind, Violation

from ringfence_registry.cards.strict_json import MAX_FAULTS, JsonFault


class CardInvalid(Failure):
    """The card cannot be admitted; each fault is a violation of `card`, its JSON pointer as the fragment."""

    kind = Kind.INVALID_ARGUMENT
    reason = "CARD_INVALID"

    def __init__(self, faults: Iterable[JsonFault]) -> None:
        self.faults = tuple(faults)
        violations = [
            Violation(f"card#{fault.pointer}" if fault.pointer else "card", fault.problem) for fault in self.faults
        ]
        listed = "; ".join(f"{violation.field}: {violation.problem}" for violation in violations)
        super().__init__(f"the card cannot be admitted: {listed}", violations=violations)


class CardSignatureRefused(Failure):
    """The namespace's policy does not admit the card's signatures; each of them is a violation."""

    kind = Kind.INVALID_ARGUMENT
    reason = "CARD_SIGNATURE_REFUSED"

    def __init__(self, *, needed: str, problems: Sequence[str]) -> None:
        problems = problems[:MAX_FAULTS]
        listed = "; ".join(problems) or "the card has no signature"
        super().__init__(
            f"the card's signatures are not admitted: {needed}: {listed}",
            metadata={"needed": needed},
            violations=[Violation(f"card#/signatures/{index}", problem) for index, problem in enumerate(problems)]
            or [Violation("card#/signatures", "the card has no signature")],
        )


class CardIncompatible(Failure):
    """The card would break callers of the present one, and the namespace's policy refuses that."""

    kind = Kind.FAILED_PRECONDITION
    reason = "CARD_INCOMPATIBLE"

    def __init__(self, *, name: str, differences: Sequence[JsonFault]) -> None:
        differences = differences[:MAX_FAULTS]
        listed = "; ".join(f"{each.pointer or '/'}: {each.problem}" for each in differences)
        super().__init__(
            f"the card would break callers of {name}: {listed}",
            metadata={"name": name},
            violations=[Violation(f"card#{each.pointer}", each.problem) for each in differences],
        )


class CardNotAttestable(Failure):
    """The registry does not sign the card: not everybody would read it alike, it does not serve, or there is no key."""

    kind = Kind.FAILED_PRECONDITION
    reason = "CARD_NOT_ATTESTABLE"

    def __init__(self, *, name: str, why: str) -> None:
        super().__init__(f"the card of {name} cannot be attested: {why}", metadata={"name": name, "why": why})
