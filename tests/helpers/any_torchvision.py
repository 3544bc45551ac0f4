"""Import torchvision, if it is installed, even if it was built for another torch.

The compiled part of such a torchvision can't be loaded. Its Python part then lacks only
the operators that are defined below.
"""

import importlib.util

import torch

if importlib.util.find_spec("torchvision") is not None:
    try:
        import torchvision
    except RuntimeError:  # "operator torchvision::nms does not exist"
        for name in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{name}",
                "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
            )
        import torchvision  # noqa: F401
