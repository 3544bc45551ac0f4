"""Refusals of objects in `augment=` that are not transforms of this package."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import numpy as np

from .._checks import in_place_of
from .._names import MODULES

# Libraries whose objects take single images, by the first part of a module's name.
_LIBRARIES = {
    "albumentations": "Albumentations",
    "ffcv": "FFCV",
    "imgaug": "imgaug",
    "keras": "Keras",
    "kornia": "Kornia",
    "torchvision": "torchvision",
}


def check_item(name: str, item: Any) -> None:
    """Raise TypeError for an item of `augment=` that can't be called with batches.

    `name` is the argument that has the item. The message starts with it.
    """
    while isinstance(item, functools.partial):
        item = item.func
    kind = item if isinstance(item, type) else type(item)
    owner = item if inspect.isroutine(item) else kind
    for place in (owner.__module__, *(base.__module__ for base in kind.__mro__)):
        library = _LIBRARIES.get(str(place).partition(".")[0])
        if library:
            word = owner.__name__
            raise TypeError(
                f"{name}: got {library}'s {word}"
                f"{hint_for(word, item) or hint_for('transforms')}"
            )
    if isinstance(item, type):
        raise TypeError(
            f"{name} must contain only transforms, got the class {item.__name__}.\n"
            f"Call it: {item.__name__}(...)"
        )
    if not callable(item):
        hint = hint_for(item) if isinstance(item, str) else ""
        if item is None:
            hint = ".\nLeave it out."
        elif isinstance(item, (list, tuple)):
            hint = ".\nPass ff.Compose([...]) in place of this list."
        raise TypeError(f"{name} must contain only transforms, got {item!r}{hint}")


def check_function(name: str, function: Any) -> None:
    """Raise TypeError for a Python function that can't be called with a batch.

    Functions without a signature pass. Some functions in C have none.
    """
    bound, named = (), {}
    if isinstance(function, functools.partial):
        function, bound, named = function.func, function.args, function.keywords
    modules = (base.__module__ for base in type(function).__mro__)
    is_module = any(module.startswith("torch.nn") for module in modules)
    try:  # the call of a torch module takes all arguments, and hands them to `forward`
        signature = inspect.signature(function.forward if is_module else function)
    except (TypeError, ValueError):
        return
    try:
        if isinstance(function, np.ufunc):  # it takes and returns arrays of one shape
            raise TypeError
        signature.bind(*bound, "images", "labels", "rng", **named)
    except TypeError:
        word = getattr(function, "__name__", type(function).__name__)
        raise TypeError(
            f"{name}: functions must be callable as function(images, labels, rng), got "
            f"{word}{signature}.\n"
            "They get each finished batch, and must return (images, labels)."
        ) from None


def hint_for(word: str, item: Any = None) -> str:
    """Return what to pass in place of a transform or a function of another library.

    `word` is its name, and `item` the object, if there is one.
    """
    parts = getattr(item, "transforms", None)
    if item is None:  # a text
        folded = {name.casefold(): name for name in MODULES}
        word = folded.get(word.casefold().replace("_", ""), word)
    if word == "Compose":
        text = ".\nPass the list of its transforms, written with those of fmnist_fast."
    elif word in ("FiveCrop", "TenCrop"):
        text = f".\nPass views=ff.{word}(size) to Loader."
    elif word in MODULES:
        arguments = "(...)" if item is None else " with the same arguments"
        text = f".\nPass ff.{word}{arguments}."
    elif word == "Normalize" and np.size(getattr(item, "mean", ())) in (1, 3):
        lists = [[f"{x:.6g}" for x in np.ravel(n)] for n in (item.mean, item.std)]
        texts = [f"({', '.join(x)})" if len(x) > 1 else x[0] for x in lists]
        channels = ", channels=3" * (len(lists[0]) == 3)
        return f".\nPass normalize=({', '.join(texts)}){channels} to Loader."
    else:
        known = [*MODULES] if item is None else []
        text = in_place_of("fmnist_fast", word, known)
    for part in parts if isinstance(parts, (list, tuple)) else ():
        name = getattr(part, "__name__", type(part).__name__)
        text += f"\nIts {name}: {hint_for(name, part)[2:] or 'It is not known here.'}"
    return text
