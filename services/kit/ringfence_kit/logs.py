"""Log lines: JSON for machines, colours for a terminal, and nothing in either that must stay secret.

The rules:

- modules take `structlog.get_logger(__name__)` and log with fields; only a process's entry calls `configure`;
- who logs a token, a key or a card made a mistake; the guard here is the second line, by field name and by shape;
- lines go out in batches (`line_output.py`), at once for anything that is wrong;
- libraries that log through the standard library come out in the same form, from WARNING up.
"""

import logging
import re
import sys
import warnings
from collections.abc import MutableMapping
from typing import Any, TextIO

import msgspec
import structlog
from joserfc.errors import SecurityWarning
from structlog.typing import EventDict, Processor, WrappedLogger

from ringfence_kit.line_output import LineOutput
from ringfence_kit.server_config import LogConfig, LogFormat

REDACTED = "<redacted>"
INFO = logging.INFO

_SECRET_FIELDS = frozenset({"authorization", "card", "key", "password", "private_key", "secret", "token"})
# A JWS begins with the base64url of `{"`; a private key in PEM says so; a development token has its prefix.
_SECRET_SHAPES = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*|rfdev_[\w-]+|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*")
_FREE_TEXT = ("event", "exception", "problem", "error")


def configure(config: LogConfig, stream: TextIO | None = None) -> None:
    """Set up logging for the process; a second call replaces the first."""
    out = stream or sys.stderr
    console = config.format is LogFormat.CONSOLE or (config.format is LogFormat.AUTO and out.isatty())
    level = getattr(logging, config.level.name)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    render: Processor = render_json
    if console:
        # Plain: a traceback with local variables would print the very tokens and keys that are kept out of fields.
        plain = structlog.dev.plain_traceback
        render = structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=plain)
    lines = LineOutput(out)
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_names: lines,
        cache_logger_on_first_use=False,
    )
    _adopt_standard_library(shared, render, out, max(level, logging.WARNING))
    # RFC 9864 renamed EdDSA to Ed25519; gateways know the old name only, so we accept it and need no reminder.
    warnings.filterwarnings("ignore", message="EdDSA is deprecated", category=SecurityWarning)


def _adopt_standard_library(shared: list[Processor], render: Processor, out: TextIO, level: int) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Blank out fields that are named like secrets and texts that are shaped like them."""
    for name in event.keys() & _SECRET_FIELDS:
        event[name] = REDACTED
    for name in _FREE_TEXT:
        text = event.get(name)
        if isinstance(text, str):
            event[name] = _SECRET_SHAPES.sub(REDACTED, text)
    return event


def render_json(_logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]) -> str:
    """Return the line; what JSON cannot hold is written as its text."""
    return encode(event).decode()


encode = msgspec.json.Encoder(enc_hook=str).encode
"""Writes what a line says, or a part of it."""
