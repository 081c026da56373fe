"""Who a call is from, whether they may make it, and whether they may make it again already: the same on every port.

In this order: an address whose credentials were refused too often is not heard; the caller is established; the grant is
asked before the quota is, so that the uninvited do not spend one.
"""

from functools import partial

from ringfence_kit.address_quotas import AddressQuotas
from ringfence_kit.authentication import Authenticator, PeerCertificate
from ringfence_kit.callers import ANONYMOUS, Caller, establish_caller
from ringfence_kit.calls import Call
from ringfence_kit.errors import Failure, Kind, NotPermitted, Unauthenticated
from ringfence_kit.quotas import Quotas, establish_quota


class Admission:
    """Lets the calls of one service in, or raises why not."""

    def __init__(self, *, authenticator: Authenticator, quotas: Quotas, addresses: AddressQuotas) -> None:
        self._authenticator = authenticator
        self._quotas = quotas
        self._addresses = addresses

    async def admit(self, call: Call, peer: PeerCertificate) -> None:
        """Establish the caller of a call and let it in; `call.caller` is set from then on."""
        self._addresses.before_reading(call)
        try:
            self._let_in(call, await self._authenticator.authenticate(call.authorization, peer))
        except Failure as failure:
            self.count_refused(call, failure)
            raise

    def admit_at_once(self, call: Call, peer: PeerCertificate) -> bool:
        """Do what `admit` does where nothing has to be waited for; else do nothing, and say so."""
        self._addresses.before_reading(call)
        try:
            caller = self._authenticator.known(call.authorization, peer)
            if caller is None:
                return False
            self._let_in(call, caller)
        except Failure as failure:
            self.count_refused(call, failure)
            raise
        return True

    def _let_in(self, call: Call, caller: Caller) -> None:
        call.caller = caller
        establish_caller(caller)
        grant = call.method.grant
        if not grant.allows(caller):
            raise _not_allowed(call)
        self._quotas.take(call.quota_key, grant.method_class)
        if call.method.is_long:
            establish_quota(partial(self._quotas.take, call.quota_key))
        if caller is ANONYMOUS:
            self._addresses.before_answering(call)

    def count_refused(self, call: Call, failure: Failure) -> None:
        """Count a credential that was refused; of an open method, the proof that is may be in the request."""
        if failure.kind is Kind.UNAUTHENTICATED:
            self._addresses.refused(call)


def _not_allowed(call: Call) -> Failure:
    if call.caller is ANONYMOUS:
        needed = "a bearer token, or a client certificate where the port asks for one"
        return Unauthenticated(problem=f"this method needs a credential: {needed}")
    return NotPermitted(
        principal=call.caller.principal, action=f"call {call.method.name}", needed=f"role {call.method.grant.needed}"
    )
