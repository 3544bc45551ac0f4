"""TorchLoader in packages that run a training loop for PyTorch."""

import numpy as np
import pytest

import fmnist_fast as ff

torch = pytest.importorskip("torch")
import helpers.any_torchvision  # noqa: E402, F401  (which Lightning imports)

from fmnist_fast.frameworks.torch import TorchLoader  # noqa: E402

# These packages warn about versions of each other, and about machines with few cores.
pytestmark = pytest.mark.filterwarnings("ignore")

OPTIONS = {"batch_size": 64, "shuffle": True, "seed": 5, "augment": "standard"}


def same(got, want):
    """Return whether two sequences of batches are equal."""
    return all(
        torch.equal(x, y)
        for batches in zip(got, want, strict=True)
        for x, y in zip(*batches, strict=True)
    )


def network():
    """Return a small model, always with the same weights."""
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))


def loss_of(model, batch):
    images, labels = batch
    return torch.nn.functional.cross_entropy(model(images), labels)


# ---- Lightning ----------------------------------------------------------------------


def lightning_parts(small, folder, **options):
    """Return a module that records the labels of its batches, and a quiet Trainer."""
    lightning = pytest.importorskip("lightning.pytorch")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model, self.seen, self.validated = network(), [], 0

        def training_step(self, batch, _):
            self.seen.append(batch[1].tolist())
            return loss_of(self.model, batch)

        def validation_step(self, batch, _):
            self.validated += len(batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9)

    quiet = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "accelerator": "cpu",
        "num_sanity_val_steps": 0,
        "default_root_dir": folder,
    }
    return Module(), lightning.Trainer(**quiet | options)


def test_lightning_trains_validates_and_resumes(small, tmp_path):
    callbacks = pytest.importorskip("lightning.pytorch.callbacks")
    keep = callbacks.ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=21)
    whole, trainer = lightning_parts(
        small, tmp_path, max_epochs=2, callbacks=[keep], enable_checkpointing=True
    )
    trainer.fit(whole, TorchLoader(small, **OPTIONS), TorchLoader(small, 300))
    arrays = ff.Loader(small, **OPTIONS)
    assert whole.seen == [y.tolist() for _ in range(2) for _, y in arrays]
    assert whole.validated == 2000

    resumed, trainer = lightning_parts(small, tmp_path, max_epochs=2)
    loader = TorchLoader(small, **OPTIONS | {"seed": 99})  # the checkpoint has 5
    trainer.fit(resumed, loader, ckpt_path=tmp_path / "step=21.ckpt")
    assert resumed.seen == whole.seen[21:] and loader.epoch == 2
    for name, weights in whole.state_dict().items():
        assert torch.equal(weights, resumed.state_dict()[name])


# ---- torchdata ----------------------------------------------------------------------


@pytest.mark.parametrize("num_workers", [0, 2])
def test_stateful_dataloader(small, num_workers):
    package = pytest.importorskip("torchdata.stateful_dataloader")

    def new():
        loader = TorchLoader(small, **OPTIONS)
        return package.StatefulDataLoader(
            loader, batch_size=None, num_workers=num_workers
        )

    run = new()
    batches = iter(run)
    for _ in range(5):
        next(batches)
    state, resumed = run.state_dict(), new()
    resumed.load_state_dict(state)
    rest = list(batches)
    assert same(rest, resumed)
    assert sum(len(labels) for _, labels in rest) == 1000 - 5 * 64 // max(
        1, num_workers
    )


def test_a_worker_without_a_batch_has_a_state(small, monkeypatch):
    from types import SimpleNamespace

    from fmnist_fast.frameworks import torch as adapter

    info = SimpleNamespace(id=1, num_workers=2)
    monkeypatch.setattr(adapter, "get_worker_info", lambda: info)
    loader = TorchLoader(small.select(range(3)), drop_last=True, **OPTIONS)
    before = loader.state_dict()
    batches = iter(loader)
    assert loader.state_dict()["epoch"] == before["epoch"] + 1
    assert list(batches) == []
    loader.load_state_dict(before)
    assert loader.state_dict() == before
    loader.set_epoch(3)
    assert loader.epoch == 3


# ---- Accelerate ---------------------------------------------------------------------


def test_accelerate(small, tmp_path):
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True)
    loader, model = TorchLoader(small, **OPTIONS), network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    prepared, model, optimizer = accelerator.prepare(loader, model, optimizer)
    assert prepared is loader
    accelerator.register_for_checkpointing(loader)
    batches = iter(prepared)
    for _ in range(5):
        accelerator.backward(loss_of(model, next(batches)))
        optimizer.step()
        optimizer.zero_grad()
    accelerator.save_state(str(tmp_path))
    rest = list(batches)
    list(loader)
    accelerator.load_state(str(tmp_path))
    assert same(rest, loader)


# ---- Ignite -------------------------------------------------------------------------


def test_ignite(small):
    engine = pytest.importorskip("ignite.engine")
    model, seen = network(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def step(_, batch):
        seen.append(batch[1].numpy().copy())
        loss = loss_of(model, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    state = engine.Engine(step).run(TorchLoader(small, **OPTIONS), max_epochs=2)
    assert state.iteration == 32
    arrays = ff.Loader(small, **OPTIONS)
    want = [labels for _ in range(2) for _, labels in arrays]
    assert all(np.array_equal(x, y) for x, y in zip(seen, want, strict=True))


# ---- torch.compile ------------------------------------------------------------------


def test_a_compiled_step(small):
    """The step is compiled for full batches, and once more for any number of rows."""
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    model = network()
    compiled = torch.compile(loss_of, backend=backend)
    for batch in TorchLoader(small, **OPTIONS):
        assert torch.equal(compiled(model, batch), loss_of(model, batch))
    assert len(graphs) == 2  # for 64 rows, and for any number
