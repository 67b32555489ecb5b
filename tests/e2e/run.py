"""Runs one file of end-to-end tests: run.py BUILD FILE [pytest options…]

In network, process and mount namespaces of their own, where that is possible: then nothing else is there to be mistaken for a
leftover, any port may be used, and whatever a failed test leaves behind ends with the namespaces. Where it is not (in some
containers), the tests run without; those that need hosts of their own are skipped, and audits see processes only."""
import os
import subprocess
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
SETUP = "ip link set lo up && mount -t tmpfs none /run && mkdir -p /run/netns"


def unshare():
    words = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts", "--ipc"]
    if os.geteuid() != 0:
        words += ["--user", "--map-root-user"]
    return [*words, "--"]


def main():
    build, test, *options = sys.argv[1:]
    environment = {**os.environ, "REEVE_E2E_BUILD": os.path.abspath(build), "PYTHONDONTWRITEBYTECODE": "1"}
    pytest = [sys.executable, "-m", "pytest", "-q", "-ra", "-p", "no:cacheprovider", "--tb=short",
              os.path.join(FOLDER, test), *options]
    probe = subprocess.run(
        [*unshare(), "sh", "-c", SETUP], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if probe.returncode == 0:
        environment["REEVE_E2E_NAMESPACES"] = "1"
        command = [*unshare(), "sh", "-c", SETUP + ' && exec "$@"', "sh", *pytest]
    else:
        print(f"no namespaces of our own here ({probe.stderr.strip()}): audits are less strict", flush=True)
        command = pytest
    os.execvpe(command[0], command, environment)


if __name__ == "__main__":
    main()
