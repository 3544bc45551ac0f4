"""Perspective maps: the accuracy of their points, and corners without a map."""

import numpy as np
import pytest
import reference
from helpers.against_reference import dataset_of
from reference_draws import Key
from reference_geometry import perspective_points
from reference_transforms import perspective_map

import fmnist_fast as ff
from fmnist_fast.augment import compile_transforms

# ---- points -------------------------------------------------------------------------


def exact_points(corners, shape, x, y):
    """Return source points in pixels, by a system of equations in doubles.

    As in torchvision, the points of the output are `corners` where the source has the
    corners (0, 0), (width - 1, 0), ... of an image whose pixel (0, 0) begins at (0, 0).
    Coordinates are divided by the sides, so that rounding errors are below 1e-10 pixel.
    """
    height, width = shape
    sides = np.array([width, height])
    source = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * (1 - 1 / sides)
    rows, results = [], []
    for (px, py), ends in zip(corners / sides, source):
        for axis, end in enumerate(ends):
            point = [px, py, 1]
            rows.append([*[0] * 3 * axis, *point, *[0] * 3 * (1 - axis)])
            rows[-1] += [-end * px, -end * py]
            results.append(end)
    m = np.append(np.linalg.solve(np.array(rows, float), results), 1).reshape(3, 3)
    u, v, w = m @ np.stack([(x + 0.5) / width, (y + 0.5) / height, np.ones(len(x))])
    return width * u / w - 0.5, height * v / w - 0.5


def most_off(shape, distortion_scale, n=200):
    """Return by how many pixels points of the core are off, at most in n maps."""
    height, width = shape
    fields = ff.RandomPerspective(distortion_scale)._fields(*shape)
    rng, errors = np.random.default_rng(5), []
    for _ in range(n):
        left, right = rng.integers(0, fields["n_x"], (2, 2))
        top, bottom = rng.integers(0, fields["n_y"], (2, 2))
        corners = [
            (left[0], top[0]),
            (width - 1 - right[0], top[1]),
            (width - 1 - right[1], height - 1 - bottom[0]),
            (left[1], height - 1 - bottom[1]),
        ]
        x, y = rng.integers(0, width, 100), rng.integers(0, height, 100)
        x, y = np.append(x, [0, width - 1]), np.append(y, [0, height - 1])
        got = perspective_points(perspective_map(corners, shape), shape, x, y)
        want = np.stack(exact_points(corners, shape, x, y))
        inside = (want > -1).all(axis=0) & (want.T < shape[::-1]).all(axis=1)
        assert inside.sum() > 20
        errors.append(abs(np.stack(got) / 65536 - want)[:, inside].max())
    return max(errors)


@pytest.mark.parametrize(
    "side, most", [(28, 2**-13), (64, 2**-12), (1024, 2**-8), (16384, 2**-4)]
)
def test_points_are_as_accurate_as_the_header_says(side, most):
    assert most / 64 < most_off((side, side), 0.5) < most


@pytest.mark.parametrize("shape", [(16384, 3), (3, 16384)], ids=str)
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_images_of_the_largest_side_equal_the_reference(
    shape, interpolation, cpu_level
):
    image = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    transform = ff.RandomPerspective(1.0, 1.0, interpolation, 9)
    compiled = compile_transforms(transform, *shape, 1)
    got = ff._core.Program(compiled, *shape).run(image, seed=1, epochs=[4], position=0)
    assert np.array_equal(got[0], reference.augmented(compiled, image, Key(1, 4, 0), 0))
    assert (got[0] != 9).any() and (got[0] != image).any()


# ---- maps that do not exist ---------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)], ids=str)
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_images_of_one_row_or_column_are_the_fill(shape, interpolation, cpu_level):
    dataset = dataset_of(*shape, 20)
    transform = ff.RandomPerspective(0.5, 1.0, interpolation, 77)
    loader = ff.Loader(dataset, 20, augment=transform, dtype="uint8", normalize=None)
    ((images, _),) = loader
    assert (images == 77).all() and (dataset.images != 77).any()


def test_corners_on_a_line_have_no_map():
    for corners in (
        [(2, 2), (4, 0), (4, 4), (0, 4)],
        [(0, 0), (2, 2), (4, 4), (0, 4)],
        [(0, 0), (4, 0), (2, 2), (0, 4)],
        [(0, 0), (4, 0), (4, 4), (2, 2)],
        [(1, 1)] * 4,
    ):
        m = perspective_map(corners, (5, 5))
        assert m == (0,) * 9
        x, y = perspective_points(m, (5, 5), np.arange(5), np.arange(5))
        assert (x < -65536).all() and (y < -65536).all()


def can_be_on_a_line(distortion_scale, height, width):
    """Return whether three corners can lie on a line.

    These are the top left corner and its neighbors, because the others are mirrored.
    """
    fields = ff.RandomPerspective(distortion_scale)._fields(height, width)
    x, y = map(np.ravel, np.mgrid[: fields["n_x"], : fields["n_y"]])
    # From the top left corner to the top right one, and to the bottom left one.
    across = width - 1 - x - x[:, None], y - y[:, None]
    down = x - x[:, None], height - 1 - y - y[:, None]
    return any(
        np.any(a[:, None] * d == b[:, None] * c) for a, b, c, d in zip(*across, *down)
    )


def test_small_distortions_always_have_a_map():
    """As the docstring of RandomPerspective says."""
    for shape in ((10, 10), (10, 13), (16, 11), (28, 28), (19, 12)):
        assert not can_be_on_a_line(0.599, *shape)
    assert can_be_on_a_line(0.6, 10, 10)  # in this size first
    assert can_be_on_a_line(9 / 14, 28, 28) and not can_be_on_a_line(0.64, 28, 28)
    assert can_be_on_a_line(0.5, 4, 4)  # fewer than 10 pixels


def test_the_core_meets_corners_on_a_line(cpu_level):
    """A third of the quadrilaterals in an image of 6x6 have three such corners."""
    offsets = np.stack(np.meshgrid(*[np.arange(4)] * 8)).reshape(4, 2, -1)
    a, b, c, d = offsets + 2 * np.array([[0, 0], [1, 0], [1, 1], [0, 1]])[:, :, None]

    def has_area(p, q, r):
        return (q[0] - p[0]) * (r[1] - p[1]) != (q[1] - p[1]) * (r[0] - p[0])

    triangles = (b, c, d), (a, c, d), (a, b, d), (a, b, c)
    expected = 1 - np.all([has_area(*corners) for corners in triangles], axis=0).mean()
    images = np.full((20_000, 6, 6), 90, np.uint8)
    dataset = ff.Dataset.from_arrays(images, np.zeros(len(images), np.uint8))
    options = {"augment": ff.RandomPerspective(1.0, 1.0, fill=255), "dtype": "uint8"}
    got = np.concatenate([x for x, _ in ff.Loader(dataset, 4096, **options)])
    share = (got == 255).all(axis=(1, 2, 3)).mean()
    assert 0.3 < expected < 0.35 and abs(share - expected) < 0.02
