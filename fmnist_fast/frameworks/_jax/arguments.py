"""Steps and seeds as 32-bit words, concrete or traced by JAX."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..._checks import checked_integer, checked_seed
from .words import pair, word


def step_word(step: Any, last: int) -> Any:
    """Return a checked step as uint32. The value of a traced step is not checked."""
    if isinstance(step, jax.core.Tracer):
        return _traced("step", step)
    step = checked_integer("step", _number("step", step), 0)
    if step > last:
        must = f"step must be at most {last}, "
        if last < 2**32 - 1:
            raise ValueError(f"{must}the end of the last epoch, got {step}")
        raise ValueError(
            f"{must}got {step}.\nFor later epochs, make batches with begin_epoch."
        )
    return word(step)


def seed_words(seed: Any) -> Any:
    """Return the two words of a seed, uint32 (2,)."""
    if _is_key(seed):
        raise TypeError(
            "seed must be an integer or two uint32 words, got a key of jax.random.\n"
            "Pass jax.random.key_data(key)."
        )
    dtype = getattr(seed, "dtype", None)
    if dtype == np.uint32 and seed.shape == (2,):
        return seed
    if isinstance(seed, jax.core.Tracer):
        low = _traced("seed", seed)
        return jnp.stack([low, low ^ low])
    return np.array(pair(checked_seed(_number("seed", seed))), np.uint32)


def _traced(name: str, value: Any) -> Any:
    """Return a traced integer as uint32."""
    _check_axes(name, value)
    if not jnp.issubdtype(value.dtype, jnp.integer):
        raise TypeError(f"{name} must be an integer, got {value.dtype}")
    return value.astype(jnp.uint32)


def _number(name: str, value: Any) -> Any:
    """Return an array without axes as a number of Python, and others as they are."""
    if not hasattr(value, "item"):
        return value
    if _is_key(value):
        raise TypeError(f"{name} must be an integer, got a key of jax.random")
    _check_axes(name, value)
    return value.item()


def _is_key(value: Any) -> bool:
    dtype = getattr(value, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)


def _check_axes(name: str, value: Any) -> None:
    if value.shape:
        is_step = name == "step"
        kind = "one integer" if is_step else "one integer or two uint32 words"
        function = "batches" if is_step else "batches.at"
        raise TypeError(
            f"{name} must be {kind}, got {value.dtype} of shape {value.shape}.\nFor "
            f"several, call jax.vmap({function})."
        )
