"""Arrays, and the widths of their items."""

from __future__ import annotations

from typing import Any

import numpy as np

F32, F64, U16, U32, U64 = np.float32, np.float64, np.uint16, np.uint32, np.uint64
Array = np.ndarray[Any, Any]
