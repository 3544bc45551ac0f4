"""The workloads to compare. A workload is the task for each image of an epoch."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from .usage import usable_cores

PADDING = 4  # pixels around the image that a random crop may reach into
FLIP_P = ERASING_P = 0.5
ERASING_SCALE = (0.02, 0.33)  # share of the image's area
ERASING_RATIO = (0.3, 3.3)  # height divided by width of the rectangle
# An affine map rotates by up to DEGREES in both directions, shifts by up to TRANSLATE
# of a side in all directions, and scales by a factor in SCALE.
DEGREES, TRANSLATE, SCALE = 10, 0.1, (0.9, 1.1)


@dataclass(frozen=True)
class Work:
    """Shuffled epochs over all images, in batches with integer labels (n,).

    Attributes
    ----------
    name : str
        Key in `WORKS`.
    title : str
        Title in tables.
    batch_size : int
        Number of images in a batch; the last batch may be smaller.
    dtype : "float32" or "uint8"
        Data type of the images, (n, 1, 28, 28). float32 images are normalized:
        ``x * scale + bias``.
    augment : tuple of "crop", "flip", "erasing" and "affine"
        Transforms, with the constants above. They are drawn for every image and epoch.
    """

    name: str
    title: str
    batch_size: int = 128
    dtype: str = "float32"
    augment: tuple[str, ...] = ()

    def to_json(self) -> dict:
        """Return the attributes as a dict that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict) -> Work:
        """Return the workload with the attributes that `to_json` returned."""
        return cls(**{**fields, "augment": tuple(fields["augment"])})


_ALL = [
    Work("plain", "shuffle + normalize"),
    Work("crop_flip", "+ crop + flip", augment=("crop", "flip")),
    Work("erasing", "+ crop + flip + erasing", augment=("crop", "flip", "erasing")),
    Work("affine", "+ affine, bilinear", augment=("affine",)),
    Work("uint8", "shuffle, uint8", dtype="uint8"),
    *(Work(f"plain_{size}", f"batch {size}", size) for size in (32, 512, 4096)),
]
WORKS = {work.name: work for work in _ALL}
QUICK = ("plain", "crop_flip")


def each_of(**choices: list) -> list[dict]:
    """Return a dict for every combination of choices, two for ``each_of(a=[1, 2])``."""
    settings: list[dict] = [{}]
    for name, values in choices.items():
        settings = [
            {**setting, name: value} for setting in settings for value in values
        ]
    return settings


def threads() -> list[int]:
    """Return the numbers of threads to try: one, and one for each core."""
    return sorted({1, usable_cores()})


def workers() -> list[int]:
    """Return the numbers of worker processes to try: none, one, one for each core."""
    return sorted({0, 1, usable_cores()})
