"""The lines that benchmarks/gpu_feed.py prints: the machine, results and goals."""

import platform

import torch

import fmnist_fast as ff

from .usage import usable_cores

MOST_WAIT = 0.01  # cnn and resnet18, in batches of at least 256
MOST_OVER_RESIDENT = 1.1  # resnet18, without augmentation
LEAST_IMAGES_A_SECOND = 20e6  # checksum of uint8 images, in batches of 4096


def machine(device):
    """Return the device, the processors and the versions as one line."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return (
        f"{name}, {platform.platform()}, {usable_cores()} usable cores, "
        f"python {platform.python_version()}, torch {torch.__version__}, "
        f"fmnist_fast {ff.__version__}"
    )


def goals_of(rows):
    """Return all goals, each with its worst result.

    The result is None if one of its rows is invalid or missing.
    """

    def plain(work, source, least=0):
        return [
            row
            for row in rows
            if row["work"] == work
            and row["source"] == source
            and not row["augment"]
            and row["batch_size"] >= least
        ]

    goals = []
    for work in ("cnn", "resnet18"):
        waits = [row["wait"] for row in plain(work, "fmnist_fast", 256)]
        what = f"share of a {work} epoch spent waiting, in batches of at least 256"
        goals.append(goal(what, MOST_WAIT, waits, max))
    fast_rows = plain("resnet18", "fmnist_fast", 256)
    resident_rows = plain("resnet18", "resident", 256)
    ratios = [
        None
        if fast["void"] or resident["void"]
        else fast["seconds"] / resident["seconds"]
        for fast, resident in zip(fast_rows, resident_rows)
    ]
    what = "time of a resnet18 epoch, relative to the dataset on the device"
    goals.append(goal(what, MOST_OVER_RESIDENT, ratios, max))
    checksums = plain("checksum", "fmnist_fast", 4096)
    rates = [row["images_a_second"] for row in checksums if row["batch_size"] == 4096]
    what = "uint8 images per second in the checksum, in batches of 4096"
    goals.append(goal(what, LEAST_IMAGES_A_SECOND, rates, min))
    return goals


def goal(what, asked, values, worst):
    """Return a goal and whether the worst value meets it.

    `worst` is max if values must be at most `asked`, and min if at least.
    """
    measured = None if not values or None in values else worst(values)
    is_met = measured is not None and worst(measured, asked) == asked
    return {"what": what, "asked": asked, "measured": measured, "met": is_met}


def goal_line(goal):
    """Return the line of a goal."""
    asked = f"goal, {goal['what']}: {goal['asked']:.4g}, "
    if goal["measured"] is None:
        return asked + "not measured"
    verdict = "met" if goal["met"] else "missed"
    return asked + f"measured {goal['measured']:.4g}: {verdict}"


def stress_line(stressed):
    """Return the line of the stress test."""
    intact = "intact" if stressed["intact"] else "DAMAGED"
    control = "detected" if stressed["control_detected"] else "NOT DETECTED"
    return f"stress test: batches {intact}; faulty control {control}"


def row_line(row):
    """Return the line of a result."""
    case = f"{row['work']:8} {row['batch_size']:5} {row['source']:11} "
    case += "crop+flip" if row["augment"] else "plain    "
    if row["void"]:
        return f"{case} invalid: {row['void']}"
    return (
        f"{case} {row['seconds'] * 1e3:9.1f} ms (cached "
        f"{row['cached_seconds'] * 1e3:9.1f}), waits {row['wait']:6.1%}, host CPU "
        f"{row['host_seconds']:6.2f} s, {row['images_a_second'] / 1e6:7.3f} million "
        "images/s"
    )
