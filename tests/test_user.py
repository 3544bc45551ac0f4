"""CFunction: C functions of the user are checked and compiled."""

import copy
import ctypes
import pickle
from types import SimpleNamespace

import pytest
from helpers.transforms import brighten, compiled, only

from fmnist_fast.augment import (
    CFunction,
    Compose,
    RandomApply,
)

SIGNATURE = "void (uint8_t *, int64_t, int64_t, uint32_t const *, void *)"


FUNCTION = ctypes.CFUNCTYPE(
    None,
    ctypes.POINTER(ctypes.c_uint8),
    ctypes.c_int64,
    ctypes.c_int64,
    ctypes.POINTER(ctypes.c_uint32),
    ctypes.c_void_p,
)


def capsule(address, name):
    """Return a Python capsule, as Cython makes it for a C function."""
    new = ctypes.PYFUNCTYPE(
        ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p
    )(("PyCapsule_New", ctypes.pythonapi))
    name = None if name is None else ctypes.create_string_buffer(name.encode())
    NAMES.append(name)  # a capsule only points to its name
    return new(address, name, None)


NAMES = []  # keeps the names of capsules alive


def test_a_ctypes_function():
    function = FUNCTION(lambda *arguments: None)
    address = ctypes.cast(function, ctypes.c_void_p).value
    fields = {"function": address, "data": 0}
    out = compiled(CFunction(function))
    assert out.transforms == (("user", 1.0, fields),)
    assert out.source[0].function is function
    assert compiled(RandomApply([CFunction(function)])).transforms[1][2] == fields


@pytest.mark.parametrize(
    "name",
    [
        SIGNATURE,
        "void (uint8_t *, int64_t, int64_t, const uint32_t *, void *)",
        "void (uint8_t *, int64_t, int64_t, uint32_t *, void *)",
        "void (uint8_t*,int64_t,int64_t,uint32_t*,void*) noexcept nogil",
        "void (__pyx_t_5numpy_uint8_t *, __pyx_t_5numpy_int64_t, int64_t, "
        "__pyx_t_5numpy_uint32_t const *, void *)",
    ],
)
def test_a_capsule_named_as_cython_does(name):
    transform = CFunction(capsule(4096, name), capsule(8192, "anything"))
    assert only(transform) == ("user", 1.0, {"function": 4096, "data": 8192})


@pytest.mark.parametrize(
    "name, text",
    [
        ("void (uint8_t *, int64_t)", r"void \(uint8_t \*, int64_t\)"),
        ("int (uint8_t *, int64_t, int64_t, uint32_t const *, void *)", "int"),
        ("void (int8_t *, int64_t, int64_t, uint32_t const *, void *)", "void .int8_t"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_capsule_of_another_function_is_refused(name, text):
    message = "name must be the signature 'void .uint8_t .*, void .*', got '"
    with pytest.raises(ValueError, match=message + text):
        CFunction(capsule(4096, name))


def test_an_object_with_an_address():
    transform = CFunction(SimpleNamespace(address=4096), 5)
    assert only(transform)[2] == {"function": 4096, "data": 5}


def test_data_is_the_memory_of_a_ctypes_object():
    function = SimpleNamespace(address=4096)
    array = (ctypes.c_int * 3)(1, 2, 3)
    transform = CFunction(function, array)
    assert only(transform)[2]["data"] == ctypes.addressof(array)
    assert transform.data is array
    number = ctypes.c_double(2)
    assert only(CFunction(function, number))[2]["data"] == ctypes.addressof(number)
    for pointer in (ctypes.pointer(array), ctypes.cast(array, ctypes.c_void_p)):
        assert only(CFunction(function, pointer))[2]["data"] == ctypes.addressof(array)


@pytest.mark.parametrize(
    "function, data, error, message",
    [
        (
            brighten,
            None,
            TypeError,
            "function must be a capsule, a ctypes function or a",
        ),
        (4096, None, TypeError, "function must be a capsule"),
        (SimpleNamespace(address=True), None, TypeError, "function must be a capsule"),
        (
            SimpleNamespace(address=0),
            None,
            ValueError,
            "address of function must be in 1.*, got 0",
        ),
        (
            SimpleNamespace(address=1),
            -1,
            ValueError,
            "address of data must be in 0.*-1$",
        ),
        (SimpleNamespace(address=1), 2**64, ValueError, "address of data .* got 184"),
        (
            SimpleNamespace(address=1),
            "x",
            TypeError,
            "data must be None, an address, a",
        ),
        (SimpleNamespace(address=1), True, TypeError, "data must be None, an address"),
        (FUNCTION(), None, ValueError, "address of function must be in 1.*, got 0"),
        (
            ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda pixels: None),
            None,
            ValueError,
            "function must take 5 arguments, got 1.\nIts signature must be v",
        ),
    ],
)
def test_bad_c_functions_are_refused(function, data, error, message):
    with pytest.raises(error, match=f"CFunction: .*{message}"):
        CFunction(function, data)


def test_a_c_function_equals_only_itself():
    transform = CFunction(SimpleNamespace(address=4096))
    assert transform != CFunction(transform.function) and transform == transform
    assert hash(Compose([transform])) == hash(Compose([transform]))
    for duplicate in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError, match="CFunction can't be pickled: an address"):
            duplicate(transform)
