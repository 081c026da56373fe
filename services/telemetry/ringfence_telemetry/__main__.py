"""`python -m ringfence_telemetry`: telemetry alone in a process."""

import sys

from ringfence_kit.entry import serve

from ringfence_telemetry.app import build
from ringfence_telemetry.config import TelemetryConfig

if __name__ == "__main__":
    sys.exit(serve("telemetry", TelemetryConfig, build))
