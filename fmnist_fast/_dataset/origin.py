"""Read the dataset of a pickle again, from the files that the pickle refers to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import FormatError

_ADVICE = (
    "A pickle of a loaded dataset refers to its files, and needs them unchanged in the "
    "same place.\nLoad the dataset again, or pickle it where the files are now."
)


def reread(
    origin: Sequence[Any],
    fingerprint: str,
    format: str,
    title: str,
    extra: Mapping[str, Any],
) -> Any:
    """Return a pickled Dataset, read from its files, with `extra` columns.

    `origin` is a function and its arguments.
    Raise FileNotFoundError if a file is missing, and FormatError if one has changed.
    """
    read, arguments = origin
    try:
        dataset = read(*arguments)
    except (FileNotFoundError, NotADirectoryError) as error:
        missing = error.filename or error
        raise FileNotFoundError(
            f"{missing}: the pickled dataset {title!r} needs this file, which was not "
            f"found.\n{_ADVICE}"
        ) from None
    except FormatError as error:
        raise FormatError(
            f"{error}\nThe pickled dataset {title!r} needs this file.\n{_ADVICE}"
        ) from None
    if dataset.fingerprint != fingerprint:
        raise FormatError(
            f"{dataset.source}: files have changed since the dataset {title!r} was "
            f"pickled.\nThe fingerprint was {fingerprint}, and is "
            f"{dataset.fingerprint} now.\n{_ADVICE}"
        )
    return dataset.with_columns(extra).with_format(format)
