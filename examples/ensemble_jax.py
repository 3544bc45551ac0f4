"""Train 64 small networks on Fashion-MNIST at once, and draw their accuracies.

    python examples/ensemble_jax.py

The functions below are for one network, and jax.vmap runs them for 64 seeds. A seed
chooses the initial weights, the order of the samples and their flips. Images are
reduced to 14x14 pixels, so that 64 networks take little time. The program
prints the mean accuracy on the test images, and how far the seeds lie apart. It writes
a picture to ensemble.png, for which it requires matplotlib.
"""

import argparse
import time
from pathlib import Path

import numpy as np

try:
    from matplotlib.figure import Figure
except ImportError:
    raise SystemExit(
        "ensemble_jax.py requires matplotlib.\nRun: pip install matplotlib"
    ) from None

import jax
import jax.numpy as jnp

import fmnist_fast as ff
from fmnist_fast.frameworks.jax import JaxBatches

N_PIXELS, N_HIDDEN, N_CLASSES = 14 * 14, 32, 10
MOMENTUM = 0.9
RATE = 0.1  # learning rate of the first step; it falls to 0

# ---- one network --------------------------------------------------------------------


def new_weights(seed):
    """Return the random weights of a network with one hidden layer."""
    keys = jax.random.split(jax.random.key(seed))
    return {
        "hidden": jax.random.normal(keys[0], (N_PIXELS, N_HIDDEN)) / N_PIXELS**0.5,
        "bias": jnp.zeros(N_HIDDEN),
        "output": jax.random.normal(keys[1], (N_HIDDEN, N_CLASSES)) / N_HIDDEN**0.5,
    }


def logits_of(weights, images):
    """Return the network's output, float32 (n, 10), for images (n, 196)."""
    hidden = jax.nn.relu(images @ weights["hidden"] + weights["bias"])
    return hidden @ weights["output"]


def loss_of(weights, images, labels):
    """Return the mean cross-entropy of a batch."""
    log_probabilities = jax.nn.log_softmax(logits_of(weights, images))
    return -jnp.take_along_axis(log_probabilities, labels[:, None], axis=1).mean()


def train_steps(weights, velocities, seed, batches, steps, n_steps):
    """Return weights and velocities after steps with the batches of a seed.

    steps: the numbers of the steps, of `n_steps` in all.
    """

    def train_step(state, step):
        weights, velocities = state
        gradients = jax.grad(loss_of)(weights, *batches.at(seed, step))
        rate = RATE * (1 - step / n_steps)
        velocities = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocities, gradients)
        weights = jax.tree.map(lambda w, v: w - rate * v, weights, velocities)
        return (weights, velocities), None

    state, _ = jax.lax.scan(train_step, (weights, velocities), steps)
    return state


def accuracy_of(weights, batches):
    """Return the share of images that get the correct class, in an epoch of batches."""

    def is_correct(_, step):
        images, labels = batches(step)
        return None, logits_of(weights, images).argmax(axis=1) == labels

    return jax.lax.scan(is_correct, None, jnp.arange(batches.steps_per_epoch))[1].mean()


# ---- all networks -------------------------------------------------------------------


def accuracies_of(train, test, options):
    """Train a network for each seed, and return their accuracies, float32 (n,).

    An epoch of all networks is one call.
    """
    batches = JaxBatches(
        train,
        options.batch_size,
        shuffle=True,
        augment=[ff.RandomHorizontalFlip()],
        layout="flat",
    )
    test_batches = JaxBatches(
        test, 500, drop_last=False, layout="flat", normalize=train
    )
    train_all = jax.jit(
        jax.vmap(train_steps, in_axes=(0, 0, 0, None, None, None)),
        donate_argnums=(0, 1),
    )
    # The networks share the batches of the test images, which are made once.
    test_all = jax.jit(jax.vmap(accuracy_of, in_axes=(0, None)))
    seeds = jnp.arange(options.networks)
    weights = jax.vmap(new_weights)(seeds)
    velocities = jax.tree.map(jnp.zeros_like, weights)
    n_steps = options.epochs * batches.steps_per_epoch
    for epoch in range(options.epochs):
        start = time.perf_counter()
        steps = jnp.arange(batches.steps_per_epoch) + epoch * batches.steps_per_epoch
        weights, velocities = train_all(
            weights, velocities, seeds, batches, steps, n_steps
        )
        jax.block_until_ready(weights)  # JAX computes in the background
        seconds = time.perf_counter() - start
        accuracies = np.asarray(test_all(weights, test_batches))
        print(f"epoch {epoch + 1}: {seconds:.2f} s, {summary(accuracies)}", flush=True)
    return accuracies


def summary(accuracies):
    """Return the mean, the standard deviation and the range of accuracies as text."""
    deviation = accuracies.std(ddof=1) if len(accuracies) > 1 else 0
    return (
        f"accuracy {accuracies.mean():.2%} +- {deviation:.2%}, from "
        f"{accuracies.min():.2%} to {accuracies.max():.2%}"
    )


def halved(dataset):
    """Return a dataset with the means of 2x2 pixels, 14x14 images."""
    blocks = np.asarray(dataset.images).reshape(-1, 14, 2, 14, 2)
    images = blocks.mean(axis=(2, 4)).round().astype(np.uint8)
    return ff.Dataset.from_arrays(images, dataset.labels, classes=dataset.classes)


def draw(accuracies, path):
    """Draw a dot for each network, stacked where accuracies are nearly the same."""
    percents = np.sort(accuracies) * 100
    n_columns = 20
    width = max(np.ptp(percents) / n_columns, 0.01)  # of a column, in percent
    columns = np.floor(percents / width).astype(int)
    heights = [int((columns[:i] == column).sum()) for i, column in enumerate(columns)]
    figure = Figure(figsize=(6, 2.4), layout="constrained")
    axes = figure.add_subplot()
    axes.scatter((columns + 0.5) * width, heights, s=60)
    axes.axvline(percents.mean(), color="black", linewidth=1)
    axes.set_ylim(-0.8, max(*heights, 5) + 0.8)
    axes.set_yticks([])
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.set_xlabel("accuracy on the test images, %")
    axes.set_title(f"{len(percents)} networks: {summary(accuracies)}", fontsize=9)
    figure.savefig(path, dpi=120)


def main():
    """Train the networks that the command line asks for, and draw their accuracies."""
    options = parsed_options()
    if options.synthetic:
        train, test = ff.synthetic(2000, 500) if options.quick else ff.synthetic()
    else:
        train, test = ff.load("train"), ff.load("test")
    if options.quick:
        train, test = train.select(range(2000)), test.select(range(500))
    accuracies = accuracies_of(halved(train), halved(test), options)
    draw(accuracies, options.output)
    print(f"Picture: {options.output.resolve()}")


def parsed_options():
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description="Train many networks at once in JAX.")
    parser.add_argument("--networks", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--output", type=Path, default=Path("ensemble.png"))
    parser.add_argument("--synthetic", action="store_true", help="use drawn images")
    parser.add_argument("--quick", action="store_true", help="2000 images, 3 epochs")
    options = parser.parse_args()
    if not options.output.parent.is_dir():
        parser.error(f"--output: there is no folder {options.output.parent}")
    if min(options.networks, options.epochs, options.batch_size) < 1:
        parser.error("--networks, --epochs and --batch-size must be at least 1")
    if options.quick:
        options.epochs, options.batch_size = 3, 50
    return options


if __name__ == "__main__":
    main()
