"""CFunction, which calls a C function of the user (src/program.h)."""

from __future__ import annotations

import ctypes
import re
from _ctypes import CFuncPtr
from ctypes import PYFUNCTYPE, c_char_p, c_void_p, py_object, pythonapi
from dataclasses import dataclass, field
from typing import Any, cast

from ._flat import Fields
from ._transform import Transform

_SIGNATURE = "void (uint8_t *, int64_t, int64_t, uint32_t const *, void *)"
_capsule_name = PYFUNCTYPE(c_char_p, py_object)(("PyCapsule_GetName", pythonapi))
_capsule_pointer = PYFUNCTYPE(c_void_p, py_object, c_char_p)(
    ("PyCapsule_GetPointer", pythonapi)
)


def _is_capsule(value: Any) -> bool:
    return type(value).__name__ == "PyCapsule"


def _bare(signature: str) -> str:
    """Return a signature without qualifiers, spaces and Cython's prefixes of types."""
    prefix = r"__pyx_t_\w*?_(?=u?int\d+_t\b)"
    return re.sub(rf"{prefix}|\b(const|noexcept|nogil)\b|\s", "", signature)


def _function_address(function: Any) -> int:
    if _is_capsule(function):
        name = _capsule_name(function)
        signature = (name or b"").decode(errors="replace")
        if _bare(signature) != _bare(_SIGNATURE):
            raise ValueError(
                "CFunction: the capsule's name must be the signature "
                f"{_SIGNATURE!r}, got {signature!r}"
            )
        return cast("int", _capsule_pointer(function, name))
    if isinstance(function, CFuncPtr):
        types = function.argtypes
        if types is not None and len(types) != 5:
            raise ValueError(
                f"CFunction: function must take 5 arguments, got {len(types)}.\n"
                f"Its signature must be {_SIGNATURE}."
            )
        return ctypes.cast(function, c_void_p).value or 0
    address = getattr(function, "address", None)
    if isinstance(address, bool) or not isinstance(address, int):
        raise TypeError(
            "CFunction: function must be a capsule, a ctypes function or a numba "
            f"cfunc, got {function!r}"
        )
    return address


def _data_address(data: Any) -> int:
    if data is None:
        return 0
    if _is_capsule(data):
        return cast("int", _capsule_pointer(data, _capsule_name(data)))
    if isinstance(data, (ctypes._Pointer, c_void_p)):
        return ctypes.cast(data, c_void_p).value or 0
    memory = ctypes._SimpleCData, ctypes.Array, ctypes.Structure, ctypes.Union
    if isinstance(data, memory):
        return ctypes.addressof(data)
    if isinstance(data, bool) or not isinstance(data, int):
        raise TypeError(
            "CFunction: data must be None, an address, a ctypes object or a capsule, "
            f"got {data!r}"
        )
    return data


@dataclass(frozen=True, eq=False)
class CFunction(Transform):
    """Change images by a C function that the worker threads call.

    The signature of the function is ``void (uint8_t *pixels, int64_t height, int64_t
    width, const uint32_t *random, void *data)``. It changes ``height * width`` pixels
    in place.

    Parameters
    ----------
    function : capsule, ctypes function or numba cfunc
        The function: a capsule from Cython's ``__pyx_capi__``, whose name is the
        signature; a ctypes function pointer; or an object with an integer attribute
        `address`, such as a numba cfunc.
    data : int, ctypes object, capsule or None, default None
        Value of the argument `data`. An integer is an address that must stay valid. A
        ctypes array, structure or number is passed by its address. A ctypes pointer or
        a capsule is passed as the address that it holds. None is a null pointer.

    Raises
    ------
    TypeError
        An argument has a wrong type, or the transform is pickled or copied.
    ValueError
        The signature does not match, the address of `function` is not in 1..2**64 - 1,
        or the address of `data` is not in 0..2**64 - 1.

    Notes
    -----
    Determinism: `random` points to four random words, which differ for each image
    and epoch. The results are reproducible if the function uses no other state. While
    it runs, floats round to the nearest number, and nothing is flushed to zero.

    Thread safety: Several threads call the function at once, without the GIL. A worker
    has a stack of 512 KiB. A function in Python, through ctypes, can't close the loader
    that calls it or take its batches: this raises RuntimeError.

    Buffers: The function changes the pixels in place. Nothing checks which memory it
    writes.

    Lifetime: The transform keeps `function` and `data` alive. It can't be pickled
    or copied, and it equals only itself.

    Torchvision has no such transform.
    """

    function: Any
    data: Any = None
    _addresses: tuple[int, int] = field(init=False, repr=False)
    _kind = "user"

    def __post_init__(self) -> None:
        """Read and check the two addresses."""
        addresses = _function_address(self.function), _data_address(self.data)
        for name, low, address in zip(("function", "data"), (1, 0), addresses):
            if not low <= address < 2**64:
                raise self._error(
                    f"the address of {name} must be in {low}..2**64 - 1, got {address}"
                )
        object.__setattr__(self, "_addresses", addresses)

    def __reduce__(self) -> Any:
        """Raise TypeError, because an address cannot be pickled."""
        raise TypeError(
            "CFunction can't be pickled: an address is valid only in its own process.\n"
            "Make a CFunction in each process."
        )

    def _fields(self, height: int, width: int) -> Fields:
        function, data = self._addresses
        return {"function": function, "data": data}
