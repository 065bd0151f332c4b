"""clang-cl, as on Windows, makes the extension's bits: `python -m proof.clang_cl`.

The C core is compiled by Clang as clang-cl for the target of MSVC, with the arguments that setup.py has for it. It runs
under wine on all levels of this machine. Microsoft's headers and libraries are not here: those of MinGW stand in for
them. Of these the headers define away attributes for MSVC, which are given back first, and the libraries lack four
symbols, which are made. So what is shown is what clang-cl makes of the core; nothing is of that library, or of MSVC.

    python -m proof.clang_cl --compiler clang-16

All levels must be there, and every record be, bit by bit, what the extension computes. If not the exit status is 1.
Results are kept in results/clang_cl.json. It takes two to five minutes.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .compilers import version
from .dumps import CORE, SETUP, SOURCES, TABLE, differences, have_same_bits
from .record import RESULTS, keep, machine

#: MinGW's headers, of Debian; its compiler, which links; and what runs programs.
HEADERS, LINKER, RUNNER = "/usr/x86_64-w64-mingw32/include", "x86_64-w64-mingw32-gcc", "/usr/lib/wine/wine64"
_GONE = ("NORETURN", "DEPRECATED", "DEPRECATED_SEC_WARN", "DEPRECATED_MSVC2005", "DEPRECATED_STR(text)")
#: Read before each source: what MinGW's headers define away for MSVC, and what they then cannot say.
FIRST = "#include <_mingw.h>\n#undef __attribute__\n" + "".join(
    f"#undef __MINGW_ATTRIB_{name.partition('(')[0]}\n#define __MINGW_ATTRIB_{name}\n" for name in _GONE
)
#: What a program of MSVC expects of its library; MinGW's check of the stack is the same under another name.
LIBRARY = """
int _fltused;
unsigned long long __security_cookie = 0x2b992ddfa232;
__asm__(".text\\n.globl __security_check_cookie\\n__security_check_cookie: ret\\n"
        ".globl __chkstk\\n__chkstk: jmp ___chkstk_ms\\n");
"""


def built(compiler: Sequence[str], folder: Path, added: Sequence[str] = ()) -> Path:
    """stream_dump for Windows."""
    (folder / "first.h").write_text(FIRST)
    (folder / "library.c").write_text(LIBRARY)
    command = [*compiler, "--driver-mode=cl", "--target=x86_64-pc-windows-msvc"]
    arguments = [*SETUP.compile_arguments("clang-cl", True, lambda options: False), *added, "-Wno-pass-failed"]
    found = [f"/FI{folder}/first.h", "-imsvc", HEADERS, "-Wno-macro-redefined", f"-I{CORE}"]

    def compile_one(source: Path) -> str:
        target = f"{folder}/{source.stem}.obj"
        subprocess.run([*command, *arguments, *found, "/c", f"/Fo{target}", "--", str(source)], check=True)
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, SOURCES))
    program = folder / "stream_dump.exe"
    # Directives in the objects name MSVC's libraries, which MinGW's linker says it does not read.
    linked = [LINKER, *objects, f"{folder}/library.c", "-o", str(program)]
    subprocess.run(linked, check=True, stderr=subprocess.DEVNULL)
    return program


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.clang_cl", description=__doc__)
    parser.add_argument("--compiler", default="clang", metavar="COMMAND", help="(%(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder they are kept in (%(default)s)")
    options = parser.parse_args(argv)
    compiler, start = shlex.split(options.compiler), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        program, dump = built(compiler, Path(folder)), Path(folder) / "dump"
        environment = {**os.environ, "WINEPREFIX": f"{folder}/wine", "WINEDEBUG": "-all"}
        subprocess.run([RUNNER, str(program), str(TABLE), str(dump)], check=True, env=environment)
        found = differences(dump.read_bytes())
    result = keep(
        "clang_cl",
        f"{version(compiler)} as clang-cl builds a core that computes the extension's bits, on every level",
        command=f"python -m proof.clang_cl --compiler {compiler[-1]}",
        holds=have_same_bits(found),
        found=found,
        seconds=time.perf_counter() - start,
        where=machine(headers="MinGW"),
        folder=options.results,
    )
    print(found, result["seconds"], flush=True)
    return int(not result["holds"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
