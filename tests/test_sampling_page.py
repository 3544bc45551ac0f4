"""The recipes of docs/sampling.md run, and agree with the code in their place."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest

import fmnist_fast as ff

TEXT = (Path(__file__).parents[1] / "docs" / "sampling.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S))
BLOCK = re.compile(
    r"(In\s+place\s+of:\n\n)?(?:<!-- not run: [^\n]+ -->\n)?```python\n(.*?)```",
    re.DOTALL,
)
N_PER_CLASS = [300 - 25 * label for label in range(10)]


def codes(title, *, theirs):
    """Return the Python blocks of a section: of this package, or in place of it."""
    blocks = BLOCK.findall(SECTIONS[title])
    return [code for mark, code in blocks if bool(mark) == theirs]


@pytest.fixture(scope="module")
def train():
    """Return synthetic images, of some classes more than of others."""
    whole, _ = ff.synthetic(3000, 10)
    rows = [np.flatnonzero(whole.labels == c)[:n] for c, n in enumerate(N_PER_CLASS)]
    rows = np.random.default_rng(0).permutation(np.concatenate(rows))
    part = whole.select(rows)
    images = np.asarray(part.images)
    return ff.Dataset.from_arrays(images, part.labels, classes=whole.classes)


@pytest.fixture
def run(train):
    """Return a function that runs blocks of a section in turn, and returns names."""

    def run(title, *, theirs=False, train=train):
        names = {"np": np, "ff": ff, "train": train}
        blocks = codes(title, theirs=False) + codes(title, theirs=True) * theirs
        for package in ("torch", "torchvision", "sklearn"):
            is_used = any(re.search(rf"\b{package}\b", code) for code in blocks)
            if is_used and importlib.util.find_spec(package) is None:
                pytest.skip(f"could not import '{package}'")
            if is_used and package == "torchvision":
                importlib.import_module("helpers.any_torchvision")
        for code in blocks:
            exec(compile(code, title, "exec"), names)
        return names

    return run


CHECKED = (
    "Weighted sampling",
    "Balanced classes",
    "Cross-validation",
    "Few shots",
    "Continual learning",
    "Federated learning",
    "Curriculum",
    "Hard examples",
    "Repeated augmentation",
    "SimCLR",
    "Test-time augmentation",
    "A pretrained network",
    "Steps in place of epochs",
    "Several ranks",
)
WITH_PYTORCH = {"SimCLR", "Test-time augmentation", "A pretrained network"}


def test_every_recipe_is_short_and_replaces_code():
    with_code = {title for title in SECTIONS if codes(title, theirs=False)}
    assert with_code == {*CHECKED}
    for title in CHECKED:
        assert len(codes(title, theirs=True)) == 1, title
        for code in codes(title, theirs=False):
            n_lines = sum(1 for line in code.splitlines() if line.strip())
            assert n_lines <= 9, code


@pytest.mark.parametrize(
    "title", [each for each in CHECKED if each not in WITH_PYTORCH]
)
def test_the_lines_of_this_package_need_no_other(run, title):
    assert not re.search(r"\b(torch|sklearn)\b", "".join(codes(title, theirs=False)))
    assert isinstance(run(title)["train"], ff.Dataset)


def counts(batches):
    """Return how many samples of each class some batches have."""
    return np.bincount(np.concatenate([batch[1] for batch in batches]), minlength=10)


def classes_of(subset):
    """Return how many rows of each class a Subset of PyTorch has."""
    return np.bincount(subset.dataset.labels[subset.indices], minlength=10)


def test_weights_are_those_of_pytorch(run, train):
    names = run("Weighted sampling", theirs=True)
    shirt = train.str2int("Shirt")
    n = np.array(N_PER_CLASS)
    share = 3 * n[shirt] / (n.sum() + 2 * n[shirt])
    for batches in (names["loader"], names["batches"]):
        drawn = counts(batches)
        assert drawn.sum() == len(train)
        assert abs(drawn[shirt] / len(train) - share) < 0.05  # 5 deviations


def test_classes_are_balanced(run, train):
    names = run("Balanced classes", theirs=True)
    for batches in (ff.Loader(train, 128, weights="balanced"), names["batches"]):
        assert abs(counts(batches) - len(train) / 10).max() < 65  # 5 deviations
    batches = list(names["loader"])
    assert len(batches) == 8 and len(batches[-1][1]) == 50  # 75 of each class
    for _, labels in batches:
        assert np.all(np.bincount(labels, minlength=10) == len(labels) // 10)
    first, second = (np.concatenate([y for _, y in names["loader"]]) for _ in "12")
    assert np.array_equal(first, second)  # the labels, in turn
    assert not np.array_equal(names["deal"](1), names["deal"](2))


def test_folds_are_those_of_sklearn(run, train):
    names = run("Cross-validation", theirs=True)
    folds = train.kfold(5, seed=0, stratify=True)
    theirs = list(names["folds"].split(train.labels, train.labels))
    for (fit, val), (fit_rows, val_rows) in zip(folds, theirs, strict=True):
        expected = np.bincount(train.labels[val_rows])
        assert abs(val.class_counts - expected).max() <= 1
        assert len(fit) + len(val) == len(train)
        assert abs(len(fit) - len(fit_rows)) <= 1
    assert len(names["val_batches"].dataset) == len(theirs[-1][1])
    assert len(names["scores"]) == 5 and all(0 < score < 1 for score in names["scores"])
    assert names["fit_loader"].mean == ff.Loader(train).mean != names["fit"].mean
    own = ff.Loader(val, normalize=(names["fit"].mean, names["fit"].std))
    assert own.mean == names["fit"].mean


def test_shots_are_few(run):
    names = run("Few shots", theirs=True)
    assert names["few"].class_counts.tolist() == [5] * 10
    assert classes_of(names["batches"].dataset).tolist() == [5] * 10
    orders = {labels.tobytes() for _, labels in names["loader"]}
    assert len(names["loader"]) == 100 and len(orders) > 90
    assert np.all(counts(names["loader"]) == 500)
    assert names["shots"].class_counts.tolist() == [5] * 5
    assert names["queries"].class_counts.tolist() == [15] * 5
    chosen = [names["train"].classes[label] for label in names["classes"]]
    assert [*names["shots"].classes] == chosen


def test_tasks_follow_each_other(run, train):
    names = run("Continual learning", theirs=True)
    for i, task in enumerate(names["tasks"]):
        assert set(task.labels) == {2 * i, 2 * i + 1}
    assert len(names["rows"]) == len(names["tasks"][-1])
    assert len(names["both"]) == len(names["tasks"][1]) + 40
    balanced = ff.Loader(names["both"], 128, weights="balanced", steps=100)
    assert counts(balanced)[4:].sum() == 0
    assert abs(counts(balanced)[:4] - 3200).max() < 250  # 5 deviations
    stream = np.concatenate([labels for _, labels in names["loader"]]) // 2
    assert np.array_equal(stream, np.sort(train.labels // 2))


def test_clients_differ(run, train):
    names = run("Federated learning", theirs=True)
    rows = np.concatenate([client.labels for client in names["clients"]])
    assert len(names["clients"]) == 1000 and len(rows) == len(train)
    theirs = np.concatenate([part.indices for part in names["parts"]])
    assert np.array_equal(np.sort(theirs), np.arange(len(train)))
    assert sum(counts(loader).sum() for loader in names["loaders"]) == len(train)
    sizes = [[*map(len, names["clients"])], [*map(len, names["parts"])]]
    assert all(max(each) >= 4 for each in sizes)  # 1 or 2 if they were alike


def test_a_curriculum_adds_harder_rows(run, train):
    names = run("Curriculum", theirs=True)
    loader = ff.Loader(train, 128, order=names["curriculum"], with_index=True)
    place = np.argsort(names["easy"])  # of each row, from the easiest on
    for epoch in range(6):
        rows = np.concatenate([index for _, _, index in loader])
        n = len(train) * min(epoch + 1, 5) // 5
        assert len(rows) == len(train)
        assert 0.98 * n < place[rows].max() < n
    assert len(names["batches"].sampler) == len(train)


def test_row_numbers_weight_a_selection(run):
    names = run("Hard examples")
    part, losses = names["part"], names["losses"]
    assert sorted({*part.labels.tolist()}) == [4, 6]
    for _, labels, index in names["part_loader"]:
        assert np.isin(index, part.rows).all() and (losses[index] > 0).all()
        assert np.array_equal(labels, names["train"].labels[index])


def test_hard_examples_resume_within_an_epoch(run, train):
    names = run("Hard examples", theirs=True)
    losses, newest = names["losses"], names["newest"]
    deviations = np.concatenate([x.std(axis=(1, 2, 3)) for x, _ in ff.Loader(train)])
    n_seen = (newest != 1).sum()
    assert n_seen >= len(train) // 2 and np.array_equal(losses, newest)
    loader = names["loader"]
    for _, _, index in loader:
        assert np.isin(index, names["hardest"](3)).all()
        newest[index] = deviations[index]
        state = json.loads(json.dumps(loader.state_dict()))
        break
    expected = [index for _, _, index in loader_at(train, names["hardest"], state)]
    rest = names["hardest"](3)[128:]
    assert np.array_equal(np.concatenate(expected), rest)
    losses[:] = -losses
    with pytest.raises(ValueError, match="order returned other rows for epoch 3"):
        next(iter(loader_at(train, names["hardest"], state)))


def loader_at(train, order, state):
    """Return a loader that resumes from a state."""
    loader = ff.Loader(train, 128, order=order, with_index=True)
    loader.load_state_dict(state)
    return loader


def test_versions_of_an_image_come_in_a_row(run, train):
    names = run("Repeated augmentation", theirs=True)
    loader, rows = names["loader"], names["rows"]
    assert len(rows) == 4 * len(train) == sum(len(y) for _, y in names["batches"])
    indexed = ff.Loader(train, 128, shuffle=True, repeats=4, with_index=True)
    for (images, labels), (_, same, index) in zip(loader, indexed, strict=True):
        assert np.array_equal(labels, same)
        fours = index.reshape(-1, 4)
        assert np.all(fours == fours[:, :1])
        assert len(np.unique(fours[:, 0])) == len(fours)
        versions = images.reshape(-1, 4, 784)
        assert np.any(versions[:, 0] != versions[:, 1])
    other = ff.Loader(train, 128, shuffle=True, augment="standard", augment_seed=1)
    plain = ff.Loader(train, 128, shuffle=True, augment="standard")
    for (images, labels), (others, same) in zip(plain, other, strict=True):
        assert np.array_equal(labels, same) and np.any(images != others)


def test_pairs_of_simclr_are_those_of_torchvision(run, train):
    few = train.select(slice(600))
    names = run("SimCLR", theirs=True, train=few)
    for (a, b), labels in names["loader"]:
        assert a.shape == b.shape == (len(labels), 1, 28, 28)
        assert (a != b).flatten(1).any(1).float().mean() > 0.95
    loader = ff.Loader(few, 600, augment=names["simclr"], views=2)
    ((ours, _),) = loader
    theirs, _ = zip(*(names["TwoViews"]()[i] for i in range(len(few))))
    theirs = np.array([[view.numpy() for view in pair] for pair in theirs])
    for measure in (np.mean, np.std):
        change = measure(ours, (2, 3, 4)) - measure(theirs, (2, 3, 4)).T
        deviation = change.std() / np.sqrt(change.size)
        assert abs(change.mean()) < 5 * deviation < 0.1
    apart = abs(ours[0] - ours[1]).mean(), abs(theirs[:, 0] - theirs[:, 1]).mean()
    assert abs(apart[0] / apart[1] - 1) < 0.1


def test_the_loss_of_simclr_is_that_of_the_paper(run, train):
    names = run("SimCLR", train=train.select(slice(256)))
    torch = names["torch"]
    a, b = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(0))
    z = np.concatenate([a.numpy(), b.numpy()]).astype(float)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    similar = np.exp(z @ z.T / 0.5)
    losses = [
        -np.log(similar[i, (i + 7) % 14] / (similar[i].sum() - similar[i, i]))
        for i in range(14)
    ]
    assert abs(float(names["nt_xent"](a, b)) - np.mean(losses)) < 1e-6
    assert float(names["nt_xent"](a, a)) < float(names["nt_xent"](a, b))


def test_views_at_test_time_are_flips_and_crops(run, train):
    pytest.importorskip("torch").manual_seed(0)  # for the network of the page
    names = run("Test-time augmentation", theirs=True)
    torch, network, val = (names[name] for name in ("torch", "network", "val"))
    plain = ff.Loader(val, 100)
    means = []
    for (images, labels), (image, same) in zip(names["loader"], plain, strict=True):
        assert np.array_equal(labels, same)
        assert np.array_equal(images[0], image)
        assert np.array_equal(images[1], image[..., ::-1])
        mirrored = torch.from_numpy(image[..., ::-1].copy())
        means.append((network(torch.from_numpy(image)) + network(mirrored)) / 2)
    expected = torch.cat(means).argmax(1)
    assert torch.equal(torch.cat(names["guesses"]), expected)
    first, _ = next(iter(names["crops"]))
    for i in range(100):
        crops, _ = names["TenCrops"]()[i]
        assert abs(first[:, i] - crops).max() < 1e-6
    again = names | {"loader": names["crops"]}
    torch.manual_seed(0)
    exec(codes("Test-time augmentation", theirs=False)[1], again)
    guesses, theirs = (torch.cat(x) for x in (again["guesses"], names["ten_guesses"]))
    assert len(guesses) == len(val) and torch.equal(guesses, theirs)


def test_a_pretrained_network_gets_what_torchvision_gives(run, train, monkeypatch):
    pytest.importorskip("torch")
    importlib.import_module("helpers.any_torchvision")
    pytest.importorskip("torchvision")
    models = importlib.import_module("torchvision.models")
    untrained, asked = models.resnet18, []
    monkeypatch.setattr(
        models, "resnet18", lambda weights: asked.append(weights) or untrained()
    )
    few = train.select(slice(8))
    names = run("A pretrained network", theirs=True, train=few)
    assert asked == ["DEFAULT"] and names["loss"].item() > 0
    torch, options = names["torch"], names["options"]
    assert names["images"].is_contiguous(memory_format=torch.channels_last)
    theirs = torch.stack([names["Colored"]()[i][0] for i in range(8)])
    ((ours, _),) = ff.Loader(few, 8, **options)
    level = 1 / (255 * min(options["normalize"][1]))
    assert ours.shape == theirs.shape == (8, 3, 224, 224)
    change = abs(ours - theirs.numpy())
    assert change.max() < level + 1e-5  # a gray level, by the rounding of Resize
    assert (change > 1e-5).mean() < 0.2
    del options["augment"]
    ((ours, _),) = ff.Loader(few, 8, **options)
    names["colored"].transforms.pop(2)
    theirs = torch.stack([names["Colored"]()[i][0] for i in range(8)])
    assert abs(ours - theirs.numpy()).max() < 2e-6


def test_steps_go_on_where_the_last_ones_ended(run, train):
    names = run("Steps in place of epochs", theirs=True)
    loader = ff.Loader(train, 128, shuffle=True, steps=10, with_index=True)
    rows = np.concatenate([index for _ in range(9) for _, _, index in loader])
    whole = len(rows) // len(train) * len(train)
    assert set(np.bincount(rows[:whole])) == {whole // len(train)} == {6}
    assert {len(labels) for _, labels in names["loader"]} == {128}
    assert len(names["loader"]) == 1000 and names["step"] == 19
    endless = ff.Loader(train, 128, shuffle=True, steps=10**9)
    assert len(endless) == 10**9 and len(next(iter(endless))[1]) == 128


def test_ranks_share_the_draws_of_one_process(run, train):
    names = run("Several ranks", theirs=True)
    options = {"weights": "balanced", "with_index": True}
    ranks = [ff.Loader(train, 128, shard=(k, 2), **options) for k in range(2)]
    for batches in zip(ff.Loader(train, 256, **options), *ranks, strict=True):
        one, *parts = batches
        for field, *shares in zip(one, *parts, strict=True):
            assert np.array_equal(field, np.concatenate(shares))
    assert counts(names["loader"]).sum() == 7 * 128 + (len(train) - 7 * 256 + 1) // 2
    shards = [names["WeightedShard"](names["weights"], k, 2) for k in range(2)]
    assert [len([*shard]) for shard in shards] == [len(train) // 2] * 2
