"""Options of micro/: pytest reads them here even where it is given this folder."""


def pytest_addoption(parser):
    parser.addoption(
        "--save-baselines",
        action="store_true",
        help="keep the ratios of this run of bench_micro.py in baselines.json",
    )
    parser.addoption(
        "--images-in-files",
        type=int,
        default=1_000_000,
        help="how many images bench_load_files.py writes, of 784 bytes each",
    )
