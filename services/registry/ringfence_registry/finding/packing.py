"""Records in a third of their size: most of a record is names of fields, which all records have in common.

The first records become the dictionary of all that follow, so that even the first mention of a field costs a few bits.
A packed record can be unpacked by the `Packing` that packed it, and by one that has its dictionary.
"""

import zlib
from collections.abc import Sequence

_LEVEL = 1
_RAW = -14
"""A window of 16 KB, and no header."""
_MEMORY = 6
"""A packer of 100 KB instead of 270, so that a copy is cheap; what is packed is a hundredth larger."""
_DICTIONARY = 4_096


class Packing:
    """Packs and unpacks records."""

    def __init__(self) -> None:
        self._dictionary = b""
        self._packer = _packer(self._dictionary)
        """Knows the dictionary, and has packed nothing: to be copied, for going through it takes a third of packing."""

    def learn(self, records: Sequence[bytes]) -> None:
        """Take what records look like from the first ones; whoever comes later is not asked."""
        if not self._dictionary:
            self.restore(b"".join(records[:8])[-_DICTIONARY:])

    @property
    def dictionary(self) -> bytes:
        """What records look like; empty as long as that was not learned."""
        return self._dictionary

    def restore(self, dictionary: bytes) -> None:
        """Take the dictionary of another one."""
        self._dictionary = dictionary
        self._packer = _packer(dictionary)

    def pack(self, record: bytes) -> bytes:
        """Return the packed form of `record`."""
        packer = self._packer.copy()
        return packer.compress(record) + packer.flush()

    def unpack(self, packed: bytes) -> bytes:
        """Return the record that was packed."""
        return zlib.decompressobj(_RAW, zdict=self._dictionary).decompress(packed)


def _packer(dictionary: bytes) -> "zlib._Compress":
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW, _MEMORY, zdict=dictionary)
