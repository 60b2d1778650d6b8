"""Reading a journal: records in order up to the last whole one, and where that is.

A tail that was torn by a crash is normal and ends the reading. Damage with a readable record behind
it is not, and is named.
"""

from collections.abc import Iterator
from zlib import crc32

import msgspec

from domain.errors import JournalError
from domain.units import NS_PER_S, Ns
from runtime.journal_format import FRAME, MAX_RECORD, Opened, Record, check_magic, decode

_KINDS = b"HEDS"
_SCAN = 1 << 24
"""Bytes searched behind a bad record for a good one."""


class End(msgspec.Struct, frozen=True):
    """Where the readable part ends."""

    offset: int
    """Byte behind the last whole record."""
    records: int
    """Number of whole records."""
    last_time: Ns | None
    """Time of the last record that has one."""
    torn: int
    """Bytes behind ``offset`` that are no whole record."""

    def __str__(self) -> str:
        """One line for people."""
        state = f"torn, {self.torn} bytes of an unfinished record" if self.torn else "complete"
        return f"{state}: {self.records} records to byte {self.offset}, {_at(self.last_time)}"


class Reader:
    """Iterate over the records of ``data``, from the first each time; ``end`` says afterwards where they end.

    Raises JournalError at once if ``data`` is not a journal, and while iterating at a record that
    is damaged although readable ones follow.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._start = start = check_magic(data)
        self.end = End(start, 0, None, len(data) - start)
        self.frame = b""
        """Bytes of the record that was yielded last."""

    def __iter__(self) -> Iterator[Record]:
        """Yield whole records; ``end`` is up to date after each."""
        data, size = self._data, len(self._data)
        offset, count, last = self._start, 0, None
        while offset and (payload := _payload_at(data, offset)) is not None:
            record = self._decode(payload, offset, count, last)
            self.frame = data[offset : offset + FRAME.size + len(payload)]
            offset += len(self.frame)
            count += 1
            if not isinstance(record, Opened):
                last = record.now
            self.end = End(offset, count, last, size - offset)
            yield record
        if self.end.torn and (next_good := _find_record(data, offset + 1)) is not None:
            raise JournalError(
                f"journal is damaged: record {count} at byte {offset} ({_at(last)}) is unreadable, "
                f"but readable records follow from byte {next_good}"
            )

    def _decode(self, payload: bytes, offset: int, count: int, last: Ns | None) -> Record:
        try:
            return decode(payload)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise JournalError(
                f"record {count} at byte {offset} ({_at(last)}) is intact but this makerlab does not know it: {error}"
            ) from error


def _payload_at(data: bytes, offset: int) -> bytes | None:
    """The payload of a whole and intact frame at ``offset``."""
    begin = offset + FRAME.size
    if begin > len(data):
        return None
    length, checksum = FRAME.unpack_from(data, offset)
    if not 0 < length <= min(MAX_RECORD, len(data) - begin):
        return None
    payload = data[begin : begin + length]
    return payload if crc32(payload) == checksum else None


def _find_record(data: bytes, offset: int) -> int | None:
    """First offset from here at which a whole record stands."""
    for candidate in range(offset, min(len(data) - FRAME.size - 2, offset + _SCAN)):
        # cheap first: a payload is an array whose first element is one of our one-letter kinds
        kind = candidate + FRAME.size + 2
        if data[kind - 1] == 0xA1 and data[kind] in _KINDS and _payload_at(data, candidate):  # noqa: PLR2004 - MessagePack's one-byte string
            return candidate
    return None


def _at(time: Ns | None) -> str:
    return "before any event" if time is None else f"last at {time / NS_PER_S:.9f} s"
