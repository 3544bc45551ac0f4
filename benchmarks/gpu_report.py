"""What benchmarks/gpu_feed.py prints: the machine, its rows, and the goals."""

import platform

import torch

import fmnist_fast as ff

from .usage import usable_cores

MOST_WAIT = 0.01  # for cnn and resnet18, batches of 256 and more
MOST_OVER_RESIDENT = 1.1  # a plain epoch of resnet18
LEAST_IMAGES_A_SECOND = 20e6  # uint8, into the checksum, batches of 4096


def machine(device):
    """The device, the processors and the versions, as one line."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return (
        f"{name}, {platform.platform()}, {usable_cores()} usable cores, "
        f"python {platform.python_version()}, torch {torch.__version__}, "
        f"fmnist_fast {ff.__version__}"
    )


def goals_of(rows):
    """What was asked, and the worst that was measured; None where a row is void or
    missing."""

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
        found = [row["wait"] for row in plain(work, "fmnist_fast", 256)]
        what = f"share of an epoch of {work} that waits, batches of 256 and more"
        goals.append(goal(what, MOST_WAIT, found, max))
    pairs = zip(
        plain("resnet18", "fmnist_fast", 256), plain("resnet18", "resident", 256)
    )
    found = [
        None if ours["void"] or theirs["void"] else ours["seconds"] / theirs["seconds"]
        for ours, theirs in pairs
    ]
    what = "an epoch of resnet18 over that with the dataset on the device"
    goals.append(goal(what, MOST_OVER_RESIDENT, found, max))
    rates = plain("checksum", "fmnist_fast", 4096)
    found = [row["images_a_second"] for row in rates if row["batch_size"] == 4096]
    what = "uint8 images a second into the checksum, batches of 4096"
    goals.append(goal(what, LEAST_IMAGES_A_SECOND, found, min))
    return goals


def goal(what, asked, found, worst):
    """`worst` is max where at most `asked` is good, min where at least."""
    measured = None if not found or None in found else worst(found)
    is_met = measured is not None and worst(measured, asked) == asked
    return {"what": what, "asked": asked, "measured": measured, "met": is_met}


def goal_line(goal):
    asked = f"goal, {goal['what']}: {goal['asked']:.4g}, "
    if goal["measured"] is None:
        return asked + "not measured"
    verdict = "met" if goal["met"] else "missed"
    return asked + f"measured {goal['measured']:.4g}: {verdict}"


def stress_line(found):
    intact = "intact" if found["intact"] else "SPOILED"
    control = "found out" if found["control_found_out"] else "NOT FOUND OUT"
    return f"stress: batches {intact}; control without events {control}"


def row_line(row):
    case = f"{row['work']:8} {row['batch_size']:5} {row['source']:11} "
    case += "crop+flip" if row["augment"] else "plain    "
    if row["void"]:
        return f"{case} void: {row['void']}"
    return (
        f"{case} {row['seconds'] * 1e3:9.1f} ms (cached "
        f"{row['cached_seconds'] * 1e3:9.1f}), waits {row['wait']:6.1%}, host CPU "
        f"{row['host_seconds']:6.2f} s, {row['images_a_second'] / 1e6:7.3f} M images/s"
    )
