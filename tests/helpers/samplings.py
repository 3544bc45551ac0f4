"""Options of a Loader that say which samples come, by a name for each case."""

import numpy as np

from helpers.loader_cases import Turning


def samplings(n):
    """Return the cases for `n` images."""
    rng = np.random.default_rng(n)
    weights = np.where(rng.random(n) < 0.5, 0, rng.random(n) ** 9)
    rows = rng.integers(-n, n, n // 2)
    return {
        "weights": {"weights": weights},
        "weights repeated": {"weights": weights.tolist(), "repeats": 3},
        "balanced": {"weights": "balanced"},
        "rows": {"order": rows},
        "rows repeated": {"order": rows.tolist(), "repeats": 2},
        "mask": {"order": rng.random(n) < 0.7},
        "function": {"order": Turning(tuple(rows.tolist()))},
        "function repeated": {"order": Turning((*range(n),)), "repeats": 2},
        "in order": {},
        "repeated": {"repeats": 2},
        "shuffled": {"shuffle": True},
        "shuffled repeated": {"shuffle": True, "repeats": 3},
        "blocks": {"shuffle": True, "shuffle_block": 5},
        "blocks repeated": {"shuffle": True, "shuffle_block": 5, "repeats": 4},
    }


NAMES = tuple(samplings(10))
