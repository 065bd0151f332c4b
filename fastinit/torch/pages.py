"""Pages: fresh memory in the largest the system has. First touches of small ones take longer than the fill."""

from __future__ import annotations

import ctypes
import sys

import torch

#: Below it there is hardly a large page in it.
LEAST_BYTES = 1 << 22
_LARGE = 1 << 21
_MADV_HUGEPAGE = 14

_madvise = ctypes.CDLL(None).madvise if sys.platform == "linux" else None


def advise_large_pages(tensor: torch.Tensor) -> None:
    """Ask for large pages under a tensor of this process's memory. What has been touched stays as it is."""
    storage = tensor.untyped_storage()
    if _madvise is None or storage.nbytes() < LEAST_BYTES:
        return
    begin = -(-storage.data_ptr() // _LARGE) * _LARGE
    end = (storage.data_ptr() + storage.nbytes()) // _LARGE * _LARGE
    if begin < end:  # a system without them refuses, which is no matter
        _madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _MADV_HUGEPAGE)
