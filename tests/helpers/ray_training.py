"""A program: train with a TorchTrainer of two workers on a new Ray cluster.

    python ray_training.py FOLDER

Each worker compares its shards with the batches of one process. The program prints the
rank, the world and the rows of each worker as JSON.
"""

import json
import os
import sys
from pathlib import Path

# Ray reads these when it is imported: send no usage statistics, and write no token to
# the home folder.
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}

import ray
import ray.train
import torch
from ray.train.torch import TorchTrainer

import fmnist_fast as ff
from fmnist_fast.frameworks.torch import TorchLoader

ROWS = 24  # rows of a global batch; 1000 images leave a short one of 16
OPTIONS = {"shuffle": True, "seed": 7, "augment": "standard"}


def train_worker(config):
    """Compare this worker's shards of two epochs with the batches of one process."""
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
        for own, whole in zip(loader, single, strict=True):
            for shard, batch in zip(own, whole):
                assert torch.equal(shard, batch.tensor_split(world)[rank])
            n_rows += len(own[1])
            torch.nn.functional.cross_entropy(model(own[0]), own[1]).backward()
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
        raise SystemExit("the driver must have no rank, because it is no worker")
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
