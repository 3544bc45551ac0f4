"""Train a small convolutional network on Fashion-MNIST with Keras.

The program has the usual form of such examples: load, prepare, build, fit, evaluate.
"""

import argparse

import keras
from keras import layers

import fmnist_fast as ff
from fmnist_fast.frameworks.keras import KerasLoader

parser = argparse.ArgumentParser(description="Train on Fashion-MNIST.")
parser.add_argument("--epochs", type=int, default=12)
options = parser.parse_args()
n_classes = 10
batch_size = 128

train, val = ff.load("train", download=True).split(0.9)
test = ff.load("test", download=True)
common = {"batch_size": batch_size, "normalize": "unit", "label_dtype": "onehot"}

model = keras.Sequential(
    [
        keras.Input(shape=(28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(n_classes, activation="softmax"),
    ]
)
model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
model.fit(
    KerasLoader(train, shuffle=True, **common),
    epochs=options.epochs,
    validation_data=KerasLoader(val, **common),
)
loss, accuracy = model.evaluate(KerasLoader(test, **common), verbose=0)
print(f"test: loss {loss:.3f}, accuracy {accuracy:.2%}")
