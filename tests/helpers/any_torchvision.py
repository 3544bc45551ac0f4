"""Imports torchvision where it is installed, also one that was built for another torch:
its compiled part can't be loaded then, and the names below are all that it misses."""

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
