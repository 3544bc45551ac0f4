"""The block of a page on batches in JAX, from the figures of bench_jax.py."""

from __future__ import annotations

from .comparison import tables
from .markdown import machines, wrapped

_NORMALIZE = {"cast": "`None`", "unit": '`"unit"`', "default": "the default"}
_LOADER = "`JaxLoader`, with a compiled sum of each batch"
_CHANGED = {
    "JaxLoader": _LOADER,
    "given order": "a bare gather, whose order is given",
    "own order": "a bare gather, whose order comes from `jax.random.permutation`",
}
_AUGMENTED = {
    "JaxLoader": _LOADER,
    "tf.data": "`tf.image` mapped in a `tf.data.Dataset`",
    "torchvision": "torchvision's transforms in a `DataLoader`",
}


def block(figures: dict) -> str:
    """Return the text of the block, from all figures."""
    part = figures["parts"]["bench_jax"]
    values = part["figures"]
    lines = [
        f"| `normalize` | {' | '.join(_NORMALIZE.values())} |",
        "|---" * 4 + "|",
    ]
    ms = (f"{values[f'{name}, JaxBatches_ms']:.3g} ms" for name in _NORMALIZE)
    lines.append(f"| `JaxBatches`, in one scan | {' | '.join(ms)} |")
    for kind, title in _CHANGED.items():
        times = (
            tables.times(1 / values[f"{name}, over {kind}"]) for name in _NORMALIZE
        )
        lines.append(f"| {title} | {' | '.join(times)} |")
    crops = ["| loader | time of an epoch with crops and flips |", "|---|---|"]
    whole = values["crop + flip, JaxBatches_ms"]
    crops.append(f"| `JaxBatches`, in one scan | {whole:.3g} ms |")
    for kind, title in _AUGMENTED.items():
        ratio = tables.times(values[f"crop + flip, {kind} over JaxBatches"])
        crops.append(f"| {title} | {ratio} |")
    plain, augmented = (
        tables.times(values[f"seeds, {name}, scans over map"])
        for name in ("plain", "standard")
    )
    into = {
        name: tables.times(values[f"jax_over_{name}"])
        for name in ("array", "numpy_copy")
    }
    return "\n\n".join(
        [
            wrapped(
                "The time of an epoch on a CPU, and that of other ways relative to it. "
                "The 60,000 images come in shuffled batches of 512, and their pixels "
                "are summed:"
            ),
            "\n".join(lines),
            wrapped(
                "The bare gathers are a scan that gathers, casts and normalizes, "
                "without anything else. The same epoch with crops and flips:"
            ),
            "\n".join(crops),
            wrapped(
                "The DataLoader runs with 0 or 2 workers, whichever is faster. It and "
                "tf.data load 2,000 images, and their time is scaled to 60,000. 64 "
                f"scans, one for each seed, take {plain} as long as one scan with "
                f"`jax.vmap` over the seeds, and {augmented} with crops and flips. "
                "This has not been run on a GPU yet."
            ),
            wrapped(
                f"A `JaxLoader` with batches of 128 takes {into['array']} as long as "
                f"`jnp.array` of batches that are ready, and {into['numpy_copy']} as "
                "long as numpy's copies of them."
            ),
            wrapped(
                "Measured by `pytest benchmarks/micro/bench_jax.py`. "
                f"{machines([part])}"
            ),
        ]
    )
