"""Reading and writing of IDX files, plain or gzip, of all six types.

src/idx.h describes the format. A gzip file (RFC 1952) has one member in nearly all
cases, and libdeflate inflates it. zlib inflates files with several members. libdeflate
also accepts the four symbols that RFC 1951 reserves, as the longest match or distance.
"""

from __future__ import annotations

import errno
import os
import stat
from io import FileIO
from typing import Any

import numpy as np

from . import _core
from ._io.content import HEAD_NBYTES, check_nbytes, read_header
from ._io.files import map_file, naming, read_into, read_whole, replacing
from ._io.inflate import CHUNK_NBYTES, inflate
from ._io.paths import expanded
from ._io.private import open_file
from ._io.threads import run_together
from .errors import FormatError

_GZIP_MAGIC = b"\x1f\x8b"
# Inflating a byte makes at most 1032 bytes. If a header promises more than this many
# times the file's size, it is checked first by inflating without keeping the data.
_SUSPICIOUS_RATIO = 32
# A larger gzip file must not be longer than this and twice its items. Its header must
# be in the first bytes.
_GZIP_NBYTES = 16 << 20
_GZIP_HEAD_NBYTES = 1 << 20


def read_idx(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Read an IDX file into an array.

    Parameters
    ----------
    source : str, path or bytes-like
        Path of the file, or its content. gzip is recognized by content, not by name.
        It may have several members, and be padded with zeros. A gzip file has at most
        16 MiB and twice the size of its items.
    out : ndarray, optional
        Array for the items. It must be C-contiguous, writable, and of the file's shape
        and dtype.

    Returns
    -------
    ndarray
        Items as uint8, int8, int16, int32, float32 or float64 in native byte order, of
        the shape in the header. It is `out` if that was given.

    Raises
    ------
    FormatError
        The content is not IDX, or is shorter or longer than its header says. Memory is
        allocated only after the header agrees with the file's size. Also raised for a
        socket or a device.
    OSError
        The file can't be read. The error's `filename` is the path.
    MemoryError
        The items need more memory than the system has. The message names the file.
    TypeError
        `source` is neither a path nor bytes.
    ValueError
        `out` has another shape or dtype, or is not C-contiguous and writable. Also
        raised for a path with a null character.

    Notes
    -----
    A named pipe is read to its end, which waits for a writer.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return decode_idx(memoryview(source).cast("B"), "IDX bytes", out)
    path = expanded(source)
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if stat.S_ISFIFO(mode):  # opening it first would let its writer go on
        with open(path, "rb", buffering=0) as file, naming(path):
            if stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):  # it may be replaced
                return decode_idx(memoryview(file.read()), path, out)
    with open_file(path) as file:
        return read_opened(file, path, out)


def read_opened(file: FileIO, source: str, out: np.ndarray | None = None) -> np.ndarray:
    """Read an IDX file that `open_file` has opened, as `read_idx` does.

    `file` is at its start. Messages name it `source`.
    """
    with naming(source):
        header = _checked_header(file, source)
        if header is None:
            return _read_gzip(read_whole(file), source, out)
        items = _items_for(header, source, out)
        n_read = read_into(file, header[2], _flat_bytes(items))
    check_nbytes(n_read, header, source)
    _core.idx_swap(items)
    return items


def write_idx(path: str | os.PathLike[str], array: Any) -> None:
    """Write an array as an IDX file, gzip-compressed if `path` ends in ``.gz``.

    The file appears under its name only when it is complete. The same array always
    gives the same bytes, because neither a name nor a time is stored.

    Parameters
    ----------
    path : str or path
        File to write or replace.
    array : array_like
        Items as uint8, int8, int16, int32, float32 or float64, of any shape with sides
        below 2**32.

    Raises
    ------
    TypeError
        IDX has no type for the array's dtype. Cast the array first.
    ValueError
        A side is 2**32 or more, or the path has a null character.
    OSError
        The file can't be written, such as on a full disk. The error's `filename` is the
        path. A file that was there before stays as it was.
    FormatError
        The array is that of a mapped file, which became shorter.
    """
    array = np.asarray(array)
    path = expanded(path)
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise OSError(errno.EINVAL, "is a pipe, a socket or a device", path)
    if array.dtype.name not in _core.IDX_TYPES:
        raise TypeError(
            f"{path}: the array's dtype must be one of {', '.join(_core.IDX_TYPES)}, "
            f"got {array.dtype}.\nCast the array first."
        )
    too_long = [side for side in array.shape if side >= 1 << 32]
    if too_long:
        raise ValueError(f"{path}: array sides must be below 2**32, got {too_long[0]}")
    header = header_of(array.dtype, array.shape)
    with replacing(path) as file, _core.FileReads(_mapped(array)):
        big_endian = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder(">"))
        flat = _flat_bytes(big_endian)
        if path.endswith(".gz"):
            import deflate

            content = bytearray(len(header) + flat.nbytes)
            content[: len(header)] = header
            content[len(header) :] = flat.data
            file.write(deflate.gzip_compress(content, 6))
            return
        file.write(header)
        try:
            file.write(flat.data)
        except OSError as error:
            if error.errno == errno.EFAULT:  # the array's file became shorter
                _core.pixel_sums(flat)  # raises the error of other reads
            raise


def map_idx(
    path: str | os.PathLike[str], source: str | None = None
) -> np.ndarray | None:
    """Map a plain IDX file as a read-only array, or return None for a gzip file.

    Items are read when they are accessed. Items of several bytes stay big-endian.
    Reads of a file that has become shorter raise FormatError.

    Parameters
    ----------
    path : str or path
        IDX file to map.
    source : str, optional
        Name of the file in messages. The default is `path`.

    Returns
    -------
    ndarray or None
        Items, or None for a gzip file.

    Raises
    ------
    FormatError
        The content is not IDX, or is shorter or longer than its header says, or the
        path is a pipe or a device.
    OSError
        The file can't be read.
    """
    path = expanded(path)
    source = source or path
    with open_file(path, source) as file, naming(source):
        header = _checked_header(file, source)
        if header is None:
            return None
        dtype, shape, header_nbytes, data_nbytes = header
        if data_nbytes == 0 or len(shape) > 64:
            return _items_for(header, source, None)
        mapped = map_file(file, source)
    check_nbytes(len(mapped) - header_nbytes, header, source)  # it may have changed
    stored = dtype.newbyteorder(">")
    return np.frombuffer(mapped, stored, offset=header_nbytes).reshape(shape)


def read_content(path: str | os.PathLike[str], source: str) -> memoryview:
    """Read an IDX file, after its header agrees with the file's size.

    Parameters
    ----------
    path : str or path
        IDX file to read, plain or gzip.
    source : str
        Name of the file in messages.

    Returns
    -------
    memoryview of bytes
        Content of the file, for `decode_idx`, which checks it again.

    Raises
    ------
    FormatError, MemoryError, OSError
        `read_idx` would raise the same exception. A pipe is a FormatError, too.
    """
    with open_file(path, source) as file, naming(path):
        _checked_header(file, source)
        return read_whole(file)


def header_of(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """Return the header of an IDX file.

    Parameters
    ----------
    dtype : numpy.dtype
        Type of the items: uint8, int8, int16, int32, float32 or float64.
    shape : tuple of int
        Shape of the items, at most 255 sides below 2**32.

    Returns
    -------
    bytes
        Magic number and sides, ``4 + 4 * len(shape)`` bytes.

    Raises
    ------
    KeyError, OverflowError, ValueError
        `dtype` or `shape` is not as above.
    """
    sides = np.array(shape, dtype=">u4").tobytes()
    return bytes([0, 0, _core.IDX_TYPES[dtype.name], len(shape)]) + sides


def _flat_bytes(items: np.ndarray) -> np.ndarray:
    return items.reshape(-1).view(np.uint8)


def _mapped(array: np.ndarray) -> list[np.ndarray]:
    """Return the array that has all memory of `array`, if it may be a mapped file's."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return [array] if array.flags.c_contiguous else []


def _checked_header(file: FileIO, source: str) -> tuple | None:
    """Return the header of a plain file, or None for a gzip file.

    Raise FormatError if it doesn't agree with the size of the file.
    """
    nbytes = os.fstat(file.fileno()).st_size
    head = file.read(HEAD_NBYTES) or b""  # None from a file that makes readers wait
    if head[:2] == _GZIP_MAGIC:
        if nbytes > _GZIP_NBYTES:
            head += file.read(_GZIP_HEAD_NBYTES) or b""
            dtype, shape, *parts = _gzip_header(memoryview(head), source)
            limit = _GZIP_NBYTES + 2 * sum(parts)
            if nbytes > limit:
                raise FormatError(
                    f"{source}: trailing bytes: the gzip data must have at most "
                    f"{limit} bytes for the header's {dtype} {shape}, got {nbytes}"
                )
        return None
    header = read_header(head, source)
    check_nbytes(nbytes - header[2], header, source)
    return header


def _items_for(header: tuple, source: str, out: np.ndarray | None) -> np.ndarray:
    """Return `out` after a check against the header, or a new array.

    The caller has verified the header against the size of the data.
    """
    dtype, shape, _, _ = header
    if out is None:
        if len(shape) > 64:
            raise FormatError(
                f"{source}: a numpy array must have at most 64 dimensions, got "
                f"{len(shape)}"
            )
        try:
            return np.empty(shape, dtype)
        except ValueError as error:  # (0, 2**32 - 1, 2**32 - 1) is too big for numpy
            raise FormatError(f"{source}: {dtype} {shape}: {error}") from None
    kind = f"{type(out).__name__}"
    if isinstance(out, np.ndarray):
        kind = f"{out.dtype} {out.shape}"
        flags = out.flags
        if out.dtype == dtype and out.dtype.isnative and out.shape == shape:
            if flags.c_contiguous and flags.writeable:
                return out
            kind += " that is read-only or not C-contiguous"
    raise ValueError(
        f"{source}: out must be a C-contiguous, writable {dtype} array of shape "
        f"{shape}, got {kind}"
    )


def decode_idx(
    content: memoryview, source: str, out: np.ndarray | None = None
) -> np.ndarray:
    """Read an IDX file from its content.

    Parameters
    ----------
    content : memoryview of bytes
        Content of the file, plain or gzip.
    source : str
        Name of the file in messages.
    out : ndarray, optional
        Array for the items, as for `read_idx`.

    Returns
    -------
    ndarray
        Items, as from `read_idx`.

    Raises
    ------
    FormatError, MemoryError, ValueError
        `read_idx` would raise the same exception.
    """
    with naming(source):
        if content[:2] == _GZIP_MAGIC:
            return _read_gzip(content, source, out)
        header = read_header(content[:HEAD_NBYTES], source)
        check_nbytes(len(content) - header[2], header, source)
        items = _items_for(header, source, out)
        _flat_bytes(items)[:] = content[header[2] :]
        _core.idx_swap(items)
        return items


def _gzip_header(content: memoryview, source: str) -> tuple:
    head = b""
    for chunk in inflate(content, source):
        head += chunk
        if len(head) >= HEAD_NBYTES:
            break
    return read_header(head[:HEAD_NBYTES], source, packed=True)


def _read_gzip(content: memoryview, source: str, out: np.ndarray | None) -> np.ndarray:
    """Read a gzip IDX file, and allocate its items only after a check of its size."""
    header = _gzip_header(content, source)
    promised = header[2] + header[3]
    # A member ends with its inflated size, modulo 2**32.
    isize = promised % (1 << 32)
    end = bytes(content[-CHUNK_NBYTES:]).rpartition(isize.to_bytes(4, "little"))
    is_at_end = end[1] and not end[2].strip(b"\0")
    if is_at_end and promised <= _SUSPICIOUS_RATIO * len(content):
        items = _read_one_member(content, header, source, out)
        if items is not None:
            return items
    nbytes = 0
    for chunk in inflate(content, source):
        nbytes += len(chunk)
        if nbytes > promised:
            break
    check_nbytes(nbytes - header[2], header, source)
    items = _items_for(header, source, out)
    flat, position = _flat_bytes(items), -header[2]
    for chunk in inflate(content, source):
        piece = np.frombuffer(chunk, np.uint8)[max(0, -position) :]
        flat[max(0, position) :][: len(piece)] = piece
        position += len(chunk)
    _core.idx_swap(items)
    return items


def _read_one_member(
    content: memoryview, header: tuple, source: str, out: np.ndarray | None
) -> np.ndarray | None:
    """Inflate the first member at once, or return None if more may follow it.

    `_read_gzip` then inflates again in chunks, which finds the fault or more members.
    """
    import deflate

    dtype, shape, header_nbytes, data_nbytes = header
    nbytes = header_nbytes + data_nbytes
    if out is not None or data_nbytes == 0 or len(shape) > 64:
        out = _items_for(header, source, out)
    try:
        inflated, is_all = run_together(
            [
                lambda: deflate.gzip_decompress(content, nbytes),
                lambda: _core.gzip_ends_after(content, nbytes % (1 << 32)),
            ]
        )
    except deflate.DeflateError:
        return None
    if not is_all or len(inflated) != nbytes:
        return None
    items = np.frombuffer(inflated, dtype, offset=header_nbytes).reshape(shape)
    if out is None and dtype.itemsize == 1 and items.flags.writeable:
        return items
    if out is None:
        out = np.empty(shape, dtype)  # aligned, unlike the items after the header
    np.copyto(out, items)
    _core.idx_swap(out)
    return out
