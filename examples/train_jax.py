"""Train a small network on Fashion-MNIST with plain JAX.

    python examples/train_jax.py

For each epoch the program prints the seconds, the share of this time that is spent in
next(loader), and the accuracy on the test images. docs/training.md has the results.
"""

import argparse
import itertools
import time

import jax
import jax.numpy as jnp

import fmnist_fast as ff
from fmnist_fast.frameworks.jax import JaxLoader

LAYER_SIZES = (784, 256, 128, 10)  # pixels, two hidden layers, classes
MOMENTUM = 0.9


def new_weights(key):
    """Return a random matrix and a zero bias for each layer."""
    weights = []
    for n_in, n_out in itertools.pairwise(LAYER_SIZES):
        key, layer_key = jax.random.split(key)
        # He initialization keeps the variance of the activations in layers with ReLU.
        matrix = jax.random.normal(layer_key, (n_in, n_out)) * (2 / n_in) ** 0.5
        weights.append((matrix, jnp.zeros(n_out)))
    return weights


def logits_of(weights, images):
    """Return the network's output, float32 (n, 10), for images (n, 784)."""
    *hidden, (matrix, bias) = weights
    values = images
    for hidden_matrix, hidden_bias in hidden:
        values = jax.nn.relu(values @ hidden_matrix + hidden_bias)
    return values @ matrix + bias


def loss_of(weights, images, labels):
    """Return the mean cross-entropy of a batch."""
    log_probabilities = jax.nn.log_softmax(logits_of(weights, images))
    return -jnp.take_along_axis(log_probabilities, labels[:, None], axis=1).mean()


@jax.jit
def step(weights, velocities, images, labels, rate):
    """Return weights and velocities after one step of gradient descent."""
    gradients = jax.grad(loss_of)(weights, images, labels)
    velocities = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocities, gradients)
    return jax.tree.map(lambda w, v: w - rate * v, weights, velocities), velocities


@jax.jit
def n_correct_of(weights, images, labels):
    """Return how many images of a batch get the correct class."""
    return (logits_of(weights, images).argmax(axis=1) == labels).sum()


def train_epoch(weights, velocities, loader, rate):
    """Train for an epoch; return weights, velocities, and seconds in all and waiting.

    Waiting is the time in next(loader). JAX computes steps in the background, so the
    time of an epoch ends when the last weights are ready.
    """
    start, waiting = time.perf_counter(), 0.0
    batches = iter(loader)
    while True:
        begin = time.perf_counter()
        batch = next(batches, None)
        waiting += time.perf_counter() - begin
        if batch is None:
            break
        weights, velocities = step(weights, velocities, *batch, rate)
    jax.block_until_ready(weights)
    return weights, velocities, time.perf_counter() - start, waiting


def main():
    """Train and test for the number of epochs that the command line says."""
    options = parsed_options()
    if options.synthetic:
        train, test = ff.synthetic(2000, 500) if options.quick else ff.synthetic()
    else:
        train, test = ff.load("train"), ff.load("test")
    if options.quick:
        train, test = train.select(range(2000)), test.select(range(500))
    train_loader = JaxLoader(
        train,
        options.batch_size,
        shuffle=True,
        augment=[ff.RandomHorizontalFlip()],
        drop_last=True,
        layout="flat",
    )
    test_loader = JaxLoader(test, 500, layout="flat")
    weights = new_weights(jax.random.key(0))
    velocities = jax.tree.map(jnp.zeros_like, weights)
    for epoch in range(options.epochs):
        rate = 0.05 * (1 - epoch / options.epochs)
        weights, velocities, seconds, waiting = train_epoch(
            weights, velocities, train_loader, rate
        )
        n_correct = sum(int(n_correct_of(weights, *batch)) for batch in test_loader)
        print(
            f"epoch {epoch + 1}: {seconds:.2f} s, {waiting / seconds:.1%} of it in "
            f"next(loader), accuracy {n_correct / len(test):.2%}",
            flush=True,
        )
    print(f"In the last epoch: {train_loader.stats().summary()}")


def parsed_options():
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description="Train on Fashion-MNIST with JAX.")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--synthetic", action="store_true", help="use drawn images")
    parser.add_argument("--quick", action="store_true", help="2000 images, 2 epochs")
    options = parser.parse_args()
    if options.quick:
        options.epochs, options.batch_size = 2, 50
    return options


if __name__ == "__main__":
    main()
