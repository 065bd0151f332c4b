"""What compilers are told to make the C core of, for setup.py and for the tests that build the core themselves."""

import os
import subprocess
from collections.abc import Callable, Sequence

# Equal bits need every operation rounded on its own: no contraction, and no relaxed mathematics. The last two only say
# that errno and the floating-point flags are not looked at, which lets a square root or a comparison be a vector.
EXACT = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]

# GCC leaves instructions in the order of the source unless told to let long chains run side by side: truncated normals
# by AVX2 take a third less time so. Other compilers do it unasked, and know no such option.
ORDERING = ["-fschedule-insns", "-fsched-pressure"]

# GCC does not align the stack for wide registers on Windows, which only moves that ask for it mind. (Clang does.)
UNALIGNED_MOVES = ["-Wa,-muse-unaligned-vector-move", "-DFI_UNALIGNED_MOVES"]

SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1", "-g", "-fno-omit-frame-pointer"]


def takes(command: Sequence[str], options: Sequence[str]) -> bool:
    """Whether a compiler of the family of GCC knows these options."""
    trial = [*command, *options, "-c", "-x", "c", os.devnull, "-o", os.devnull]
    return subprocess.run(trial, capture_output=True).returncode == 0


def compile_arguments(family: str, windows: bool, takes: Callable[[Sequence[str]], bool]) -> list[str]:
    """For `family` "gnu" (GCC, Clang, MinGW; `takes` says which options one of them knows), "clang-cl" or "msvc"."""
    if family == "msvc":
        return ["/O2", "/std:c11", "/fp:precise"]
    if family == "clang-cl":
        return ["/std:c11", *(f"/clang:{argument}" for argument in EXACT)]
    platform = [] if windows else ["-pthread", "-fvisibility=hidden"]
    optional = [ORDERING, UNALIGNED_MOVES] if windows else [ORDERING]
    known = [option for options in optional if takes(options) for option in options]
    return ["-std=gnu11", *EXACT, "-g0", *platform, *known]


def link_arguments(family: str, windows: bool) -> list[str]:
    return ["-pthread", "-lm"] if family == "gnu" and not windows else []
