"""Train a small network on Fashion-MNIST with plain JAX.

    python examples/train_jax.py

Prints for each epoch its seconds, the share of them spent in next(loader), and the
accuracy on the test images. What it gave is in docs/training.md.
"""

import argparse
import itertools
import time

import jax
import jax.numpy as jnp

import fmnist_fast as ff
from fmnist_fast.frameworks.jax import JaxLoader

SIDES = (784, 256, 128, 10)  # of the layers
MOMENTUM = 0.9


def new_weights(key):
    """A matrix and a bias for each layer."""
    weights = []
    for n_in, n_out in itertools.pairwise(SIDES):
        key, drawn = jax.random.split(key)
        matrix = jax.random.normal(drawn, (n_in, n_out)) * (2 / n_in) ** 0.5
        weights.append((matrix, jnp.zeros(n_out)))
    return weights


def logits_of(weights, images):
    *hidden, (matrix, bias) = weights
    for hidden_matrix, hidden_bias in hidden:
        images = jax.nn.relu(images @ hidden_matrix + hidden_bias)
    return images @ matrix + bias


def loss_of(weights, images, labels):
    chosen = jax.nn.log_softmax(logits_of(weights, images))
    return -jnp.take_along_axis(chosen, labels[:, None], axis=1).mean()


@jax.jit
def step(weights, speeds, images, labels, rate):
    """One step of gradient descent with momentum."""
    slopes = jax.grad(loss_of)(weights, images, labels)
    speeds = jax.tree.map(lambda v, g: MOMENTUM * v + g, speeds, slopes)
    return jax.tree.map(lambda w, v: w - rate * v, weights, speeds), speeds


@jax.jit
def n_right_of(weights, images, labels):
    return (logits_of(weights, images).argmax(axis=1) == labels).sum()


def train_epoch(weights, speeds, loader, rate):
    """One epoch; returns weights, speeds, its seconds, and those of next(loader)."""
    start, waited = time.perf_counter(), 0.0
    batches = iter(loader)
    while True:
        asked = time.perf_counter()
        batch = next(batches, None)
        waited += time.perf_counter() - asked
        if batch is None:
            break
        weights, speeds = step(weights, speeds, *batch, rate)
    jax.block_until_ready(weights)
    return weights, speeds, time.perf_counter() - start, waited


def main():
    options = parsed_options()
    if options.synthetic:
        train, test = ff.synthetic(2000, 500) if options.quick else ff.synthetic()
    else:
        train, test = ff.load("train"), ff.load("test")
    if options.quick:
        train, test = train.select(range(2000)), test.select(range(500))
    common = {"layout": "flat", "normalize": (train.mean, train.std)}
    train_loader = JaxLoader(
        train,
        options.batch_size,
        shuffle=True,
        augment=[ff.RandomHorizontalFlip()],
        drop_last=True,
        **common,
    )
    test_loader = JaxLoader(test, 500, **common)
    weights = new_weights(jax.random.key(0))
    speeds = jax.tree.map(jnp.zeros_like, weights)
    for epoch in range(options.epochs):
        rate = 0.05 * (1 - epoch / options.epochs)
        weights, speeds, seconds, waited = train_epoch(
            weights, speeds, train_loader, rate
        )
        n_right = sum(int(n_right_of(weights, *batch)) for batch in test_loader)
        print(
            f"epoch {epoch + 1}: {seconds:.2f} s, {waited / seconds:.1%} of them in "
            f"next(loader), accuracy {n_right / len(test):.2%}",
            flush=True,
        )


def parsed_options():
    parser = argparse.ArgumentParser(description="Train on Fashion-MNIST with JAX.")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--synthetic", action="store_true", help="without the files")
    parser.add_argument("--quick", action="store_true", help="2000 images, 2 epochs")
    options = parser.parse_args()
    if options.quick:
        options.epochs, options.batch_size = 2, 50
    return options


if __name__ == "__main__":
    main()
