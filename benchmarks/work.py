"""What is compared: a work is what has to be done with every image of an epoch."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from .usage import usable_cores

PADDING = 4  # pixels around the image that a random crop may reach into
FLIP_P = ERASING_P = 0.5
ERASING_SCALE = (0.02, 0.33)  # of the image's area
ERASING_RATIO = (0.3, 3.3)  # height over width of the rectangle
DEGREES, TRANSLATE, SCALE = 10, 0.1, (0.9, 1.1)  # of the affine map, each way


@dataclass(frozen=True)
class Work:
    """Shuffled epochs over all images in batches, each with integer labels (n,).

    Attributes
    ----------
    name : str
    title : str
        For tables.
    batch_size : int
    dtype : "float32" or "uint8"
        Of the images, (n, 1, 28, 28). float32 is normalised, ``x * scale + bias``.
    augment : tuple of "crop", "flip", "erasing" and "affine"
        Drawn anew for every image and epoch, by the constants above.
    """

    name: str
    title: str
    batch_size: int = 128
    dtype: str = "float32"
    augment: tuple[str, ...] = ()

    def to_json(self) -> dict:
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict) -> Work:
        return cls(**{**fields, "augment": tuple(fields["augment"])})


_ALL = [
    Work("plain", "shuffle + normalise"),
    Work("crop_flip", "+ crop + flip", augment=("crop", "flip")),
    Work("erasing", "+ crop + flip + erasing", augment=("crop", "flip", "erasing")),
    Work("affine", "+ affine, bilinear", augment=("affine",)),
    Work("uint8", "shuffle, uint8", dtype="uint8"),
    *(Work(f"plain_{size}", f"batch {size}", size) for size in (32, 512, 4096)),
]
WORKS = {work.name: work for work in _ALL}
QUICK = ("plain", "crop_flip")


def each_of(**choices: list) -> list[dict]:
    """Settings to try, every combination: ``each_of(a=[1, 2])`` is two dicts."""
    settings: list[dict] = [{}]
    for name, values in choices.items():
        settings = [
            {**setting, name: value} for setting in settings for value in values
        ]
    return settings


def threads() -> list[int]:
    """Numbers of threads to try: one, and one for each core."""
    return sorted({1, usable_cores()})


def workers() -> list[int]:
    """Numbers of worker processes to try: none, one, and one for each core."""
    return sorted({0, 1, usable_cores()})
