"""How a worker tells its leader whom it speaks for: the caller it has established, beside a secret of the two.

The rules:

- a call without the secret is from nobody; it is made anew with every start of a leader, and never written down;
- whoever has it is believed whom it names: the worker has looked at the credential, and the leader asks for the grant
  all the same.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence

from ringfence_kit import records
from ringfence_kit.authentication import Authenticator, PeerCertificate
from ringfence_kit.callers import ANONYMOUS, Caller
from ringfence_kit.clock import Clock
from ringfence_kit.errors import Unauthenticated
from ringfence_kit.tokens import TokenVerifier

_SCHEME = "Worker"


def vouch(secret: str, caller: Caller) -> str:
    """Return the `authorization` of a call that a worker passes on for `caller`."""
    return f"{_SCHEME} {secret} {base64.urlsafe_b64encode(records.encode(caller)).decode()}"


class VouchedCallers(Authenticator):
    """Establishes the caller a worker names."""

    def __init__(self, secret: str, *, clock: Clock) -> None:
        super().__init__(tokens=TokenVerifier([]), certificates=(), dev_tokens=None, clock=clock)
        self._secret = secret.encode()

    def known(self, authorization: Sequence[str | bytes], peer: PeerCertificate) -> Caller:  # noqa: ARG002 - there is no certificate on this port
        """Return whom the worker speaks for, or raise Unauthenticated: this is no worker of ours."""
        words = str(authorization[0]).split(" ") if len(authorization) == 1 else []
        match words:
            case [scheme, secret, named] if scheme == _SCHEME and hmac.compare_digest(secret.encode(), self._secret):
                return _named(named)
        raise Unauthenticated(problem="this port is for the service's own workers")


def _named(text: str) -> Caller:
    try:
        caller = records.decode(base64.urlsafe_b64decode(text), Caller)
    except (binascii.Error, records.RecordUnreadable):
        raise Unauthenticated(problem="the worker names no caller") from None
    # Who is anonymous is told by identity, see `admission.py`.
    return ANONYMOUS if caller == ANONYMOUS else caller
