"""Weights and orders that are objects of PyTorch and pandas, or datasets."""

import pytest

import fmnist_fast as ff


def test_samplers_of_pytorch_are_read_in_each_epoch(six):
    data = pytest.importorskip("torch.utils.data")
    sampler = data.RandomSampler(range(6))
    for order in (sampler, data.BatchSampler(sampler, 4, False)):
        with pytest.raises(
            TypeError,
            match=f"got {type(order).__name__}, which is read only once\\.\n"
            r"Pass order=lambda epoch: list\(sampler\)\.",
        ):
            ff.Loader(six, order=order)
    loader = ff.Loader(six, order=lambda epoch: list(sampler), with_index=True)
    orders = {tuple(rows) for _ in range(9) for _, _, rows in loader}
    assert len(orders) > 1


def test_a_dataset_is_no_order(six):
    fold = six.select([1, 2])
    for call in (lambda: ff.Loader(six, order=fold), lambda: six.select(fold)):
        with pytest.raises(
            TypeError,
            match=r"rows must be .*, got Dataset\(.*\n"
            r"It is a dataset already: pass it to Loader\.",
        ):
            call()
    with pytest.raises(TypeError, match=r"the index of a dataset must be .* Dataset$"):
        six[fold]


def test_masks_of_pandas_with_missing_values(six):
    pandas = pytest.importorskip("pandas")
    mask = pandas.Series([True, None, False] * 2, dtype="boolean")
    for call in (lambda: ff.Loader(six, order=mask), lambda: six.select(mask)):
        with pytest.raises(
            TypeError,
            match=r"got object \(6,\)\.\nFill missing values: mask\.fillna\(False\)\.",
        ):
            call()
    assert len(six.select(mask.fillna(False))) == 2


def test_weights_of_bfloat16(six):
    torch = pytest.importorskip("torch")
    weights = torch.ones(6, dtype=torch.bfloat16)
    with pytest.raises(
        TypeError, match=r"a number for each row, got .*\.\nPass weights\.float\(\)\."
    ):
        ff.Loader(six, weights=weights)
    ff.Loader(six, weights=weights.float())
