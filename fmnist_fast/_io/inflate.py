"""Inflate gzip files of several members in chunks. Source: RFC 1952."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import FormatError
from .content import REPLACE

CHUNK_NBYTES = 1 << 16
_FAULTS = {  # by zlib's texts
    "incorrect data check": "its checksum is wrong",
    "incorrect length check": "its length is wrong",
    "header crc mismatch": "the checksum of its header is wrong",
}


def inflate(content: memoryview, source: str) -> Iterator[bytes]:
    """Yield the inflated bytes of all gzip members, in chunks of at most 64 KiB.

    Zeros may follow a member, as gzip and Python's gzip allow, but nothing else.
    """
    import zlib

    position = 0
    while position < len(content):
        if position and content[position] != 0x1F:
            found = " ".join(f"0x{byte:02X}" for byte in content[position:][:4])
            raise FormatError(
                f"{source}: trailing bytes: only zeros may follow the gzip data, got "
                f"{found}.\n{REPLACE}"
            )
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        waiting: Any = b""
        while not member.eof:
            try:
                chunk = member.decompress(waiting, CHUNK_NBYTES)
            except zlib.error as error:
                text = str(error).rpartition(": ")[2]
                fault = _FAULTS.get(text, f"it can't be inflated ({text})")
                raise FormatError(
                    f"{source}: the gzip data is damaged: {fault}.\n{REPLACE}"
                ) from None
            waiting = member.unconsumed_tail
            if chunk:
                yield chunk
            elif not waiting and not member.eof:
                waiting = content[position : position + CHUNK_NBYTES]
                if len(waiting) == 0:
                    raise FormatError(
                        f"{source}: truncated: the gzip data ends early.\n{REPLACE}"
                    )
                position += len(waiting)
        position -= len(member.unused_data)  # it belongs to the next member
        while position < len(content) and content[position] == 0:
            padding = bytes(content[position : position + CHUNK_NBYTES])
            position += len(padding) - len(padding.lstrip(b"\0"))
