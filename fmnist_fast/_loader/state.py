"""States of a loader, which are saved and loaded: its place, seeds and order."""

from __future__ import annotations

from typing import Any

from .._checks import checked_integer, checked_seed
from .._core import MAX_EPOCH
from .places import MAX_POSITION, Place

VERSION = 2
_EQUAL = ("samples", "dataset", "shuffle", "shuffle_block", "weights", "repeats")
_NOUNS = {
    "weights": ("weights", "other weights"),
    "order": ("an order", "another order"),
}


def state_at(place: Place, loader: Any) -> dict[str, Any]:
    """Return the state of a Loader at a place."""
    positions, has_steps = loader._positions, loader.steps is not None
    order, weights, text = positions.order, positions.weights, None
    if order is not None:
        epoch, position = loader._epochs.pass_position(place)
        text = order.fingerprint(epoch if position else None)
        if text == "function" and position and epoch == loader._saved_order[0]:
            text = loader._saved_order[1] or text
    return {
        "version": VERSION,
        "epoch": place.epoch,
        "position": place.position,
        "step": place.step if has_steps else None,
        "seed": loader.seed,
        "augment_seed": loader._augment_seed,
        "shuffle": loader.shuffle,
        "shuffle_block": loader.shuffle_block,
        "weights": None if weights is None else weights.fingerprint,
        "order": text,
        "repeats": loader.repeats,
        "samples": len(loader.dataset),
        "dataset": loader._fingerprint,
    }


def checked_state(state: Any, loader: Any) -> tuple[Place, int, int | None]:
    """Check a state for a Loader, and return its place and seeds."""
    if not isinstance(state, dict):
        raise TypeError(f"state must be a dict, got {type(state).__name__}")
    if "version" in state and state["version"] != VERSION:
        raise ValueError(
            f"state['version'] must be {VERSION}, got {state['version']!r}: the state "
            "is of another version of fmnist_fast.\nLoad it with that version, or "
            "start a new run."
        )
    own = state_at(Place(0), loader)
    for name in own:
        if name not in state:
            raise ValueError(f"state must have an entry {name!r}, got {list(state)}")
    for name in _EQUAL:
        if state[name] != own[name]:
            _raise_difference(name, own[name], state[name])
    _check_order(state["order"], own["order"])
    seed, augment_seed = checked_seed(state["seed"], "state['seed']"), None
    if state["augment_seed"] is not None:
        augment_seed = checked_seed(state["augment_seed"], "state['augment_seed']")
    return _checked_place(state, loader), seed, augment_seed


def _checked_place(state: dict[str, Any], loader: Any) -> Place:
    epoch = checked_integer("state['epoch']", state["epoch"], 0, MAX_EPOCH + 1)
    step, has_steps = state["step"], loader.steps is not None
    if (step is not None) != has_steps:
        whose = "a loader with" if step is not None else "a loader without"
        hint = "Pass steps to this loader." if step is not None else "Leave steps out."
        raise ValueError(
            f"state['step'] is {step!r}, which is of {whose} steps, got "
            f"steps={loader.steps!r}.\n{hint}"
        )
    most = MAX_POSITION if has_steps else loader._positions.n  # at an epoch's end
    position = checked_integer("state['position']", state["position"], 0, most)
    if step is not None:
        step = checked_integer("state['step']", step, 0, MAX_POSITION)
    return Place(epoch, position, step or 0)


def _check_order(saved: Any, own: str | None) -> None:
    """Raise ValueError unless the order is that of the state.

    The rows that a function returns are checked when they are needed.
    """
    is_function = str(own).startswith("function")
    if is_function and isinstance(saved, str) and saved.startswith("function"):
        return
    if saved != own:
        _raise_difference("order", own, saved)


def _raise_difference(name: str, own: Any, saved: Any) -> None:
    """Raise ValueError that says what the loader of the state was."""
    hint = ""
    if name in _NOUNS:
        noun, other = _NOUNS[name]
        whose = f"with {noun if own is None else other}"
        advice = f"Pass the {name} of that loader"
        if saved is None:
            whose, advice = f"without {noun}", f"Leave {name} out"
        hint = f": the state is of a loader {whose}.\n{advice}"
    elif name in ("shuffle", "shuffle_block", "repeats"):
        option = f"{name}={saved!r}"
        hint = f": the state is of a loader with {option}.\nPass {option}"
    hint += ", or start a new run." * bool(hint)
    raise ValueError(
        f"state[{name!r}] must be {own!r}, as in this loader, got {saved!r}{hint}"
    )


def check_rows(state_order: str | None, epoch: int, order: Any) -> None:
    """Raise ValueError if an order's rows of an epoch differ from a saved state's."""
    saved = str(state_order)
    if " " in saved and order.fingerprint(epoch) != saved:
        raise ValueError(
            f"order returned other rows for epoch {epoch} than when the state was "
            "saved in the middle of this epoch.\nRestore what the function depends on "
            "before the loop, or begin a new epoch with set_epoch."
        )
