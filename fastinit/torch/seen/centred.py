"""Centred: whether values may be drawn one by one of laws that are symmetric about zero, as theory takes weights."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

#: Minus the logarithm of how often sums of such values are taken for others' at most: one in 65 million.
_SURE = 18.0


def is_centred(values: Tensor) -> bool:
    """Whether the sum of all, and those of the rows and the columns of a matrix, are as small as theirs would be.

    Equal rows have large sums over columns, constant weights all three; no orthogonal matrix is drawn with larger ones.
    Of fewer than 40 values any may be their signs' chance.
    """
    if not values.numel():
        return True
    matrix = values.detach().flatten(1) if values.ndim > 1 else values.detach()[:, None]
    dtype = torch.promote_types(matrix.dtype, torch.float32)
    sums = [matrix.sum(axis, dtype=dtype) for axis in (0, 1)]
    variances = [torch.linalg.vector_norm(matrix, dim=axis, dtype=dtype).square() for axis in (0, 1)]
    pairs = ((sums[0].sum()[None], variances[0].sum()[None]), *zip(sums, variances, strict=True))
    return not any(_stand_out(*pair) for pair in pairs)


def _stand_out(sums: Tensor, variances: Tensor) -> bool:
    """Whether the squares of sums, r times those of the values in them, are too many.

    A sum of values of random signs is sub-Gaussian whatever their sizes, with the sum v of their squares for a
    variance. So by Chernoff's bound the chance of r > 1 is at most ``exp(-k (r - 1 - log r) / 2)``, k being the sum of
    all v over the largest.
    """
    total, largest = float(variances.sum()), float(variances.max())
    if not largest > 0:
        return False
    r = float(sums.abs().square().sum()) / total
    return r > 1 and total / largest * (r - 1 - log(r)) > 2 * _SURE
