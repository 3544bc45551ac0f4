"""Types of the compiled core, src/_core.pyx and src/binding/."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, TypeVar

import numpy as np

_Function = TypeVar("_Function", bound=Callable[..., Any])

CPU_LEVELS: tuple[str, ...]
TRANSFORM_KINDS: dict[str, int]
PADDING_MODES: dict[str, int]
INTERPOLATIONS: dict[str, int]
TONE_KINDS: dict[str, int]
MIX_KINDS: dict[str, int]
MAX_BLUR_SIZE: int
MAX_CHANNELS: int
MAX_MIX_KINDS: int
MAX_ORDERED: int
MAX_TRANSFORMS: int
MAX_VIEWS: int
MAX_SHARED_NBYTES: int
MAX_WARP_SIDE: int
DTYPES: dict[str, int]
IDX_MAX_NDIM: int
IDX_TYPES: dict[str, int]
LABEL_DTYPES: dict[str, int]
KERNELS: dict[str, int]
LASTS: dict[bool | str, int]
LAUNCH_NBYTES: int
MAX_COLUMNS: int
MAX_EPOCH: int
MAX_POSITIONS: int
SAMPLERS: dict[str, int]
MAX_SHUFFLE_BLOCK: int
SLOT_ALIGNMENT: int

def begin_exit() -> None: ...
def default_floats(function: _Function) -> _Function: ...
def uninterrupted(function: _Function) -> _Function: ...
def cpu_levels() -> tuple[str, ...]: ...
def get_cpu_level() -> str: ...
def set_cpu_level(level: str) -> None: ...
def idx_header(
    head: bytes | bytearray | memoryview, source: str
) -> tuple[np.dtype, tuple[int, ...], int, int]: ...
def idx_swap(items: np.ndarray) -> None: ...
def gzip_ends_after(content: bytes | bytearray | memoryview, isize: int) -> bool: ...
def png_unfilter(
    filtered: bytes | bytearray | memoryview, out: np.ndarray, source: str
) -> None: ...
def pixel_sums(pixels: np.ndarray) -> tuple[int, int]: ...
def photo_box(pixels: np.ndarray, limit: int) -> tuple[int, int, int, int]: ...
def order(
    n: int,
    *,
    seed: int = 0,
    epoch: int = 0,
    begin: int = 0,
    end: int | None = None,
    block: int = 0,
) -> np.ndarray: ...
def draw(
    seed: int, epoch: int, position: int, operation: int, draw: int
) -> tuple[int, int, int, int]: ...

class FileMap:
    def __init__(self, file: int, nbytes: int, name: str) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

class FileReads:
    def __init__(self, arrays: Sequence[np.ndarray | memoryview]) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, kind: object, error: object, traceback: object) -> None: ...

class Program:
    def __init__(
        self,
        compiled: Any,
        height: int,
        width: int,
        *,
        dtype: str = "uint8",
        scale: tuple[float, ...] = (1.0,),
        bias: tuple[float, ...] = (0.0,),
        interleaved: bool = False,
        label_dtype: str = "int64",
        n_classes: int = 0,
        view: int = 0,
        n_views: int = 1,
        draws_view: int = 0,
        n_label_views: int = 1,
    ) -> None: ...
    @property
    def compiled(self) -> Any: ...
    def tobytes(self) -> bytes: ...
    @property
    def shared_nbytes(self) -> int: ...
    @property
    def only_cuts(self) -> bool: ...
    @property
    def row_nbytes(self) -> int: ...
    def run(
        self,
        image: np.ndarray,
        *,
        seed: int,
        epochs: Iterable[int],
        position: int,
    ) -> np.ndarray: ...

class Sampling:
    def __init__(
        self,
        kind: str,
        n: int,
        *,
        repeats: int = 1,
        block: int = 0,
        table: np.ndarray | None = None,
        epoch: int = 0,
        capacity: int = 0,
    ) -> None: ...
    @property
    def table(self) -> np.ndarray | None: ...
    @property
    def n_positions(self) -> int: ...
    def tobytes(self, table: int) -> bytes: ...

def alias_table(weights: np.ndarray) -> tuple[np.ndarray, int]: ...

class Pipeline:
    def __init__(
        self,
        parts: tuple[np.ndarray, ...],
        image_rows: np.ndarray | None,
        labels: np.ndarray,
        columns: tuple[tuple[np.ndarray | None, int], ...],
        *,
        programs: tuple[Program, ...],
        image_shape: tuple[int, ...],
        view_axes: tuple[tuple[int, ...], tuple[int, ...]],
        array_dtype: np.dtype,
        rows: int,
        threads: int,
        prefetch: int,
        slots: Sequence[np.ndarray],
    ) -> None: ...
    def start(
        self,
        *,
        sampling: Sampling,
        seed: int,
        augment_seed: int,
        epoch: int,
        begin: int,
        batches: int,
        batch_size: int,
        rank: int,
        world: int,
        last: bool | Literal["wrap", "next"],
        owner: object,
    ) -> Batches: ...
    def close(self) -> None: ...
    def progress(self, ticket: int) -> tuple[int, bool] | None: ...
    def stats(self) -> tuple[int, int, int, int, int, int]: ...
    @property
    def closed(self) -> bool: ...
    @property
    def forked(self) -> bool: ...
    @property
    def slots_nbytes(self) -> int: ...
    @property
    def slot_nbytes(self) -> int: ...
    @property
    def n_lent(self) -> int: ...
    @property
    def window(self) -> int: ...

class Batches(Iterator[tuple[np.ndarray, ...]]):
    @property
    def pipeline(self) -> Pipeline | None: ...
    @property
    def ticket(self) -> int: ...
    def __next__(self) -> tuple[np.ndarray, ...]: ...
    def __length_hint__(self) -> int: ...
    def take(self) -> tuple[int, tuple[np.ndarray, ...]]: ...
    def count_wait(self, wait_ns: int) -> None: ...
    def close(self) -> None: ...
    @property
    def closed(self) -> bool: ...

def source_bytes(
    address: int,
    n: int,
    n_images: int,
    image_nbytes: int,
    images: int,
    rows: int,
    label_dtype: str,
    labels: int,
) -> bytes: ...
def launch_place(launch: np.ndarray) -> tuple[int, int]: ...
def launch_on_host(
    name: str, n_blocks: int, shared_nbytes: int, *arguments: int
) -> None: ...
