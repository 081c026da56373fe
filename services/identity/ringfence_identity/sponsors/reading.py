"""Reading sponsors: one, or all of them by name. From memory."""

from dataclasses import dataclass

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.pages import PageTokens

from ringfence_identity.errors import SponsorNotFound
from ringfence_identity.model import Sponsor
from ringfence_identity.snapshot import IdentitySnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class SponsorQuery:
    """Which page of the sponsors somebody wants."""

    show_offboarded: bool
    page_size: int
    page_token: str = ""
    arguments: bytes
    """What a page token is bound to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SponsorPage:
    """One page of an answer."""

    sponsors: tuple[Sponsor, ...]
    next_page_token: str


class SponsorReading:
    """Answers questions about sponsors. Who may ask stands in the grants table."""

    def __init__(self, *, snapshot: IdentitySnapshot, tokens: PageTokens) -> None:
        self._snapshot = snapshot
        self._tokens = tokens

    def get(self, name: str) -> Sponsor:
        """Return the sponsor called `name`, off-boarded or not."""
        sponsor = self._snapshot.sponsor(name)
        if sponsor is None:
            raise SponsorNotFound(sponsor=name)
        return sponsor

    def list_sponsors(self, query: SponsorQuery, *, caller: Caller, now: Instant) -> SponsorPage:
        """Return one page of the sponsors, by name; raises `PageTokenInvalid`."""
        after = ""
        if query.page_token:
            cursor = self._tokens.open(query.page_token, caller=caller.principal, arguments=query.arguments, now=now)
            after = cursor.decode()
        listed = [
            sponsor
            for sponsor in self._snapshot.sponsors()
            if sponsor.name > after and (query.show_offboarded or sponsor.offboarded_at is None)
        ]
        page = tuple(listed[: query.page_size])
        token = ""
        if len(listed) > len(page):
            cursor = page[-1].name.encode()
            token = self._tokens.seal(cursor, caller=caller.principal, arguments=query.arguments, now=now)
        return SponsorPage(sponsors=page, next_page_token=token)
