"""Sponsors: the people who answer for agents."""

from dataclasses import dataclass

from ringfence_kit import records
from ringfence_kit.events import Change
from ringfence_kit.store import Mutation, Writer

from ringfence_identity.errors import SponsorAlreadyExists, SponsorNotFound, SponsorOffboarded
from ringfence_identity.model import SPONSOR, Sponsor
from ringfence_identity.store import IdentityTx


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterSponsor:
    """A person to register, as verified by whoever asks."""

    name: str
    display_name: str
    contact: str
    oidc_issuer: str = ""
    oidc_subject: str = ""


def require_present(sponsor: Sponsor | None, name: str) -> Sponsor:
    """Return `sponsor`, or raise when nobody is registered under `name`, or who is has left."""
    if sponsor is None:
        raise SponsorNotFound(sponsor=name)
    if sponsor.offboarded_at is not None:
        raise SponsorOffboarded(sponsor=name)
    return sponsor


class Sponsors:
    """Registers sponsors. That the caller is a platform-admin stands in the grants table."""

    def __init__(self, writer: Writer[IdentityTx]) -> None:
        self._writer = writer

    async def register(self, wanted: RegisterSponsor, *, mutation: Mutation) -> Sponsor:
        """Register a sponsor, or raise `SponsorAlreadyExists` for a name or an account that is taken."""

        def work(tx: IdentityTx) -> Sponsor:
            sponsor = Sponsor(
                name=wanted.name,
                display_name=wanted.display_name,
                contact=wanted.contact,
                oidc_issuer=wanted.oidc_issuer,
                oidc_subject=wanted.oidc_subject,
                verified_by=mutation.principal,
                created_at=mutation.at,
                revision=tx.next_revision,
            )
            if tx.sponsor(sponsor.name) is not None:
                raise SponsorAlreadyExists(sponsor=sponsor.name, clash="the name is taken")
            if sponsor.account is not None and tx.sponsor_of_account(sponsor.account) is not None:
                raise SponsorAlreadyExists(sponsor=sponsor.name, clash="another sponsor has this OIDC account")
            tx.add_sponsor(sponsor)
            tx.record(Change.ADDED, SPONSOR, sponsor.name, records.encode(sponsor))
            return sponsor

        return await self._writer.write(work, mutation=mutation, result=Sponsor)
