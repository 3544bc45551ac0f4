"""Headers of IDX content, and what content without such a header is."""

from __future__ import annotations

import math
import re

import numpy as np

from .. import _core
from ..errors import FormatError

HEAD_NBYTES = 4 + 4 * _core.IDX_MAX_NDIM  # the longest header

AGAIN = "Delete the file and download it again."  # how messages end
REPLACE = "Replace the file with an undamaged copy."  # it may be the user's own file
_LOST = f"Its content was lost. {AGAIN}"
_ANSWER = f"If it is the answer of a server, it may say what went wrong.\n{AGAIN}"
_READ = (
    "Read it with {}, and pass its arrays to fmnist_fast.Dataset.from_arrays or "
    "fmnist_fast.write_idx."
)
_IMAGE = _READ.format("Pillow") + "\n`fmnist-fast convert` converts photos."
_LOAD = (
    "Load it with the datasets package, and pass the dataset to "
    "fmnist_fast.Dataset.from_huggingface."
)
_LITTLE_ENDIAN = (
    "a little-endian file",
    "Numbers in IDX files are big-endian.\nRead the items with numpy.fromfile, and "
    "write them with fmnist_fast.write_idx.",
)
_UNPACK = "Unpack it with `{} FILE`, and use the files in it."
_DECOMPRESS = "Decompress it with `{} -dc FILE > OUT`, and use OUT."
_TYPE = rb"[\x08\x09\x0b-\x0e]"  # the type byte of an IDX header
_TEXT = rb"(\xef\xbb\xbf)?\s*"  # a byte order mark, and blanks

# Patterns of the first bytes, with a name and advice. The first match counts. The
# content may be hostile, so all patterns take linear time.
_KINDS = (
    (rb"\Z", "an empty file", _LOST),
    (rb"\0{16,}\Z", "a file that begins with many zeros", _LOST),
    (rb"[\x01-\x08]" + _TYPE + rb"\0\0", *_LITTLE_ENDIAN),
    (rb"\0\0" + _TYPE + rb"(\x02(.{3}\0){2}|\x03(.{3}\0){3})", *_LITTLE_ENDIAN),
    (
        rb"\0\x05\x16\x07",
        "a macOS resource file",
        "Use the file without `._` in its name.",
    ),
    (rb".{257}ustar", "a tar archive", _UNPACK.format("tar -xf")),
    (
        rb"(?i)" + _TEXT + rb"<(!--|!doctype\s+html|[a-z][a-z0-9]*[\s/>])",
        "a web page",
        f"The download was probably an error page.\nCheck the address. {AGAIN}",
    ),
    (_TEXT + rb"<\?xml", "an XML file", _ANSWER),
    (
        rb"version https://(git-lfs|hawser)",
        "a Git LFS pointer",
        "Run `git lfs pull` in its repository to get the file.",
    ),
    (
        rb"PK\x03\x04.{26}[^\0/]*\.npy",
        "a NumPy .npz archive",
        _READ.format("numpy.load"),
    ),
    (
        rb"PK\x03\x04.{26}[^\0/]+/data\.pkl|\x80\x02\x8a\nl\xfc\x9cF",
        "a PyTorch file",
        _READ.format("torch.load"),
    ),
    (
        rb"PK(\x03\x04|\x05\x06)",
        "a zip archive",
        "Unpack it with `python -m zipfile -e FILE FOLDER`, and use the files in it.",
    ),
    (rb"7z\xbc\xaf'\x1c", "a 7z archive", _UNPACK.format("7z x")),
    (rb"Rar!\x1a\x07", "a RAR archive", _UNPACK.format("unrar x")),
    (rb"\xfd7zXZ\0", "an xz file", _DECOMPRESS.format("xz")),
    (rb"BZh[1-9]", "a bzip2 file", _DECOMPRESS.format("bzip2")),
    (rb"\x28\xb5\x2f\xfd", "a zstd file", _DECOMPRESS.format("zstd")),
    (rb"\x04\x22\x4d\x18", "an lz4 file", _DECOMPRESS.format("lz4")),
    (rb"\x1f\x8b", "a gzip file", _DECOMPRESS.format("gzip")),
    (
        rb"\x1f(\xef\xbf\xbd|\xc2\x8b|\?)\x08",
        "a gzip file that a program has read as text",
        f"Some of its bytes were lost. {AGAIN}",
    ),
    (
        rb"x[\x01\x9c\xda]",
        "a zlib stream",
        "Decompress it with Python's zlib.decompress, and use the result.",
    ),
    (rb"\x89PNG\r\n", "a PNG image", _IMAGE),
    (rb"\xff\xd8\xff", "a JPEG image", _IMAGE),
    (rb"GIF8[79]a", "a GIF image", _IMAGE),
    (rb"RIFF.{4}WEBP", "a WebP image", _IMAGE),
    (
        rb"\x93NUMPY",
        "a NumPy .npy file",
        "Convert it with `fmnist-fast convert-idx FILE OUT.idx`, and use OUT.idx.",
    ),
    (rb"\x89HDF\r\n|MATLAB 7", "an HDF5 file", _READ.format("h5py")),
    (rb"MATLAB 5", "a MATLAB file", _READ.format("scipy.io.loadmat")),
    (rb"PAR1", "a Parquet file", _LOAD),
    (rb"ARROW1|\xff{4}.{3}\0\x10", "an Arrow file", _LOAD),
    (
        rb"\x80[\x02-\x05][}\]()\x95cX]",
        "a Python pickle",
        _READ.format("pickle if you trust it"),
    ),
    (rb"%PDF-", "a PDF file", f"Check the address that it came from. {AGAIN}"),
    (
        rb"\xff\xfe|\xfe\xff",
        "a UTF-16 text file",
        f"`>` in PowerShell may have damaged it. {AGAIN}",
    ),
    (_TEXT + rb'[\[{]\s*(["\[\]{}]|-?\d)', "a JSON file", _ANSWER),
    (
        _TEXT + rb'"?[\w.+-]+"?[,;\t]"?[\w.+-]+"?[,;\t\r\n]',
        "a CSV file",
        _READ.format("numpy.loadtxt"),
    ),
    (
        _TEXT + rb"-?\d[\d.e+-]*[,;\s]+-?\d[\d.e+-]*[,;\s]",
        "a text file of numbers",
        _READ.format("numpy.loadtxt"),
    ),
    (
        rb"([\t\n\f\r -~]|[\xc2-\xf4][\x80-\xbf]{1,3})+[\xc2-\xf4]?\Z",
        "a text file",
        _ANSWER,
    ),
)


def read_header(
    head: memoryview | bytes, source: str, *, packed: bool = False
) -> tuple:
    """Return what `_core.idx_header` does, or say what the content is instead.

    Parameters
    ----------
    head : bytes-like
        First `HEAD_NBYTES` bytes of the content, or all of them.
    source : str
        Name of the file in messages.
    packed : bool
        Whether the content is inside gzip.

    Returns
    -------
    dtype, shape, header_nbytes, data_nbytes

    Raises
    ------
    FormatError
        The content has no IDX header.
    """
    try:
        return _core.idx_header(head, source)
    except FormatError:
        found = _kind_of(bytes(head))
        if found is None:
            raise
        name, advice = found
    if packed:
        name += " inside gzip"
        if "FILE" in advice:
            unpack = "Decompress it with `gzip -dc FILE > NEW`."
            advice = f"{unpack}\n{advice.replace('FILE', 'NEW')}"
    raise FormatError(f"{source}: is {name}, not an IDX file.\n{advice}")


def check_nbytes(nbytes: int, header: tuple, source: str) -> None:
    """Raise FormatError if there are more or fewer bytes of data than promised."""
    dtype, shape, _, promised = header
    if nbytes == promised:
        return
    sides = np.array(shape, np.uint32).byteswap().tolist()
    if shape and nbytes == math.prod(sides) * dtype.itemsize:
        name, advice = _LITTLE_ENDIAN
        raise FormatError(f"{source}: is {name}, not an IDX file.\n{advice}")
    if nbytes < promised:
        raise FormatError(
            f"{source}: truncated: the data must have {promised} bytes for the "
            f"header's {dtype} {shape}, got {nbytes}"
        )
    raise FormatError(
        f"{source}: trailing bytes: the data must have {promised} bytes for the "
        f"header's {dtype} {shape}, got at least {nbytes}"
    )


def _kind_of(head: bytes) -> tuple[str, str] | None:
    """Return the name of content that is not IDX, and what to do, or None."""
    for pattern, name, advice in _KINDS:
        if re.match(pattern, head, re.DOTALL):
            return name, advice
    return None
