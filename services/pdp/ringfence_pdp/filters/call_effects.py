"""What a call does to the world and whether it carries what it is given out of the mesh, where no contract says so.

Names are all there is to go by, so they are read strictly: a name that says nothing leaves the effects unknown, and one
that sends or pays makes a sink, whoever receives it.
"""

import re
from collections.abc import Sequence
from typing import Final

from ringfence_pdp.filters.finding import Argument, ArgumentType, Effects
from ringfence_pdp.filters.words import word_set, words_of

_SENDS: Final = word_set(
    "send sends post posts upload uploads mail email pay pays payment share shares transfer publish tweet notify"
    " message reply forward submit invite wire webhook sms slack deliver broadcast fax dm"
    " remit refund disburse checkout"
)
_READS: Final = word_set(
    "get list read fetch search find query show view describe lookup browse count inspect check download retrieve scan"
    " summarize summarise load peek preview select explain receive"
)
_IRREVERSIBLE: Final = _SENDS | word_set(
    "delete remove drop truncate destroy purge wipe erase kill terminate shutdown revoke execute exec run deploy"
    " buy sell order book charge approve sign merge release"
)
_REVERSIBLE: Final = word_set(
    "write create update set put patch insert add edit modify rename move copy save store enable disable schedule"
    " assign append upsert configure register restart start stop pause resume archive attach"
)
_MAILBOX: Final = re.compile(r"[^\s@<>,;]{1,64}@[A-Za-z0-9.\-]{1,190}\.[A-Za-z]{2,24}")
_DESTINATIONS: Final = word_set(
    "to recipient recipients cc bcc destination webhook callback target receiver payee beneficiary participants"
)


def effects_by_name(action: str, tool: str) -> Effects:
    """Return what a call does, by its names: the verb that stands first in the action decides, then the tool's."""
    for name in (action, tool):
        for word in words_of(name):
            if word in _READS:
                return Effects.READ
            if word in _IRREVERSIBLE:
                return Effects.IRREVERSIBLE
            if word in _REVERSIBLE:
                return Effects.REVERSIBLE
    return Effects.UNKNOWN


def sends_out(action: str, tool: str, effects: Effects, arguments: Sequence[Argument]) -> bool:
    """Say whether a call without a contract carries its arguments out: by its names, or because it names a receiver."""
    if effects is Effects.READ:
        return False
    if not _SENDS.isdisjoint(words_of(action)) or not _SENDS.isdisjoint(words_of(tool)):
        return True
    return any(_is_receiver(argument) for argument in arguments)


def _is_receiver(argument: Argument) -> bool:
    names = [words_of(token) for token in argument.pointer.split("/")[-2:]]
    if not any(not _DESTINATIONS.isdisjoint(words) for words in names):
        return False
    return argument.type is ArgumentType.URL or _MAILBOX.search(argument.text[:512]) is not None
