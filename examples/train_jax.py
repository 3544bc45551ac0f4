"""Train a small network on Fashion-MNIST with plain JAX, an epoch in one call.

    python examples/train_jax.py

Batches are a function of the step, so that a scan over the steps of an epoch makes
them inside one compiled program. For each epoch the program prints the seconds and the
accuracy on the test images. docs/training.md has the results.
"""

import argparse
import functools
import itertools
import time

import jax
import jax.numpy as jnp

import fmnist_fast as ff
from fmnist_fast.frameworks.jax import JaxBatches

LAYER_SIZES = (784, 256, 128, 10)  # pixels, two hidden layers, classes
MOMENTUM = 0.9
RATE = 0.05  # learning rate of the first step; it falls to 0


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


# The batches are an argument. Otherwise the images would be a constant of the program.
@functools.partial(jax.jit, donate_argnames=("weights", "velocities"))
def train_steps(weights, velocities, batches, steps, n_steps):
    """Return weights and velocities after steps of gradient descent.

    steps: the numbers of the steps, of `n_steps` in all.
    """

    def train_step(state, step):
        weights, velocities = state
        gradients = jax.grad(loss_of)(weights, *batches(step))
        rate = RATE * (1 - step / n_steps)
        velocities = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocities, gradients)
        weights = jax.tree.map(lambda w, v: w - rate * v, weights, velocities)
        return (weights, velocities), None

    state, _ = jax.lax.scan(train_step, (weights, velocities), steps)
    return state


@jax.jit
def accuracy_of(weights, batches):
    """Return the share of images that get the correct class, in an epoch of batches."""

    def is_correct(_, step):
        images, labels = batches(step)
        return None, logits_of(weights, images).argmax(axis=1) == labels

    return jax.lax.scan(is_correct, None, jnp.arange(batches.steps_per_epoch))[1].mean()


def main():
    """Train and test for the number of epochs that the command line says."""
    options = parsed_options()
    if options.synthetic:
        train, test = ff.synthetic(2000, 500) if options.quick else ff.synthetic()
    else:
        train, test = ff.load("train"), ff.load("test")
    if options.quick:
        train, test = train.select(range(2000)), test.select(range(500))
    flip = ff.RandomHorizontalFlip()
    batches = JaxBatches(
        train, options.batch_size, shuffle=True, augment=[flip], layout="flat"
    )
    test_batches = JaxBatches(
        test, 500, drop_last=False, layout="flat", normalize=train
    )
    weights = new_weights(jax.random.key(0))
    velocities = jax.tree.map(jnp.zeros_like, weights)
    n_steps = options.epochs * batches.steps_per_epoch
    # The number of the step is all the state of the batches. To resume, save it with
    # the weights and velocities, and begin here at the saved step.
    for epoch in range(options.epochs):
        start = time.perf_counter()
        steps = jnp.arange(batches.steps_per_epoch) + epoch * batches.steps_per_epoch
        weights, velocities = train_steps(weights, velocities, batches, steps, n_steps)
        jax.block_until_ready(weights)  # JAX computes in the background
        seconds = time.perf_counter() - start
        accuracy = accuracy_of(weights, test_batches)
        print(
            f"epoch {epoch + 1}: {seconds:.2f} s, accuracy {accuracy:.2%}", flush=True
        )


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
