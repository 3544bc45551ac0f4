"""Run the table of a page for moving in: `python moving_in.py PAGE`.

The right column runs in order, in one namespace, after the page's Python block. The
left column runs beside it in another namespace, after the code of `THEIRS`. If both
cells of a row have expressions, or assign to several names, the values are compared.
"""

import ast
import re
import sys
from pathlib import Path

import numpy as np

TOLERANCE = 5e-7  # of a pixel, whose rounding differs: see the pages
MOVED = {"from-torchvision": "moved_torch.py", "from-keras": "moved_keras.py"}
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
THEIRS = {
    "from-torchvision": "import helpers.any_torchvision\n"
    "import torch\n"
    "from torch.utils.data import *\n"
    "from torchdata.stateful_dataloader import StatefulDataLoader\n"
    "from torchvision.datasets import FashionMNIST\n"
    "from torchvision.transforms import InterpolationMode, v2\n"
    "from torchvision.transforms import Compose, Normalize, PILToTensor, ToTensor\n"
    "images, device = torch.zeros(64, 1, 28, 28), 'cpu'",
    "from-tf-data": "import fmnist_fast as ff\n"
    "import tensorflow as tf\n"
    "train = ff.load('train', 'data')\n"
    "x, y = train.images[..., None], train.labels.astype('int64')",
    "from-keras": "import keras\nimport numpy as np\nfrom keras import layers",
    "from-huggingface": "import datasets, PIL.ImageOps, torch\n"
    "import fmnist_fast as ff\n"
    "load_dataset = lambda name, split: ff.load(split, 'data').to_huggingface()",
    "from-ffcv": None,  # which is not installed
}


def main(page):
    """Run the cells of a page, and exit with all rows that fail and their errors."""
    faults = []
    text = Path(page).read_text(encoding="utf-8")
    ours, theirs = {}, {}
    for block in BLOCK.findall(text):
        exec(block, ours)
    prelude = THEIRS[Path(page).stem]
    if prelude is not None:
        exec(prelude, theirs)
        theirs |= {name: ours[name] for name in ("model", "root") if name in ours}
    for left, right in rows(text):
        try:
            wanted = [] if prelude is None else values(left, theirs)
            check_row(wanted, values(right, ours, must_act=True), "".join(right))
        except Exception as error:  # any row may raise anything
            row = " ".join([*left, "|", *right])
            faults.append(f"{row}\n    {type(error).__name__}: {str(error)[:300]}")
    sys.exit("\n".join(faults) or 0)


def rows(text):
    """Return the code of the left and of the right cell of each row of the table."""
    cells = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    found = [[SPAN.findall(cell) for cell in row] for row in cells[1:]]
    for row, line in zip(found, cells[1:]):
        if len(row) != 2 or not row[1]:
            raise RuntimeError(f"a row must have code in its right cell, got {line}")
    return found


def values(spans, names, must_act=False):
    """Run the code of a cell; return the values of expressions and unpacked names."""
    found = []
    for span in spans:
        tree = ast.parse(span)
        acts = (ast.Call, ast.Subscript, ast.Attribute)
        if must_act and not any(isinstance(node, acts) for node in ast.walk(tree)):
            raise RuntimeError(f"code must do something, got {span}")
        if isinstance(last := tree.body[-1], ast.Expr):
            found.append(eval(span, names))
            continue
        exec(span, names)
        targets = getattr(last.targets[0], "elts", ())
        if targets and all(isinstance(each, ast.Name) for each in targets):
            found.append(tuple(names[each.id] for each in targets))
    return [value for value in found if value is not None]


def check_row(theirs, ours, code):
    """Compare the values of two cells."""
    is_drawn = any(word in code for word in ("shuffle", "augment", "shard"))
    if theirs and ours:
        assert len(theirs) == len(ours), f"{len(theirs)} and {len(ours)} values"
        for left, right in zip(theirs, ours):
            compare(left, right, is_drawn)


def compare(left, right, is_drawn=False):
    """Check that two values mean the same; batches may have other rows if drawn."""
    right_batches = batches(right)
    if right_batches is not None:
        left_batches = batches(left)
        assert len(left_batches) == len(right_batches)
        for one, other in zip(left_batches, right_batches):
            for a, b in zip(one, other, strict=True):
                assert (a.dtype, a.shape) == (b.dtype, b.shape), (a.dtype, a.shape, b)
                if not is_drawn:
                    np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE)
    elif type(right).__name__ == "Dataset":
        assert length(left) == len(right), (length(left), len(right))
    elif type(right).__module__.startswith("fmnist_fast.augment"):
        assert type(left).__name__ == type(right).__name__
    elif isinstance(right, tuple):
        for a, b in zip(left, right, strict=True):
            compare(a, b)
    elif isinstance(right, (int, float, np.ndarray)):
        left = np.asarray(left)
        assert left.shape == np.shape(right), (left.shape, np.shape(right))
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=TOLERANCE)
    else:
        assert left == right


def batches(value):
    """Return the batches of a loader as numpy arrays, or None if it is no loader."""
    name = type(value).__name__
    if name == "KerasLoader":
        found = (value[i] for i in range(len(value)))
    elif name.endswith(("Loader", "Dataset")) and hasattr(value, "__iter__"):
        found = iter(value)
    else:
        return None
    if name == "Dataset":
        return None
    pairs = (batch.values() if isinstance(batch, dict) else batch for batch in found)
    return [tuple(np.asarray(part) for part in pair) for pair in pairs]


def length(dataset):
    """Return the number of samples, also of a dataset that does not know it."""
    try:
        return len(dataset)
    except TypeError:
        return sum(1 for _ in dataset)


if __name__ == "__main__":
    main(sys.argv[1])
