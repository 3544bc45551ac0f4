"""Train classifiers of scikit-learn on Fashion-MNIST: a batch at a time, and at once.

    python examples/train_sklearn.py

`partial_fit` takes the batches of a Loader, augmented anew in every epoch; `fit` takes
all images as one array. Prints the seconds and the accuracy on the test images of each.
What it gave is in docs/training.md.
"""

import argparse
import time

from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier

import fmnist_fast as ff


def fit_in_batches(train, epochs, batch_size):
    """A network of one layer, by `partial_fit`; batches are never all in memory."""
    loader = ff.Loader(
        train,
        batch_size,
        shuffle=True,
        layout="flat",
        normalize="unit",  # as to_sklearn scales
        augment=[ff.RandomHorizontalFlip()],
    )
    classes = range(len(train.classes))
    classifier = MLPClassifier((128,), random_state=0)
    for _ in range(epochs):
        for images, labels in loader:
            classifier.partial_fit(images, labels, classes=classes)
    return classifier


def fit_at_once(train, epochs):
    """A linear classifier, by `fit`."""
    classifier = SGDClassifier(
        loss="log_loss", alpha=1e-3, max_iter=epochs, tol=None, random_state=0
    )
    return classifier.fit(*train.to_sklearn())


def main():
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
    parser = argparse.ArgumentParser(
        description="Train on Fashion-MNIST with scikit-learn."
    )
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=250)
    parser.add_argument("--synthetic", action="store_true", help="without the files")
    parser.add_argument("--quick", action="store_true", help="2000 images, 4 epochs")
    options = parser.parse_args()
    if options.quick:
        options.epochs, options.batch_size = 4, 50
    return options


if __name__ == "__main__":
    main()
