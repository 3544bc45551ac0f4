"""Options of micro/, which pytest reads here even if it is given only `benchmarks`."""


def pytest_addoption(parser):
    parser.addoption(
        "--save-baselines",
        action="store_true",
        help="save the ratios of this run of bench_micro.py in baselines.json",
    )
    parser.addoption(
        "--figures",
        metavar="FIGURES.json",
        help="write the figures of this run to the file, and keep those of other parts",
    )
    parser.addoption(
        "--images-in-files",
        type=int,
        default=1_000_000,
        help="number of images that bench_load_files.py writes, 784 bytes each",
    )
