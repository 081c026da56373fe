"""The telemetry service's contract, by version; and what makes an agent report itself, with one call.

    from ringfence.telemetry import instrument

    with instrument(agent=did, endpoint="127.0.0.1:4317", options=options) as telemetry:
        with telemetry.invoke_agent("analyst", session="s-1"): ...

What is named here is loaded when it is first asked for: the OpenTelemetry SDK is an extra of this package, and whoever
only calls the services does without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ringfence.telemetry.extra import MissingExtraError

if TYPE_CHECKING:
    from ringfence.telemetry.carried_context import extract, inject, outgoing, received
    from ringfence.telemetry.instrumentation import Instrumentation, instrument
    from ringfence.telemetry.operations import Operation, Running
    from ringfence.telemetry.outcomes import report_outcome, report_outcome_aio

__all__ = [
    "Instrumentation",
    "MissingExtraError",
    "Operation",
    "Running",
    "extract",
    "inject",
    "instrument",
    "outgoing",
    "received",
    "report_outcome",
    "report_outcome_aio",
]

_HOMES = {
    "Instrumentation": "instrumentation",
    "Operation": "operations",
    "Running": "operations",
    "extract": "carried_context",
    "inject": "carried_context",
    "instrument": "instrumentation",
    "outgoing": "carried_context",
    "received": "carried_context",
    "report_outcome": "outcomes",
    "report_outcome_aio": "outcomes",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{home}"), name)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != "opentelemetry":
            raise
        raise MissingExtraError(name) from missing
