"""What became of each signature of an Agent Card: the judgement anyone can make who has the card and the keys.

`SignedCard` opens the entries and says which keys they name; whoever knows keys answers; `judge` says the rest:

- a key is found by `kid` alone, among keys the verifier trusts already; what is found may be good no more, and then a
  signature that holds says so, while one that does not hold is INVALID all the same;
- a signature is tried over each canonical form the card has, and counts for the first that fits. FULL coverage means
  that no reader of these bytes sees what is not signed;
- the work is bounded: `MAX_SIGNATURES` entries, four forms each, and no key that is not trusted is ever tried.
"""

import enum
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ringfence.proofs.canonical_json import Json, JsonObject
from ringfence.proofs.card_forms import SIGNATURES, CardForm, CardFormError, CardForms, FormedCard
from ringfence.proofs.card_keys import CardKey
from ringfence.proofs.card_signature import (
    AlgorithmRefusedError,
    CardSignature,
    SignatureEntryError,
    key_id_said,
    open_card_signature,
)

MAX_SIGNATURES = 8
"""How many entries are looked at; what comes after them is reported and vouches for nothing."""


class SignatureStatus(enum.Enum):
    """What became of a signature."""

    VERIFIED = "VERIFIED"
    """By a trusted key, over this card."""
    UNTRUSTED_KEY = "UNTRUSTED_KEY"
    """Its key is not among the trusted ones, so it says nothing."""
    INVALID = "INVALID"
    """By a trusted key, and not over this card."""
    KEY_REVOKED = "KEY_REVOKED"
    KEY_EXPIRED = "KEY_EXPIRED"
    ALGORITHM_REFUSED = "ALGORITHM_REFUSED"
    MALFORMED = "MALFORMED"
    KEYS_UNAVAILABLE = "KEYS_UNAVAILABLE"
    """Whoever knows the key could not be asked."""


class Coverage(enum.Enum):
    """How much of the card a signature vouches for."""

    FULL = "FULL"
    KNOWN_FIELDS = "KNOWN_FIELDS"
    """The members of A2A 1.0; the card holds something else beside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureVerdict:
    """What became of one signature."""

    index: int
    """Its place in `signatures`."""
    status: SignatureStatus
    form: CardForm | None = None
    coverage: Coverage | None = None
    """Form and coverage are set when the signature holds, whatever became of its key."""
    key_id: str = ""
    signer: str = ""
    """Whose key it is: a DID, or `pinned`."""
    signer_agent: str = ""
    """The resource name of the agent with that DID."""
    algorithm: str = ""
    problem: str = ""
    """In a sentence, unless it is verified and covers all."""
    uncovered: tuple[str, ...] = ()
    """JSON pointers to what it does not cover."""
    ignored: tuple[str, ...] = ()
    """Keys and certificates its headers offer, which are not looked at."""
    payload_sha256: str = ""
    """Of the bytes a signature that holds is over, in hex: the same for every copy of the card."""


class KeyStanding(enum.Enum):
    """Whether what a key signed counts."""

    GOOD = enum.auto()
    REVOKED = enum.auto()
    EXPIRED = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKey:
    """A key the verifier knows."""

    key: CardKey
    signer: str
    signer_agent: str = ""
    standing: KeyStanding = KeyStanding.GOOD
    why: str = ""
    """Why it is not good, in a sentence."""


@dataclass(frozen=True, slots=True)
class UnknownKey:
    """Nobody the verifier trusts has this key."""

    why: str


@dataclass(frozen=True, slots=True)
class KeyAway:
    """Whoever would know the key cannot be asked now."""

    why: str


KeyAnswer: TypeAlias = KnownKey | UnknownKey | KeyAway

_NO_ANSWER = UnknownKey("its kid names no key that is trusted here")
_STATUS_OF: Mapping[KeyStanding, SignatureStatus] = {
    KeyStanding.GOOD: SignatureStatus.VERIFIED,
    KeyStanding.REVOKED: SignatureStatus.KEY_REVOKED,
    KeyStanding.EXPIRED: SignatureStatus.KEY_EXPIRED,
}
_IN_ORDER = (CardForm.RAW, CardForm.SDK, CardForm.SPEC, CardForm.STRIPPED)
"""The likeliest first: each form that does not fit costs a verification."""

_KEY_ID_SHOWN = 512
"""Bytes."""


class SignedCard:
    """An Agent Card and the signatures in it, opened."""

    def __init__(self, card: JsonObject) -> None:
        self.forms = CardForms(card)
        listed = card.get(SIGNATURES)
        self._listed: Sequence[Json] = listed if isinstance(listed, list) else [] if listed is None else [listed]
        self._opened = [_opened(entry) for entry in self._listed[:MAX_SIGNATURES]]

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The keys that have to be known to judge the card, each once."""
        return tuple(dict.fromkeys(each.key_id for each in self._opened if isinstance(each, CardSignature)))

    def judge(self, keys: Mapping[str, KeyAnswer]) -> tuple[SignatureVerdict, ...]:
        """Return what became of each signature, given the answer to each of `key_ids`."""
        verdicts = [
            self._judge(index, opened, keys)
            if isinstance(opened, CardSignature)
            else _refused(index, opened, self._listed[index])
            for index, opened in enumerate(self._opened)
        ]
        if len(self._listed) > MAX_SIGNATURES:
            problem = (
                f"a card has at most {MAX_SIGNATURES} signatures; of {len(self._listed)} the rest is not looked at"
            )
            verdicts.append(SignatureVerdict(index=MAX_SIGNATURES, status=SignatureStatus.MALFORMED, problem=problem))
        return tuple(verdicts)

    def _judge(self, index: int, signature: CardSignature, keys: Mapping[str, KeyAnswer]) -> SignatureVerdict:
        answer = keys.get(signature.key_id, _NO_ANSWER)
        if isinstance(answer, KnownKey):
            return self._with_key(index, signature, answer)
        away = isinstance(answer, KeyAway)
        return SignatureVerdict(
            index=index,
            status=SignatureStatus.KEYS_UNAVAILABLE if away else SignatureStatus.UNTRUSTED_KEY,
            key_id=_shown(signature.key_id),
            algorithm=signature.algorithm.value,
            problem=answer.why,
            ignored=signature.ignored,
        )

    def _with_key(self, index: int, signature: CardSignature, known: KnownKey) -> SignatureVerdict:
        status, form, formed, problem = self._tried(signature, known)
        coverage = None
        if formed is not None:
            coverage = Coverage.KNOWN_FIELDS if formed.uncovered else Coverage.FULL
            problem = problem or (_uncovered(formed) if formed.uncovered else "")
        return SignatureVerdict(
            index=index,
            status=status,
            form=form,
            coverage=coverage,
            key_id=_shown(signature.key_id),
            signer=known.signer,
            signer_agent=known.signer_agent,
            algorithm=signature.algorithm.value,
            problem=problem,
            uncovered=() if formed is None else formed.uncovered,
            ignored=signature.ignored,
            payload_sha256="" if formed is None else hashlib.sha256(formed.payload).hexdigest(),
        )

    def _tried(
        self, signature: CardSignature, known: KnownKey
    ) -> tuple[SignatureStatus, CardForm | None, FormedCard | None, str]:
        if signature.algorithm not in known.key.algorithms:
            fitting = " or ".join(sorted(algorithm.value for algorithm in known.key.algorithms))
            problem = f"its key signs {fitting}, not {signature.algorithm.value}"
            return SignatureStatus.ALGORITHM_REFUSED, None, None, problem
        found = self._fitting(signature, known.key)
        if found is None:
            return SignatureStatus.INVALID, None, None, "it is not over this card in any canonical form in use"
        return _STATUS_OF[known.standing], *found, known.why

    def _fitting(self, signature: CardSignature, key: CardKey) -> tuple[CardForm, FormedCard] | None:
        tried: set[bytes] = set()
        for form in _IN_ORDER:
            formed = self._form(form)
            if formed is None or formed.payload in tried:
                continue
            if key.verifies(signature.algorithm, signature.signature, signature.signing_input(formed.payload)):
                return self._named(formed.payload)
            tried.add(formed.payload)
        return None

    def _named(self, payload: bytes) -> tuple[CardForm, FormedCard]:
        """Return the form that has these bytes: where several have, the first, which is the specification's."""
        form, formed = next(
            (form, formed)
            for form in CardForm
            if (formed := self._form(form)) is not None and formed.payload == payload
        )
        raw = self._form(CardForm.RAW)
        return form, FormedCard(payload) if raw is not None and raw.payload == payload else formed

    def _form(self, form: CardForm) -> FormedCard | None:
        try:
            return self.forms.form(form)
        except CardFormError:
            return None


def _opened(entry: Json) -> CardSignature | SignatureEntryError:
    try:
        return open_card_signature(entry)
    except SignatureEntryError as error:
        return error


def _refused(index: int, error: SignatureEntryError, entry: Json) -> SignatureVerdict:
    refused = isinstance(error, AlgorithmRefusedError)
    return SignatureVerdict(
        index=index,
        status=SignatureStatus.ALGORITHM_REFUSED if refused else SignatureStatus.MALFORMED,
        key_id=_shown(key_id_said(entry)),
        algorithm=error.algorithm if isinstance(error, AlgorithmRefusedError) else "",
        problem=error.problem,
    )


def _uncovered(formed: FormedCard) -> str:
    return f"what stands at {', '.join(formed.uncovered[:3])} is not signed and could have been added by anybody"


def _shown(key_id: str) -> str:
    return key_id.encode()[:_KEY_ID_SHOWN].decode("utf-8", "ignore")
