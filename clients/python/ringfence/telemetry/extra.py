"""What is said when the OpenTelemetry SDK is not there."""

EXTRA = "telemetry"
"""The extra of this package that brings it."""


class MissingExtraError(ImportError):
    """Something of `ringfence.telemetry` was asked for without the extra it needs."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"ringfence.telemetry.{name} needs the OpenTelemetry SDK: pip install 'ringfence[{EXTRA}]'",
            name=name,
        )
