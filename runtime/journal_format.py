r"""The journal's bytes: one line of magic and version, then framed records.

::

    makerlab-journal 1\n
    [length u32][crc32 u32][payload] ...            little-endian; the CRC covers the payload
    payload = MessagePack array, first element the kind:
      H, header       one life begins: what is needed to rebuild its core
      E, now, event   the core took in this event at that time
      D, now, commands  the core was asked to decide and answered this (often nothing)
      S, now, commands  the safety net acted in the core's place; the first one of a life starts
                        with the Alert that says why

The body is every record but H: no version, path or measured time is in it, so the same inputs give
the same bytes. MessagePack of arrays keeps records small and decoding typed. A header is a map:
fields may be added without a new format version.
"""

from struct import Struct as Layout
from typing import Any
from zlib import crc32

import msgspec

from domain.commands import AnyCommand
from domain.errors import JournalError
from domain.events import AnyEvent
from domain.instrument import Instrument
from domain.units import Ns

FORMAT_VERSION = 1
_MAGIC_WORD = b"makerlab-journal "
MAGIC = _MAGIC_WORD + b"%d\n" % FORMAT_VERSION
FRAME = Layout("<II")
MAX_RECORD = 1 << 26
"""Bytes of the largest record; a longer length field is damage."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a life was started with. ``config`` is the resolved config as plain JSON values."""

    seed: int
    life: int = 0
    life_seed: int = 0
    scenario: str = ""
    config: dict[str, Any] = msgspec.field(default_factory=dict)
    instruments: tuple[Instrument, ...] = ()
    makerlab: str = ""
    commit: str | None = None
    python: str = ""
    packages: dict[str, str] = msgspec.field(default_factory=dict)


class Opened(msgspec.Struct, frozen=True, array_like=True, tag="H"):
    """A life begins."""

    header: Header


class Took(msgspec.Struct, frozen=True, array_like=True, tag="E", gc=False):
    """An event went into the core."""

    now: Ns
    event: AnyEvent


class Decided(msgspec.Struct, frozen=True, array_like=True, tag="D", gc=False):
    """The core was asked to decide, and these commands came out."""

    now: Ns
    commands: tuple[AnyCommand, ...]


class Rescued(msgspec.Struct, frozen=True, array_like=True, tag="S", gc=False):
    """The safety net sent these commands after the core failed."""

    now: Ns
    commands: tuple[AnyCommand, ...]


Record = Opened | Took | Decided | Rescued

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


def encode(record: Record) -> bytes:
    """A record as a frame: length, checksum, payload."""
    payload = _encoder.encode(record)
    return FRAME.pack(len(payload), crc32(payload)) + payload


def decode(payload: bytes) -> Record:
    """A payload as a record."""
    return _decoder.decode(payload)


def check_magic(data: bytes) -> int:
    """Offset of the first record; 0 if the file ends inside the first line.

    Raises JournalError for anything that is not a journal of a version we read.
    """
    if data.startswith(MAGIC):
        return len(MAGIC)
    if MAGIC.startswith(data):
        return 0
    line = data[:64].partition(b"\n")[0]
    version = line.removeprefix(_MAGIC_WORD)
    if line.startswith(_MAGIC_WORD) and version.isdigit():
        raise JournalError(f"journal format version {int(version)}, this makerlab reads version {FORMAT_VERSION}")
    raise JournalError(f"not a makerlab journal: it starts with {data[:16]!r}")
