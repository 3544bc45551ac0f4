"""A program: a TorchTrainer with two workers on a Ray cluster of its own, whose batches
together are those of one process.

    python ray_training.py FOLDER

Prints, as JSON, what each worker found.
"""

import json
import os
import sys
from pathlib import Path

# Read when Ray is imported: tell nobody, and leave no token in the home folder.
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}

import ray
import ray.train
import torch
from ray.train.torch import TorchTrainer

import fmnist_fast as ff
from fmnist_fast.frameworks.torch import TorchLoader

ROWS = 24  # of a global batch; 1000 images leave a short one of 16
OPTIONS = {"shuffle": True, "seed": 7, "augment": "standard"}


def train_worker(config):
    """Compare this worker's share of two epochs with its part of the whole batches."""
    torch.set_num_threads(1)
    train, _ = ff.synthetic(1000, 100)
    loader = TorchLoader(train, ROWS // 2, shard="env", **OPTIONS)
    single = TorchLoader(train, ROWS, **OPTIONS)
    rank, world = loader.loader.rank, loader.loader.world
    context = ray.train.get_context()
    assert (rank, world) == (context.get_world_rank(), context.get_world_size())
    layer = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    model = ray.train.torch.prepare_model(layer)
    n_rows = 0
    for _ in range(2):
        for mine, whole in zip(loader, single, strict=True):
            for share, batch in zip(mine, whole):
                assert torch.equal(share, batch.tensor_split(world)[rank])
            n_rows += len(mine[1])
            torch.nn.functional.cross_entropy(model(mine[0]), mine[1]).backward()
    text = json.dumps({"rank": rank, "world": world, "rows": n_rows})
    (Path(config["folder"]) / f"{rank}.json").write_text(text)
    ray.train.report({"rows": n_rows})


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    try:
        ff.Loader(ff.synthetic(10, 1)[0], shard="env")
    except ValueError as error:
        assert "found no rank" in str(error)
    else:
        raise SystemExit("the driver is no worker, and has no rank")
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100 << 20,
        log_to_driver=False,
    )
    TorchTrainer(
        train_worker,
        train_loop_config={"folder": str(folder)},
        scaling_config=ray.train.ScalingConfig(
            num_workers=2, resources_per_worker={"CPU": 0.5}
        ),
        run_config=ray.train.RunConfig(storage_path=str(folder / "runs")),
    ).fit()
    ray.shutdown()
    print(json.dumps([json.loads((folder / f"{k}.json").read_text()) for k in (0, 1)]))
