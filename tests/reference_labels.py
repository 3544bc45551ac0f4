"""Labels of a batch: in their data type, as one-hot rows, or mixed."""

import numpy as np

F = np.float32


def batch_labels(labels, label_dtype, n_classes, rows, mixtures):
    """Return the labels of some rows of a global batch.

    The one-hot row of a sample is weighted by its share, and that of its partner by the
    rest. Only one-hot labels are mixed. The twin of src/labels.h.

    Parameters
    ----------
    labels : integer array
        Label of each sample of the global batch.
    label_dtype : "uint8", "int32", "int64" or "onehot"
    n_classes : int
        Width of one-hot labels.
    rows : list of int
        Rows of the global batch to return.
    mixtures : list of Mixture
        How each of these rows is mixed (reference_mix.py).

    Returns
    -------
    array of shape (len(rows),), or float32 of shape (len(rows), n_classes)
    """
    if label_dtype != "onehot":
        return labels[rows].astype(label_dtype)
    onehot = np.eye(n_classes, dtype=F)[labels]
    return np.stack(
        [
            share * onehot[row] + (F(1) - share) * onehot[partner]
            for row, (partner, share, *_) in zip(rows, mixtures)
        ]
    )
