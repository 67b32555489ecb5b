#!/usr/bin/env python3
"""Where the instructions of a call go: profile.py [BUILD [CALLS]]

Runs driver and worker of `reeve bench` under callgrind, a thousand calls under way, and prints how many instructions one call
takes on each side, by function. The same as Markdown goes to PROFILE.md beside this file. The counts are of a warm run: callgrind's
counters are zeroed when as many calls have been made as are then counted. Instructions spent spinning are part of it (both
processes run some fifty times slower than they do, and wait for each other more), in functions that say so by their names.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent
ROWS = 25
FUNCTION = re.compile(r"^(c?fn)=\((\d+)\)(?: (.*))?$")
COST = re.compile(r"^[+*-]?\d* ?\d+$")


def write_wrapper(folder, program):
    path = folder / "wrap"
    path.write_text(f"""#!/bin/sh
exec valgrind -q --tool=callgrind --callgrind-out-file={folder}/worker.out.%p {program} "$@"
""", encoding="utf-8")
    path.chmod(0o755)
    return path


def control(pids, what):
    for pid in pids:
        subprocess.run(["vgdb", f"--pid={pid}", *what], check=True, capture_output=True, timeout=60)


def worker_pid(folder):
    found = [path for path in folder.iterdir() if path.name.startswith("worker.out.")]
    if len(found) != 1:
        sys.exit(f"profile: {len(found)} workers were started, not one")
    return int(found[0].name.split(".")[2])


def line_is(driver, word):
    line = driver.stdout.readline().strip()
    if line != word:
        sys.exit(f"profile: the driver said {line!r}, not {word!r}")


def costs(path, calls):
    """[(instructions a call, function)], the most expensive first: own instructions, so the line after each `calls=`, which has
    what the called function took, is skipped. (callgrind_annotate counts it in for functions that had not returned.)"""
    names, rows, function, skip = {}, {}, "", False
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        match = FUNCTION.match(line)
        if match:
            kind, number, name = match.groups()
            name = names.setdefault(number, name)
            function = name if kind == "fn" else function
        elif line.startswith("calls="):
            skip = True
        elif COST.match(line):
            if not skip:
                rows[function] = rows.get(function, 0) + int(line.split()[1]) / calls
            skip = False
    return sorted(((cost, name.split("'")[0]) for name, cost in rows.items()), reverse=True)


def table(title, rows):
    total = sum(cost for cost, _ in rows)
    lines = [f"## {title}: {total:.0f} instructions a call", "", "| instructions | function |", "|--:|---|"]
    lines += [f"| {cost:.1f} | `{name}` |" for cost, name in rows[:ROWS]]
    rest = total - sum(cost for cost, _ in rows[:ROWS])
    return "\n".join([*lines, f"| {rest:.1f} | all others |", ""])


def measure(folder, program, calls):
    environment = {**os.environ, "REEVE_SLOTS": "1", "REEVE_LOG_DIR": str(folder),
                   "REEVE_BENCH_WRAP_WORKER": str(write_wrapper(folder, program))}
    with subprocess.Popen(
            ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={folder}/driver.out", program, "bench", "--part", "calls",
             "--calls", str(calls)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            stderr=open(folder / "said", "w", encoding="utf-8")) as driver: # pylint: disable=consider-using-with
        line_is(driver, "warm")
        pids = [driver.pid, worker_pid(folder)]
        control(pids, ["zero"])
        driver.stdin.write("\n")
        driver.stdin.flush()
        line_is(driver, "done")
        control(pids, ["dump"])
        driver.stdin.close()
    return [costs(folder / name, calls) for name in ("driver.out.1", f"worker.out.{pids[1]}.1")]


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
    calls = int(sys.argv[2]) if len(sys.argv) > 2 else 50000
    with tempfile.TemporaryDirectory() as name:
        driver, worker = measure(pathlib.Path(name), build / "bin" / "reeve", calls)
    commit = subprocess.run(["git", "-C", FOLDER, "rev-parse", "--short", "HEAD"], capture_output=True, text=True,
                            check=False).stdout.strip() or "unknown"
    text = "\n".join([
        "# Where the instructions of a call go", "",
        f"Made by `tests/bench/profile.py build {calls}` at commit {commit}: {calls:,} calls of one integer, a thousand under way, one",
        "worker; each function's own instructions, without those of what it calls.", "",
        table("Driver", driver), table("Worker", worker)])
    (FOLDER / "PROFILE.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
