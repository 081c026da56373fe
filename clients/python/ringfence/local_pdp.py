"""The pdp inside a program that asks it, see `LocalPdp`; it is the pdp's own code, so the services are needed.

The one module of the client that needs them (ADR 0043); nothing else imports it.
"""

from ringfence_pdp.api.local import STALE_AFTER, DecidedElsewhere, LocalPdp

__all__ = ["STALE_AFTER", "DecidedElsewhere", "LocalPdp"]
