"""C functions of the user's own, by address (fm_user_fn in src/augment/steps.h)."""

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


def _meaning(signature: str) -> str:
    """Without what Cython adds for its own use, and what callers need not know."""
    own = r"__pyx_t_\w*?_(?=u?int\d+_t\b)"
    return re.sub(rf"{own}|\b(const|noexcept|nogil)\b|\s", "", signature)


def _function_address(function: Any) -> int:
    if _is_capsule(function):
        name = _capsule_name(function)
        found = (name or b"").decode(errors="replace")
        if _meaning(found) != _meaning(_SIGNATURE):
            raise ValueError(
                f"CFunction: a capsule must be named {_SIGNATURE!r}, got {found!r}"
            )
        return cast("int", _capsule_pointer(function, name))
    if isinstance(function, CFuncPtr):
        types = function.argtypes
        if types is not None and len(types) != 5:
            raise ValueError(
                f"CFunction: function must take 5 arguments, {_SIGNATURE}, got "
                f"{len(types)}"
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
    """A C function that changes images inside the worker threads.

    Its signature is ``void (uint8_t *pixels, int64_t height, int64_t width, const
    uint32_t *random, void *data)``. It changes ``height * width`` pixels in place;
    `random` are four random words of its own for every image and epoch. Several threads
    call it at once, without the GIL. What it writes elsewhere is not checked.

    Parameters
    ----------
    function : capsule, ctypes function or numba cfunc
        A capsule as Cython puts into ``__pyx_capi__``, named after the signature; a
        ctypes function pointer; or any object with an integer `address`.
    data : int, ctypes object or capsule, optional
        Handed to the function: an address, which must stay valid; the memory of a
        ctypes array, structure or number; what a ctypes or capsule pointer points to.

    Notes
    -----
    It keeps both alive. It can't be pickled, and equals only itself.
    """

    function: Any
    data: Any = None
    _addresses: tuple[int, int] = field(init=False, repr=False)
    _kind = "user"

    def __post_init__(self) -> None:
        addresses = _function_address(self.function), _data_address(self.data)
        for name, address in zip(("function", "data"), addresses):
            if not (name == "function") <= address < 2**64:
                raise self._error(f"the address of {name} can't be {address}")
        object.__setattr__(self, "_addresses", addresses)

    def __reduce__(self) -> Any:
        raise TypeError(
            "CFunction can't be pickled: an address means nothing in another process"
        )

    def _fields(self, height: int, width: int) -> Fields:
        function, data = self._addresses
        return {"function": function, "data": data}
