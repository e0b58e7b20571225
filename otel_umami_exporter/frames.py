"""
The frames of a journal: how several bodies are written in one piece, and read again.

    frame    length of the rest, its checksum, the time of acceptance, how many bodies, each with its length

A frame that a death cut off has a wrong checksum: it ends the journal, and was never acknowledged.
"""

import struct
from collections.abc import Sequence
from typing import Final
from zlib import crc32

LARGEST_BYTES: Final = 64 << 10  # of one frame
AT_ONCE: Final = 256 << 10  # bytes of one journal in one transaction: more would hold up the interpreter
_HEAD: Final = struct.Struct("<II")
_FRONT: Final = struct.Struct("<dII")  # what follows: time, number of bodies, and length of the first
_FRAME: Final = struct.Struct("<IIdII")  # both
_BODY: Final = struct.Struct("<I")
START_BYTES: Final = _FRAME.size
Row = tuple[bytes, float]


def frame(bodies: Sequence[bytes], now: float) -> bytes:
    """Return *bodies*, at least one, as a frame; one of more than LARGEST_BYTES is too much."""
    inside = _FRONT.pack(now, len(bodies), len(bodies[0])) + bodies[0]
    if len(bodies) > 1:
        inside += b"".join([part for body in bodies[1:] for part in (_BODY.pack(len(body)), body)])
    return _HEAD.pack(len(inside), crc32(inside)) + inside


def rows(data: bytes, at_most: int = AT_ONCE) -> tuple[list[Row], int]:
    """Return the bodies of the whole frames in *data* with their time, not more than *at_most*; and where these end."""
    found: list[Row] = []
    position, size = 0, len(data)
    while position + _FRAME.size <= size:
        length, checksum, now, count, first = _FRAME.unpack_from(data, position)
        start, place = position + _HEAD.size, position + _FRAME.size
        end = start + length
        if length < _FRONT.size or end > size or len(found) + count > at_most or crc32(data[start:end]) != checksum:
            break  # none at all: zeros, as a power cut leaves them, have the checksum of nothing
        found.append((data[place : place + first], now))
        for _ in range(count - 1):
            place += first
            (first,) = _BODY.unpack_from(data, place)
            place += _BODY.size
            found.append((data[place : place + first], now))
        position = end
    return found, position


def accepted_at(data: bytes) -> float | None:
    """Return the time of acceptance of the first frame in *data*; None when there is none."""
    return float(_FRAME.unpack_from(data)[2]) if len(data) >= _FRAME.size else None
