"""What two or more services share, one concern a module; it knows no service.

structlog is imported here, before anybody asks for it: with rich it would take pygments and attrs along, 5 MB and more
time than most of our packages need, to colour the tracebacks that `logs.py` writes plainly.
"""

from ringfence_kit.absent import absent

with absent("rich"):
    import structlog  # noqa: F401 - only here for how it is imported
