#!/usr/bin/env python3
"""The functions of a call after a rest, in the order in which they run: hot_functions.py [BUILD]

Writes api/client/hot_functions.txt, from which the linker puts them side by side, and prints how many cache lines and pages of code
and data a call touches on each side: that is what such a call pays for. Driver and worker run under valgrind's lackey, which prints
every instruction and every access.
"""
import bisect
import pathlib
import re
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent
TREE = FOLDER.parent.parent
LIST = TREE / "api" / "client" / "hot_functions.txt"
HEAD = """\
# The functions of a call and of its answer, in the order in which they run: the caller's, those of both sides, the worker's. The
# linker puts them side by side, for after a rest a call pays for every page that it touches. Written by tests/bench/hot_functions.py.
"""
ACCESS = re.compile(r"^(I | S| L| M) +([0-9a-f]+),(\d+)$")
LACKEY = ["valgrind", "--tool=lackey", "--trace-mem=yes"]


def parts(trace, mark):
    """The accesses between each mark and the next."""
    part, found = None, []
    with open(trace, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            match = ACCESS.match(line.rstrip("\n"))
            if not match:
                continue
            kind, address, size = match[1].strip(), int(match[2], 16), int(match[3])
            if kind == "I" and address == mark:
                if part:
                    found.append(part)
                part = []
            if part is not None:
                part.append((kind, address, size))
    return found


class Library:
    def __init__(self, path):
        output = subprocess.run(["nm", "-S", "--defined-only", path], check=True, capture_output=True, text=True).stdout
        rows = [line.split() for line in output.splitlines()]
        self.symbols = sorted((int(row[0], 16), int(row[1], 16), row[3]) for row in rows if len(row) == 4 and row[2] in "tT")
        self.starts = [symbol[0] for symbol in self.symbols]
        self.init = next(symbol[0] for symbol in self.symbols if symbol[2] == "reeve_init")

    def function(self, offset):
        at = bisect.bisect_right(self.starts, offset) - 1
        if at >= 0 and offset < self.symbols[at][0] + self.symbols[at][1]:
            return self.symbols[at][2].split(".")[0]
        return None


def order(library, base, part, names):
    for kind, address, _ in part:
        name = library.function(address - base) if kind == "I" else None
        if name and name not in names:
            names.append(name)


def print_footprint(title, part):
    text = []
    for what, kinds in (("code", "I"), ("data", "SLM")):
        touched = [(address, size) for kind, address, size in part if kind in kinds]
        lines = {at // 64 for address, size in touched for at in (address, address + size - 1)}
        text.append(f"{what} {len(lines)} lines in {len({line // 64 for line in lines})} pages")
    print(f"{title}: {sum(kind == 'I' for kind, _, _ in part)} instructions, {', '.join(text)}")


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else TREE / "build").resolve()
    library = Library(build / "lib" / "libreeve.so")
    names = {"caller": [], "worker": []}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        program, wrap = folder / "program", folder / "wrap"
        subprocess.run(["cc", "-O2", "-no-pie", f"-I{TREE}/api/include", FOLDER / "hot_functions.c", "-o", program, f"-L{build}/lib",
                        "-lreeve", f"-Wl,-rpath,{build}/lib"], check=True)
        lackey = [*LACKEY, f"--log-file={folder}/trace-%p", str(program)]
        wrap.write_text(f"#!/bin/sh\nexec {' '.join(lackey)}\n", encoding="utf-8")
        wrap.chmod(0o755)
        with subprocess.Popen(lackey, env={"PATH": "/usr/bin:/bin", "BASE": f"{folder}/base", "WRAP": str(wrap),
                                           "REEVE_PROGRAM": str(build / "bin" / "reeve")}) as driver:
            if driver.wait() != 0:
                sys.exit("hot_functions: the traced program failed")
        pids = sorted((int(path.name.split("-")[1]) for path in folder.glob("base-*")), key=lambda pid: pid != driver.pid)
        if len(pids) != 2:
            sys.exit(f"hot_functions: {len(pids)} processes were traced, not a driver and a worker")
        for side, pid in zip(("caller", "worker"), pids):
            init, mark = (int(word, 16) for word in (folder / f"base-{pid}").read_text(encoding="utf-8").split())
            found = parts(folder / f"trace-{pid}", mark)
            if side == "caller":
                found = found[::2] # what lies between are the rests
            quick, slow = found[-2], found[-1]
            for part in (quick, slow):
                order(library, init - library.init, part, names[side])
            print_footprint(side, slow)
    both = [name for name in names["caller"] if name in names["worker"]]
    sides = [[name for name in names[side] if name not in both] for side in ("caller", "worker")]
    ordered = [*sides[0], *both, *sides[1]]
    LIST.write_text(HEAD + "".join(f"{name}\n" for name in ordered), encoding="utf-8")
    print(f"{len(ordered)} functions in {LIST.relative_to(TREE)}")


if __name__ == "__main__":
    main()
