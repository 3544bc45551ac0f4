"""The blocks of pages on the kernels of devices, and on what they do on a device."""

from __future__ import annotations

from .markdown import machines, wrapped


def kernels(figures: dict) -> str:
    result = figures["device_kernels"]
    made = result["architectures"]
    seconds = [about["seconds"] for about in made.values()]
    sizes = [about["cubin bytes"] / 1000 for about in made.values()]
    text = (
        f"The joined source has {result['source bytes'] / 1000:.0f} KB. NVRTC "
        f"{result['nvrtc']} makes {min(sizes):.0f} to {max(sizes):.0f} KB of it for an "
        f"architecture, in {min(seconds):.1f} to {max(seconds):.1f} s."
    )
    rows = [f"{n / 1000:.1f} KB for {name}" for name, n in result["row bytes"].items()]
    text += (
        " A thread block of `fm_kernels_fill` gets shared memory at its launch. For "
        f"28x28 pixels, these are {', '.join(rows)}."
    )
    names = ("registers", "stack", "spill stores", "spill loads", "shared")
    lines = [f"| architecture | kernel | {' | '.join(names)} |", "|---" * 7 + "|"]
    for name, about in made.items():
        for kernel, values in about["kernels"].items():
            numbers = " | ".join(str(values[column]) for column in names)
            lines.append(f"| {name} | `{kernel}` | {numbers} |")
    measured = (
        f"Measured by `python tests/helpers/device_kernels.py`. {machines([result])}"
    )
    return "\n".join([wrapped(text), "", *lines, "", wrapped(measured)])


def gpu(figures: dict) -> str:
    lines = [line for line in figures.get("gpu", ()) if line["device"] != "dry run"]
    if not lines:
        return "**The benchmark has not been run on a CUDA device yet.**"
    results = {
        (line["section"], line["name"]): line
        for line in lines
        if all(line.get(key) == lines[-1].get(key) for key in ("device", "code"))
    }
    rows: dict[str, dict[str, str]] = {}
    for (section, name), line in results.items():
        if section == "beside" and "ms" in line:
            contender, _, augment = name.rpartition(" ")
            rows.setdefault(contender, {})[augment] = f"{line['ms']:.3g}"
    lines = ["| way | ms of an epoch, plain | with crops and flips |", "|---|---|---|"]
    for name, ms in rows.items():
        lines.append(f"| {name} | {ms.get('plain', '')} | {ms.get('crop_flip', '')} |")
    lines += ["", "| goal | asked | measured |", "|---|---|---|"]
    for goal in results.get(("summary", "summary"), {}).get("goals", ()):
        value = goal["measured"]
        measured = "not measured" if value is None else f"{value:.3g}"
        lines.append(f"| {goal['goal']} | {goal['asked']} | {measured} |")
    about = results["machine", "machine"]
    device = f"{about['device']}, CUDA {about['driver']}, PyTorch {about['torch']}"
    measured = f"Measured by `python -m benchmarks.gpu`. Device: {device}. "
    return "\n".join([*lines, "", wrapped(measured + machines([{"machine": about}]))])
