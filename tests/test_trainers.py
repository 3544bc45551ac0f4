"""TorchLoader in packages that run a training loop for PyTorch."""

import itertools
from types import SimpleNamespace

import pytest
from helpers.thread_workers import Threads, worker_info

import fmnist_fast as ff

torch = pytest.importorskip("torch")
import helpers.any_torchvision  # noqa: E402, F401  (which Lightning imports)

from fmnist_fast.frameworks.torch import TorchLoader  # noqa: E402

# These packages warn about versions of each other, and about machines with few cores.
pytestmark = pytest.mark.filterwarnings("ignore")

# Names of the adapter's module, which other tests import again.
ADAPTER = TorchLoader._divide_among_workers.__globals__
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


@pytest.mark.parametrize("drop_last", [False, True])
def test_lightning_resumes_from_every_checkpoint(small, tmp_path, drop_last):
    callbacks = pytest.importorskip("lightning.pytorch.callbacks")
    saved = []

    class Save(callbacks.Callback):
        def save(self, trainer, module, *_):
            saved.append((tmp_path / f"{len(saved)}.ckpt", len(module.seen)))
            trainer.save_checkpoint(saved[-1][0])

        on_train_batch_end = on_validation_end = on_train_epoch_end = save

    def fit(path=None, **options):
        module, trainer = lightning_parts(few, tmp_path, max_epochs=3, **options)
        loader = TorchLoader(few, **OPTIONS | {"drop_last": drop_last})
        trainer.fit(module, loader, TorchLoader(few, 300), ckpt_path=path)
        return module.seen

    few = small.select(range(150))
    whole = fit(callbacks=[Save()])
    assert len(whole) == (6 if drop_last else 9)
    for path, n in saved:
        assert fit(path) == whole[n:], (path.name, n)


# ---- torchdata ----------------------------------------------------------------------


@pytest.fixture
def thread_workers(monkeypatch):
    """Return a context whose processes are threads, which start much faster."""
    from torch.utils.data._utils import signal_handling, worker

    for name in vars(signal_handling):
        if name.startswith(("_set_", "_remove_")):
            monkeypatch.setattr(signal_handling, name, lambda *_: None)
    monkeypatch.setitem(ADAPTER, "get_worker_info", worker_info)
    monkeypatch.setattr(worker, "_worker_info", None)  # each thread sets it
    return Threads()


def train_until_epoch_3(loader, dataloader, first_epoch, seen, saved, set_epoch):
    """Append the labels of all batches to `seen`, and the states between to `saved`."""
    for epoch in range(first_epoch, 3):
        if set_epoch:
            loader.set_epoch(epoch)
        for _, labels in dataloader:
            seen.append((epoch, labels.tolist()))
            saved.append((len(seen), epoch, dataloader.state_dict()))
        saved.append((len(seen), epoch + 1, dataloader.state_dict()))


@pytest.mark.parametrize("workers", [0, 1, 2, "2 persistent"])
@pytest.mark.parametrize("drop_last", [False, True, "wrap"])
@pytest.mark.parametrize("set_epoch", [False, True])
def test_stateful_dataloader_resumes_everywhere(
    small, thread_workers, workers, drop_last, set_epoch
):
    package = pytest.importorskip("torchdata.stateful_dataloader")

    def new():
        loader = TorchLoader(small.select(range(n)), 4, shard=shard, **loader_options)
        return loader, package.StatefulDataLoader(loader, batch_size=None, **options)

    loader_options = {"shuffle": True, "drop_last": drop_last, "normalize": "unit"}
    for n, shard, steps in itertools.product([3, 8, 10], [None, (1, 2)], [1, 3]):
        options = {"snapshot_every_n_steps": steps}
        if workers:
            options |= {
                "num_workers": int(str(workers)[0]),
                "persistent_workers": workers == "2 persistent",
                "multiprocessing_context": thread_workers,
            }
        whole, saved = [], [(0, 0, new()[1].state_dict())]
        train_until_epoch_3(*new(), 0, whole, saved, set_epoch)
        for k, epoch, state in saved:
            loader, dataloader = new()
            dataloader.load_state_dict(state)
            rest = []
            train_until_epoch_3(loader, dataloader, epoch, rest, [], set_epoch)
            assert rest == whole[k:], (n, shard, steps, k)


def test_the_last_batches_of_two_worker_processes(small):
    package = pytest.importorskip("torchdata.stateful_dataloader")

    def new():
        loader = TorchLoader(small.select(range(8)), 4, shuffle=True)
        return package.StatefulDataLoader(loader, batch_size=None, num_workers=2)

    for n_taken in (3, 4):
        run, resumed = new(), new()
        batches = iter(run)
        for _ in range(n_taken):
            next(batches)
        resumed.load_state_dict(run.state_dict())
        rest = list(resumed)
        assert same(rest, list(batches)) and len(rest) == 4 - n_taken


def test_a_worker_without_a_batch_has_a_state(small, monkeypatch):
    info = SimpleNamespace(id=1, num_workers=2, seed=5)
    monkeypatch.setitem(ADAPTER, "get_worker_info", lambda: info)
    loader = TorchLoader(small.select(range(3)), drop_last=True, **OPTIONS)
    before = loader.state_dict()
    assert list(loader) == []
    assert loader.state_dict() == before | {"position": 3}
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


def test_ignite_trains_and_resumes(small):
    engine = pytest.importorskip("ignite.engine")
    few, saved = small.select(range(150)), []

    def new():
        model, seen = network(), []
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

        def step(_, batch):
            seen.append(batch[1].tolist())
            loss = loss_of(model, batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.item()

        return engine.Engine(step), TorchLoader(few, **OPTIONS), seen

    run, loader, seen = new()
    events = engine.Events.ITERATION_COMPLETED, engine.Events.EPOCH_COMPLETED
    for event in events:
        run.add_event_handler(
            event,
            lambda: saved.append((len(seen), run.state_dict(), loader.state_dict())),
        )
    assert run.run(loader, max_epochs=2).iteration == 6
    arrays = ff.Loader(few, **OPTIONS)
    assert seen == [labels.tolist() for _ in range(2) for _, labels in arrays]
    assert [n for n, *_ in saved] == [1, 2, 3, 3, 4, 5, 6, 6]
    for n, *states in saved[:-2]:  # Ignite starts a finished run again
        resumed, loader, rest = new()
        resumed.load_state_dict(states[0])
        loader.load_state_dict(states[1])
        resumed.run(loader, max_epochs=2)
        assert rest == seen[n:], n


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
