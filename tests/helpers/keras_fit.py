"""A program: fit, evaluate and predict with KerasLoaders, on one backend of Keras.

    KERAS_BACKEND=jax python keras_fit.py

It compares the batches that a model is trained on with those of a Loader, and the
weights after a resumed run with those after an uninterrupted run. It prints "ok" at the
end.
"""

import numpy as np

import fmnist_fast as ff
from fmnist_fast.frameworks.keras import KerasLoader

import keras  # isort: skip

OPTIONS = {"batch_size": 64, "shuffle": True, "seed": 3, "augment": "standard"}
EPOCHS = 3
train, _ = ff.synthetic(1000, 100)


class Spy(KerasLoader):
    """A KerasLoader that records the batches that Keras takes."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.given = []

    def __getitem__(self, index):
        images, labels = super().__getitem__(index)
        self.given.append((images.tobytes(), labels.tobytes()))
        return images, labels


class Stop(keras.callbacks.Callback):
    """A callback that ends a fit in the middle of an epoch and keeps the state."""

    def __init__(self, loader):
        super().__init__()
        self.loader = loader

    def on_train_batch_end(self, batch, logs=None):
        if batch == 4:
            self.state = self.loader.state_dict(batch + 1)
            self.model.stop_training = True


def new_model():
    layers = [keras.layers.Flatten(), keras.layers.Dense(10)]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01), loss)
    return model


def check(condition, message):
    """Raise an error with the message and the backend unless the condition holds."""
    if not condition:
        raise RuntimeError(f"{message} on {keras.backend.backend()}")


def contains(batches, part):
    """Return whether the batches of `part` follow one another in `batches`."""
    n = len(part)
    return any(batches[i : i + n] == part for i in range(len(batches) - n + 1))


def expected_batches(n_epochs):
    """Return the bytes of all batches of a Loader with the same options."""
    loader = ff.Loader(train, layout="NHWC", label_dtype="int32", **OPTIONS)
    return [(x.tobytes(), y.tobytes()) for _ in range(n_epochs) for x, y in loader]


# Whole epochs have the order of the loader, although Keras's `shuffle` is on, and
# although Keras takes the first batches to build the model.
loader, held_out = Spy(train, **OPTIONS), KerasLoader(train, 300)
model = new_model()
model.fit(loader, epochs=1, verbose=0)
want = expected_batches(EPOCHS + 5)
check(loader.given[-16:] == want[:16], "batches differ from those of a Loader")
check(len(loader.given) <= 16 + 2, "Keras took more than the first batches twice")
begin = model.get_weights()
loader.given.clear()
history = model.fit(
    loader, epochs=EPOCHS, initial_epoch=1, validation_data=held_out, verbose=0
).history
n = EPOCHS * 16
check(loader.given[16 - n :] == want[16:n], "batches of later epochs differ")
check(loader.epoch == EPOCHS and held_out.epoch == EPOCHS - 1, "epochs differ")

loss = model.evaluate(held_out, verbose=0)
check(np.isclose(loss, history["val_loss"][-1], rtol=1e-4), "losses differ")
outputs = model.predict(held_out, verbose=0)
(layer,) = (layer for layer in model.layers if layer.weights)
weights, bias = layer.get_weights()
held = ff.Loader(train, layout="flat", batch_size=len(train))
((pixels, _),) = held
check(np.allclose(outputs, pixels @ weights + bias, atol=1e-3), "outputs differ")
end = model.get_weights()

# `steps_per_epoch` shortens the epochs of Keras, not those of the loader.
loader.given.clear()
model.fit(loader, epochs=2, steps_per_epoch=8, verbose=0)
check(contains(loader.given, want[n : n + 16]), "batches of shortened epochs differ")

# It also lengthens them.
loader.given.clear()
model.fit(loader, epochs=2, steps_per_epoch=20, verbose=0)
n += 16
check(contains(loader.given, want[n : n + 40]), "batches of longer epochs differ")
try:
    loader.state_dict(1)
except ValueError as error:
    check("this fit has steps_per_epoch" in str(error), str(error))
else:
    raise RuntimeError("a count was taken for that of an epoch")


# With `steps`, epochs have as many batches, and a stopped fit resumes at a batch.
steps = OPTIONS | {"steps": 20}
plain = ff.Loader(train, layout="NHWC", label_dtype="int32", **steps)
stream = [(x.tobytes(), y.tobytes()) for _ in range(2) for x, y in plain]
loader = Spy(train, **steps)
stop = Stop(loader)
model.fit(loader, callbacks=[stop], verbose=0)
check(contains(loader.given, stream[:5]), "batches with steps differ")
rest = Spy(train, **steps)
rest.load_state_dict(stop.state)
model.fit(rest, epochs=1, verbose=0)
check(rest.given[-15:] == stream[5:20], "batches after resuming with steps differ")
model.fit(rest, epochs=1, verbose=0)
check(rest.given[-20:] == stream[20:], "batches of the next steps differ")

# A column with a weight of 0 for every sample but Shirts
losses = []
train = train.with_columns({"is_shirt": train.labels == 6})
class_weight = {label: float(label == 6) for label in range(10)}
for data, weights in (
    (KerasLoader(train, 1000, sample_weight="is_shirt"), None),
    (KerasLoader(train, 1000), class_weight),
    (KerasLoader(train, 1000), None),
):
    model.set_weights(begin)
    history = model.fit(data, class_weight=weights, verbose=0).history
    losses += history["loss"]
check(np.isclose(losses[0], losses[1]), "losses with weights differ")
check(losses[0] < losses[2] / 2, "weights have no effect")

# A model with two inputs takes the two views, also of a short last batch.
pair = [keras.Input((28, 28, 3)) for _ in "ab"]
outputs = keras.layers.Dense(10)(keras.layers.Flatten()(keras.layers.Add()(pair)))
both = keras.Model(tuple(pair), outputs)
both.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
views = KerasLoader(train, views=2, channels=3, normalize="unit", **OPTIONS)
history = both.fit(views, epochs=2, verbose=0).history
check(np.isfinite(history["loss"]).all() and views.epoch == 2, "views do not fit")
views = KerasLoader(train, 300, views=[None, [ff.RandomInvert(p=1.0)]], channels=3)
outputs = both.predict(views, verbose=0)
a, b = (np.concatenate(arrays) for arrays in zip(*(images for images, _ in views)))
check(outputs.shape == (1000, 10), "views are counted as samples")
made = keras.ops.convert_to_numpy(both((a, b)))
check(np.allclose(outputs, made, atol=1e-3), "outputs of views differ")

# A run that is stopped in the middle of an epoch continues with another loader.
model.set_weights(begin)
loader = KerasLoader(train, **OPTIONS)
loader.set_epoch(1)
stop = Stop(loader)
model.fit(loader, callbacks=[stop], verbose=0)
check(stop.state["position"] == 320, "positions differ")
rest = Spy(train, **OPTIONS)
rest.load_state_dict(stop.state)
model.fit(rest, epochs=1, verbose=0)
check(rest.given[-11:] == want[21:32], "batches after resuming differ")
model.fit(rest, epochs=1, verbose=0)
for whole, resumed in zip(end, model.get_weights(), strict=True):
    check(np.allclose(whole, resumed, rtol=1e-5, atol=1e-6), "weights differ")

# Keras would shorten the next epoch of the same fit to the length of the rest.
rest.load_state_dict(stop.state)
try:
    model.fit(rest, epochs=2, verbose=0)
except RuntimeError as error:
    check("Finish the first epoch with fit(loader, epochs=1)" in str(error), str(error))
else:
    raise RuntimeError("an epoch was shortened")
print("ok")
