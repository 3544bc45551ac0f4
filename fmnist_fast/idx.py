"""Reading and writing IDX files, plain or gzip, of all six types.

The format is in src/idx.h. gzip (RFC 1952) is inflated by libdeflate where a file has
one member, as nearly all have, and by zlib where it has several.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import _core
from ._io.files import map_whole, read_into, read_whole, replacing, run_together
from ._io.paths import expanded
from .errors import FormatError

_HEAD_NBYTES = 4 + 4 * _core.IDX_MAX_NDIM  # the longest header
_CHUNK_NBYTES = 1 << 16
_GZIP_MAGIC = b"\x1f\x8b"
# Inflate never makes more than 1032 bytes of one. A header that promises this much
# more than the file is long is checked by inflating without keeping anything.
_SUSPICIOUS_RATIO = 32


def read_idx(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Read an IDX file into an array.

    Parameters
    ----------
    source : path or bytes-like
        The file, or its content. gzip is told from plain IDX by content, not by name.
    out : ndarray, optional
        Where to put the items: C-contiguous, writable, of the file's shape and dtype.

    Returns
    -------
    ndarray
        uint8, int8, int16, int32, float32 or float64 in native byte order, of the
        shape in the header; `out` if that was given.

    Raises
    ------
    FormatError
        The content is not IDX, or is shorter or longer than its header says. Nothing
        is allocated on the word of a header that the file's size belies.
    OSError
        The file can't be read.
    ValueError
        `out` does not fit.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return decode_idx(memoryview(source).cast("B"), "IDX bytes", out)
    path = expanded(source)
    with open(path, "rb", buffering=0) as file:
        head = file.read(_HEAD_NBYTES)
        status = os.fstat(file.fileno())
        if stat.S_ISFIFO(status.st_mode):  # a pipe has no size
            return decode_idx(memoryview(head + file.read()), path, out)
        nbytes = status.st_size
        if head[:2] == _GZIP_MAGIC:
            return _read_gzip(read_whole(path), path, out)
        header = _core.idx_header(head, path)
        _check_nbytes(nbytes - header[2], header, path)
        items = _items_for(header, path, out)
        n_read = read_into(file, header[2], memoryview(_flat_bytes(items)))
    _check_nbytes(n_read, header, path)
    _core.idx_swap(items)
    return items


def write_idx(path: str | os.PathLike[str], array: Any) -> None:
    """Write an array as an IDX file, gzip-compressed if `path` ends in ``.gz``.

    The file appears whole or not at all, and the same array gives the same bytes: no
    name and no time is stored.

    Parameters
    ----------
    path : path
        The file to write or replace.
    array : array_like
        uint8, int8, int16, int32, float32 or float64, of any shape whose sides are
        below 2**32.

    Raises
    ------
    TypeError
        IDX has no such dtype. Cast the array first.
    OSError
        The file can't be written.
    """
    array = np.asarray(array)
    path = expanded(path)
    if array.dtype.name not in _core.IDX_TYPES:
        raise TypeError(
            f"{path}: an IDX file holds {', '.join(_core.IDX_TYPES)}, got {array.dtype}"
        )
    too_long = [side for side in array.shape if side >= 1 << 32]
    if too_long:
        raise ValueError(f"{path}: IDX sides are below 2**32, got {too_long[0]}")
    header = header_of(array.dtype, array.shape)
    big_endian = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder(">"))
    with replacing(path) as file:
        if path.endswith(".gz"):
            import deflate

            content = bytearray(len(header) + big_endian.nbytes)
            content[: len(header)] = header
            content[len(header) :] = _flat_bytes(big_endian).data
            file.write(deflate.gzip_compress(content, 6))
        else:
            file.write(header)
            file.write(_flat_bytes(big_endian).data)


def map_idx(
    path: str | os.PathLike[str], source: str | None = None
) -> np.ndarray | None:
    """Map a plain IDX file as a read-only array, whose items are read when touched.

    Items of more than a byte stay big-endian. None where the file is gzip. Raises
    FormatError and OSError as `read_idx` does; they call the file `source`.
    """
    source = source or os.fsdecode(path)
    with open(path, "rb", buffering=0) as file:
        head = file.read(_HEAD_NBYTES)
        nbytes = os.fstat(file.fileno()).st_size
    if head[:2] == _GZIP_MAGIC:
        return None
    header = _core.idx_header(head, source)
    dtype, shape, header_nbytes, data_nbytes = header
    _check_nbytes(nbytes - header_nbytes, header, source)
    if data_nbytes == 0 or len(shape) > 64:
        return _items_for(header, source, None)
    mapped = map_whole(path)
    _check_nbytes(len(mapped) - header_nbytes, header, source)  # that it still is
    stored = dtype.newbyteorder(">")
    return np.frombuffer(mapped, stored, offset=header_nbytes).reshape(shape)


def header_of(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """The header of an IDX file of `shape`, whose sides are below 2**32."""
    sides = np.array(shape, dtype=">u4").tobytes()
    return bytes([0, 0, _core.IDX_TYPES[dtype.name], len(shape)]) + sides


def _flat_bytes(items: np.ndarray) -> np.ndarray:
    return items.reshape(-1).view(np.uint8)


def _check_nbytes(found: int, header: tuple, source: str) -> None:
    dtype, shape, _, wanted = header
    if found < wanted:
        raise FormatError(
            f"{source}: truncated: the header says {dtype} {shape}, which is {wanted} "
            f"bytes of data, but only {found} are there"
        )
    if found > wanted:
        raise FormatError(
            f"{source}: trailing bytes: the header says {dtype} {shape}, which is "
            f"{wanted} bytes of data, but at least {found} are there"
        )


def _items_for(header: tuple, source: str, out: np.ndarray | None) -> np.ndarray:
    """Check `out` against the header, or allocate; only once the size is verified."""
    dtype, shape, _, _ = header
    if out is None:
        if len(shape) > 64:
            raise FormatError(
                f"{source}: {len(shape)} dimensions; numpy has at most 64"
            )
        try:
            return np.empty(shape, dtype)
        except ValueError as error:  # (0, 2**32 - 1, 2**32 - 1) is too big for numpy
            raise FormatError(f"{source}: {dtype} {shape}: {error}") from None
    found = f"{type(out).__name__}"
    if isinstance(out, np.ndarray):
        found = f"{out.dtype} {out.shape}"
        flags = out.flags
        if out.dtype == dtype and out.dtype.isnative and out.shape == shape:
            if flags.c_contiguous and flags.writeable:
                return out
            found += " that is not both"
    raise ValueError(
        f"{source}: out must be C-contiguous and writable {dtype} of shape {shape}, "
        f"got {found}"
    )


def decode_idx(
    content: memoryview, source: str, out: np.ndarray | None = None
) -> np.ndarray:
    """What `read_idx` makes of the content of a file called `source`."""
    if content[:2] == _GZIP_MAGIC:
        return _read_gzip(content, source, out)
    header = _core.idx_header(content[:_HEAD_NBYTES], source)
    _check_nbytes(len(content) - header[2], header, source)
    items = _items_for(header, source, out)
    _flat_bytes(items)[:] = content[header[2] :]
    _core.idx_swap(items)
    return items


def _inflate(content: memoryview, source: str) -> Iterator[bytes]:
    """The inflated bytes of all members, in chunks of at most 64 KiB."""
    import zlib

    position = 0
    while position < len(content):
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        waiting: Any = b""
        while not member.eof:
            try:
                chunk = member.decompress(waiting, _CHUNK_NBYTES)
            except zlib.error as error:
                raise FormatError(f"{source}: damaged gzip data: {error}") from None
            waiting = member.unconsumed_tail
            if chunk:
                yield chunk
            elif not waiting and not member.eof:
                waiting = content[position : position + _CHUNK_NBYTES]
                if len(waiting) == 0:
                    raise FormatError(f"{source}: truncated: the gzip data ends early")
                position += len(waiting)
        position -= len(member.unused_data)  # these belong to the next member


def _read_gzip(content: memoryview, source: str, out: np.ndarray | None) -> np.ndarray:
    head = b""
    for chunk in _inflate(content, source):
        head += chunk
        if len(head) >= _HEAD_NBYTES:
            break
    header = _core.idx_header(head[:_HEAD_NBYTES], source)
    wanted = header[2] + header[3]
    # The last four bytes are the inflated size of the last member, modulo 2**32.
    stored = int.from_bytes(content[-4:], "little")
    if stored == wanted % (1 << 32) and wanted <= _SUSPICIOUS_RATIO * len(content):
        items = _read_one_member(content, header, source, out)
        if items is not None:
            return items
    found = 0
    for chunk in _inflate(content, source):
        found += len(chunk)
        if found > wanted:
            break
    _check_nbytes(found - header[2], header, source)
    items = _items_for(header, source, out)
    flat, position = _flat_bytes(items), -header[2]
    for chunk in _inflate(content, source):
        piece = np.frombuffer(chunk, np.uint8)[max(0, -position) :]
        flat[max(0, position) :][: len(piece)] = piece
        position += len(chunk)
    _core.idx_swap(items)
    return items


def _read_one_member(
    content: memoryview, header: tuple, source: str, out: np.ndarray | None
) -> np.ndarray | None:
    """Inflate at once; None if that is not all, for the careful way to judge."""
    import deflate

    dtype, shape, header_nbytes, data_nbytes = header
    if out is not None or data_nbytes == 0 or len(shape) > 64:
        out = _items_for(header, source, out)
    try:
        inflated, more = run_together(
            [
                lambda: deflate.gzip_decompress(content, header_nbytes + data_nbytes),
                lambda: _core.find_gzip_member(content, 1),
            ]
        )
    except deflate.DeflateError:
        return None
    if more or len(inflated) != header_nbytes + data_nbytes:
        return None
    items = np.frombuffer(inflated, dtype, offset=header_nbytes).reshape(shape)
    if out is None and dtype.itemsize == 1 and items.flags.writeable:
        return items
    if out is None:
        out = np.empty(shape, dtype)  # aligned, which a view behind a header is not
    np.copyto(out, items)
    _core.idx_swap(out)
    return out
