"""Logs of a process: one line of JSON each on standard error, with chosen fields and nothing personal.

A fault is told by its kind and where it happened, never by its message: messages of drivers quote values, and
libraries' tracebacks print local variables.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

Event = MutableMapping[str, Any]


def configure() -> None:
    """Send structlog's events and the libraries' warnings through one door."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_words,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Handler(logging.WARNING)], level=logging.WARNING)


def without_words(_logger: object, _method: str, event: Event) -> Event:
    """Put the places of an exception where structlog would print its message."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["kind"] = type(error).__name__
        event["places"] = [
            f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-6:]
        ]
    return event


class _Handler(logging.Handler):
    """What a library says: its name, its level and its own fixed text, without arguments."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno,
            "a library warns",
            library=record.name,
            text=str(record.msg).split("\n", 1)[0] if record.args or not record.exc_info else "",
            exc_info=record.exc_info[1] if record.exc_info else None,
        )
