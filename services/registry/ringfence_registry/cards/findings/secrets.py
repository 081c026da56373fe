"""Credentials in a card: a document everybody reads is no place for them (A2A 1.0 13.4).

- Well-known shapes are found wherever they stand; random-looking texts only where a credential might be expected.
- A finding says what kind of thing stands there and never repeats it, nor any part of it.
- Placeholders, environment references and words are no secrets.
"""

import math
from collections import Counter
from collections.abc import Iterator

import re2

from ringfence_registry.cards.findings.texts import CardText, Texts
from ringfence_registry.cards.model import CardContent, CardFinding, FindingKind, Severity
from ringfence_registry.cards.strict_json import JsonPath, pointer_of

_SHAPES = {
    "an AWS access key id": r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,})",
    "a GitLab token": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "a Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    "a Slack webhook": r"hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{16,}",
    "a Stripe key": r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",
    "an API key of a model provider": r"\bsk-[A-Za-z_-]{0,40}[0-9][A-Za-z0-9_-]{16,}",
    "a Google API key": r"\bAIza[A-Za-z0-9_-]{35}",
    "a Google OAuth token": r"\bya29\.[A-Za-z0-9_-]{20,}",
    "a Google OAuth client secret": r"\bGOCSPX-[A-Za-z0-9_-]{20,}",
    "an npm token": r"\bnpm_[A-Za-z0-9]{36}",
    "a PyPI token": r"\bpypi-AgEIcHlwaS[A-Za-z0-9_-]{20,}",
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}",
    "a SendGrid key": r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    "a DigitalOcean token": r"\bdo[oprt]_v1_[a-f0-9]{64}",
    "a Databricks token": r"\bdapi[a-f0-9]{32}",
    "a Vault token": r"\bhvs\.[A-Za-z0-9_-]{24,}",
    "a Telegram bot token": r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}",
    "an Azure storage key": r"AccountKey=[A-Za-z0-9+/]{60,}={0,2}",
    "a private key": r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----",
    "a signed token (JWT)": r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}",
    "a URL with a password": r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@?#]*:[^/\s@?#]+@",
}
_SHAPE = re2.compile("|".join(f"({shape})" for shape in _SHAPES.values()))
_SHAPE_NAMES = tuple(_SHAPES)

_SAID = re2.compile(
    r"""(?i)(?:api[ _-]?key|secret|token|password|passwd|credential)s?["']?\s*(?:is|are|[:=])\s*["']?"""
    r"""([A-Za-z0-9+/_.~!@$%^&*-]{10,}=*)"""
)
_IN_QUERY = re2.compile(
    r"(?i)[?&](?:api[_-]?key|key|token|access_token|auth|secret|client_secret|password|sig|signature)=([A-Za-z0-9_.~%+-]{10,})"
)
_OPAQUE = re2.compile(r"[A-Za-z0-9+/_.~!@$%^&*-]{8,}=*")
_WORDS = re2.compile(r"[A-Za-z0-9+/_=-]{20,}")
_PLACEHOLDER = re2.compile(
    r"(?i)your|example|sample|dummy|change|placeholder|redacted|insert|replace|todo|xxx|\*\*\*|\.\.\.|<|>|\$\{|\{\{|^env[:.]|^vault:"
)
_CREDENTIAL_MEMBERS = frozenset(
    (
        *("credential", "credentials", "password", "passwd", "pwd", "passphrase", "authorization"),
        *("secret", "clientsecret", "apisecret", "apikey", "xapikey"),
        *("secretkey", "privatekey", "accesskey", "sessionkey"),
        *("token", "accesstoken", "refreshtoken", "authtoken", "bearertoken", "idtoken"),
    )
)
"""In lower case, without dashes and underscores."""
_LONGEST_NAME = 32


def secrets_in(texts: Texts, content: CardContent) -> Iterator[CardFinding]:
    """Yield a finding for each text that holds a credential, in document order."""
    shaped = _SHAPE.search(texts.joined) is not None
    said = _SAID.search(texts.joined) is not None or _IN_QUERY.search(texts.joined) is not None
    described = any(_WORDS.search(scheme.description) for scheme in content.security_schemes if scheme.description)
    expected = described or any(_is_one_by_name(name, text) for name, text in texts.members)
    if not (shaped or said or expected):
        return
    for each in texts:
        if shaped and (found := _SHAPE.search(each.text)):
            name = _SHAPE_NAMES[found.lastindex - 1]
            yield _finding(Severity.CRITICAL, each, f"holds what looks like {name}")
        elif (said and _says_one(each.text)) or _is_one_by_place(each):
            yield _finding(Severity.WARNING, each, "holds what looks like a credential")


def safe_pointer(path: JsonPath) -> str:
    """Return the pointer to a place, or to what it is in when a name on the way is itself a credential."""
    while path and any(_SHAPE.search(name) for name in _names(path)):
        path = path[0]
    return pointer_of(path)


def _finding(severity: Severity, at: CardText, problem: str) -> CardFinding:
    of_a_name = "has a member whose name " if at.is_name else ""
    return CardFinding(FindingKind.SECRET, severity, safe_pointer(at.path), f"{of_a_name}{problem}; everybody reads it")


def _names(path: JsonPath) -> Iterator[str]:
    while path:
        path, name = path
        if isinstance(name, str):
            yield name


def _says_one(text: str) -> bool:
    found = (match.group(1) for pattern in (_SAID, _IN_QUERY) for match in pattern.finditer(text))
    # In a sentence "OAuth2.0-bearer" is as good a token as any; keys have more digits.
    return any(_is_random(word) and sum(map(str.isdigit, word)) >= 3 for word in found)


def _is_one_by_place(at: CardText) -> bool:
    member = at.member
    if at.is_name or not isinstance(member, str):
        return False
    if _is_one_by_name(member, at.text):
        return True
    # Keys are pasted into descriptions of schemes, of all places.
    if member == "description" and "securitySchemes" in _names(at.path):
        return any(_is_key_like(word.group(0)) for word in _WORDS.finditer(at.text))
    return False


def _is_one_by_name(member: str, text: str) -> bool:
    if not _is_credential(member):
        return False
    value = text.removeprefix("Bearer ").removeprefix("Basic ")
    return _OPAQUE.fullmatch(value) is not None and _is_random(value)


def _is_credential(member: str) -> bool:
    return len(member) < _LONGEST_NAME and member.lower().replace("-", "").replace("_", "") in _CREDENTIAL_MEMBERS


def _is_random(text: str) -> bool:
    """Say whether a text reads like a password or a key: mixed, and hard to compress."""
    if len(text) < 8 or _PLACEHOLDER.search(text):
        return False
    kinds = (str.islower, str.isupper, str.isdigit)
    mixed = sum(any(map(kind, text)) for kind in kinds) + any(not each.isalnum() for each in text)
    return mixed >= 2 and any(map(str.isdigit, text)) and _bits(text) >= 2.8


def _is_key_like(word: str) -> bool:
    if _PLACEHOLDER.search(word) or not any(map(str.isdigit, word)) or word.count("/") > 2:
        return False
    return (any(map(str.isupper, word)) and any(map(str.islower, word)) and _bits(word) >= 3.5) or (
        len(word) >= 32 and _bits(word) >= 3.0 and "-" not in word  # hex; a UUID has dashes and is no secret
    )


def _bits(text: str) -> float:
    """Return the Shannon entropy of a text in bits a character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())
