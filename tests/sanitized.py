"""Runs a test of a sanitizer build: sanitized.py FOLDER COMMAND…

What the sanitizers find in any process of the test goes to files in FOLDER, as daemons and workers have no
standard error that anybody reads. When there is one at the end the test has failed, whatever its exit status."""
import os
import pathlib
import shutil
import subprocess
import sys

OPTIONS = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS")
LENGTH_MAX = 12000


def main():
    folder, command = pathlib.Path(sys.argv[1]), sys.argv[2:]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environment = {**os.environ, "REEVE_REPORTS": str(folder)}
    for name in OPTIONS:
        given = environment.get(name)
        environment[name] = (given + ":" if given else "") + f"log_path={folder}/report"
    status = subprocess.run(command, env=environment, check=False).returncode
    sys.stdout.flush()
    reports = sorted(folder.iterdir())
    for path in reports[:5]:
        print(f"\n=== {path} ===\n{path.read_text(errors='replace')[:LENGTH_MAX]}")
    if reports:
        print(f"{len(reports)} reports of the sanitizers are in {folder}")
        return 1
    folder.rmdir()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
