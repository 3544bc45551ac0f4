"""Train classifiers of scikit-learn on Fashion-MNIST, in batches and all at once.

    python examples/train_sklearn.py

`partial_fit` takes the batches of a Loader, which augments the images differently in
every epoch. `fit` takes all images as one array. For each of the two classifiers the
program prints the seconds and the accuracy on the test images. docs/training.md has the
results.
"""

import argparse
import time

from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier

import fmnist_fast as ff


def fit_in_batches(train, epochs, batch_size):
    """Train a network with one hidden layer by `partial_fit`, a batch at a time.

    Only a few batches of augmented floats are in memory at the same time.
    """
    loader = ff.Loader(
        train,
        batch_size,
        shuffle=True,
        layout="flat",
        normalize="unit",  # 0 to 1, the same scale as to_sklearn
        augment=[ff.RandomHorizontalFlip()],
    )
    classes = range(len(train.classes))
    classifier = MLPClassifier((128,), random_state=0)
    for _ in range(epochs):
        for images, labels in loader:
            classifier.partial_fit(images, labels, classes=classes)
    print(f"In the last epoch: {loader.stats().summary()}")
    return classifier


def fit_at_once(train, epochs):
    """Train a linear classifier by `fit`, on one array of all images."""
    classifier = SGDClassifier(
        loss="log_loss", alpha=1e-3, max_iter=epochs, tol=None, random_state=0
    )
    return classifier.fit(*train.to_sklearn())


def main():
    """Train both classifiers, and print their seconds and accuracies."""
    options = parsed_options()
    if options.synthetic:
        train, test = ff.synthetic(2000, 500) if options.quick else ff.synthetic()
    else:
        train, test = ff.load("train"), ff.load("test")
    if options.quick:
        train, test = train.select(range(2000)), test.select(range(500))
    makers = {
        "MLPClassifier, partial_fit": lambda: fit_in_batches(
            train, options.epochs, options.batch_size
        ),
        "SGDClassifier, fit": lambda: fit_at_once(train, options.epochs),
    }
    for name, make in makers.items():
        start = time.perf_counter()
        classifier = make()
        seconds = time.perf_counter() - start
        accuracy = classifier.score(*test.to_sklearn())
        print(f"{name}: {seconds:.1f} s, accuracy {accuracy:.2%}", flush=True)


def parsed_options():
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description="Train on Fashion-MNIST with scikit-learn."
    )
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=250)
    parser.add_argument("--synthetic", action="store_true", help="use drawn images")
    parser.add_argument("--quick", action="store_true", help="2000 images, 4 epochs")
    options = parser.parse_args()
    if options.quick:
        options.epochs, options.batch_size = 4, 50
    return options


if __name__ == "__main__":
    main()
