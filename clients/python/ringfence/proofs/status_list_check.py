"""Whether a credential is revoked or suspended, by the status lists its registrar signed (Bitstring Status List 1.0).

- fail closed: every status a credential carries must be found good, in a list at hand that is signed by the same
  registrar, of the right purpose, and in time. A list withheld is a refusal, and so is one kept too long;
- a list says how long it is good for; `refresh_at` is when to fetch the next, well before that;
- a list is small when compressed and bounded when not: it is never expanded beyond what a list may hold.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from ringfence.instants import Instant
from ringfence.proofs.canonical_json import Json, JsonObject
from ringfence.proofs.compact_jws import from_base64url
from ringfence.proofs.credential_check import CheckedCredential, CredentialError, check_credential
from ringfence.proofs.did_document import base_url

ENTRY = "BitstringStatusListEntry"
LIST = "BitstringStatusList"
LIST_CREDENTIAL = "BitstringStatusListCredential"
REVOCATION = "revocation"
SUSPENSION = "suspension"

MIN_BYTES = 16 * 1024
"""A list of fewer entries would not hide which one is looked at (section 2.2)."""
MAX_BYTES = 128 * 1024

_GZIP = 16 + zlib.MAX_WBITS


class CredentialRevoked(CredentialError):  # noqa: N818 - what is found about the credential, not about the check
    """The credential is revoked, which is for good."""


class CredentialSuspended(CredentialError):  # noqa: N818 - as above
    """The credential is not to be accepted for the time being."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusEntry:
    """Where one status of a credential stands."""

    purpose: str
    index: int
    url: str
    """Of the list's credential."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusList:
    """A status list that its registrar signed."""

    url: str
    purpose: str
    valid_until: Instant
    refresh_at: Instant
    """When a newer one should be fetched."""
    bits: bytes = field(repr=False)

    def says(self, index: int) -> bool:
        """Say whether the bit at `index` is set; index 0 is the left-most bit."""
        if not 0 <= index < len(self.bits) * 8:
            raise CredentialError(f"index {index} is not in the status list")
        return bool(self.bits[index // 8] >> 7 - index % 8 & 1)


def check_status_list(text: str | bytes, *, registrar: JsonObject, now: Instant) -> StatusList:
    """Return the status list in `text`, or raise `CredentialError` unless `registrar` signed it and it is in time."""
    checked = check_credential(text, type_=LIST_CREDENTIAL, registrar=registrar, now=now)
    if checked.valid_until is None:
        raise CredentialError("the status list does not say how long it is good for")
    match checked.content:
        case {
            "id": str() as url,
            "credentialSubject": {
                "type": type_,
                "statusPurpose": str() as purpose,
                "encodedList": str() as encoded,
                "ttl": int() as ttl,
            },
        } if type_ == LIST and ttl > 0:
            pass
        case _:
            raise CredentialError(f"it has no {LIST} with a purpose, a list and a time to live")
    return StatusList(
        url=url,
        purpose=purpose,
        valid_until=checked.valid_until,
        refresh_at=Instant(checked.valid_from + ttl),
        bits=expand(encoded),
    )


def require_good_standing(credential: CheckedCredential, lists: Iterable[StatusList], *, now: Instant) -> None:
    """Raise unless every status of `credential` is good by the one of `lists` it names, at `now`."""
    known = {status_list.url: status_list for status_list in lists}
    for entry in status_entries(credential):
        status_list = known.get(entry.url)
        if status_list is None:
            raise CredentialError(f"the status list {entry.url} is not at hand")
        if now >= status_list.valid_until:
            raise CredentialError(f"the status list {entry.url} is stale; fetch it again")
        if status_list.purpose != entry.purpose:
            raise CredentialError(f"the status list {entry.url} is not one of {entry.purpose}")
        if status_list.says(entry.index):
            raise _bad(entry.purpose)


def status_entries(credential: CheckedCredential) -> tuple[StatusEntry, ...]:
    """Return where the statuses of `credential` stand: at least whether it is revoked, and nothing of another host."""
    found = credential.content.get("credentialStatus")
    entries = tuple(_entry(entry, credential) for entry in (found if isinstance(found, list) else [found]))
    if REVOCATION not in {entry.purpose for entry in entries}:
        raise CredentialError("it does not say where its revocation would be told")
    return entries


def expand(encoded: str) -> bytes:
    """Return the bits of an `encodedList` (section 3.4), or raise `CredentialError`."""
    if not encoded.startswith("u"):
        raise CredentialError("the list is not multibase base64url without padding: it must start with u")
    unpacking = zlib.decompressobj(wbits=_GZIP)
    try:
        bits = unpacking.decompress(from_base64url(encoded[1:]), MAX_BYTES + 1)
    except (ValueError, zlib.error) as error:
        raise CredentialError(f"the list is not gzip in base64url: {error}") from error
    if not unpacking.eof or unpacking.unused_data:
        raise CredentialError(f"the list is cut short, longer than {MAX_BYTES} bytes, or followed by something else")
    if not MIN_BYTES <= len(bits) <= MAX_BYTES:
        raise CredentialError(f"the list holds {len(bits)} bytes, not {MIN_BYTES} to {MAX_BYTES}")
    return bits


def _bad(purpose: str) -> CredentialError:
    match purpose:
        case "revocation":
            return CredentialRevoked("it is revoked")
        case "suspension":
            return CredentialSuspended("it is suspended")
        case _:
            return CredentialError(f"its status {purpose} is set")


def _entry(entry: Json, credential: CheckedCredential) -> StatusEntry:
    match entry:
        case {
            "type": type_,
            "statusPurpose": str() as purpose,
            "statusListIndex": str() as index,
            "statusListCredential": str() as url,
            **others,
        } if type_ == ENTRY and _is_index(index):
            pass
        case _:
            raise CredentialError(f"a status of it is not a {ENTRY} with a purpose, an index and a list")
    if not url.startswith(base_url(credential.issuer)):
        raise CredentialError("its status is told by another host than its issuer's")
    # One bit an entry is all that is issued and understood; what is not understood is not taken for good.
    if others.get("statusSize", 1) != 1:
        raise CredentialError("a status of more than one bit is not understood")
    return StatusEntry(purpose=purpose, index=int(index), url=url)


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 9 and str(int(text)) == text
