"""The keys of the audit log, by the names they are kept under."""

from ringfence_kit.log_keys import LogKeys

from ringfence_telemetry.store import PRINCIPAL

SIGNING_KEYS = "audit-checkpoints"
SALTS = "audit-people"


def audit_keys(origin: str) -> LogKeys:
    """Return the keys of the audit log named `origin`, not opened yet."""
    return LogKeys(origin, signing=SIGNING_KEYS, salts=SALTS, own=PRINCIPAL)
