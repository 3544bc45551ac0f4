"""Options of micro/: pytest reads them here even where it is given this folder."""


def pytest_addoption(parser):
    parser.addoption(
        "--save-baselines",
        action="store_true",
        help="keep the ratios of this run of bench_micro.py in baselines.json",
    )
    parser.addoption(
        "--shard-images",
        type=int,
        default=1_000_000,
        help="how many images bench_shards.py writes, of 784 bytes each",
    )
