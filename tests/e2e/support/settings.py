"""Where things are, and how patient to be. Set by run.py."""
import os
import pathlib

BUILD = pathlib.Path(os.environ.get("REEVE_E2E_BUILD", pathlib.Path(__file__).parents[3] / "build"))
BIN = BUILD / "bin"
PROGRAMS = BUILD / "tests" / "e2e"
REEVE = BIN / "reeve"

# Sanitizers make everything slower: deadlines and bounds are multiplied by this.
SLOWNESS = float(os.environ.get("REEVE_E2E_SLOWNESS", "1"))

# In namespaces of our own, nothing but the tests is there: audits are exact.
OWN_NAMESPACES = os.environ.get("REEVE_E2E_NAMESPACES") == "1"



def _sanitizer():
    cache = BUILD / "CMakeCache.txt"
    lines = cache.read_text(encoding="utf-8").splitlines() if cache.exists() else []
    return next((line.partition("=")[2] for line in lines if line.startswith("REEVE_SANITIZE:")), "")


# "", "address" or "thread". Under the last vfork is a fork, and why an exec failed is not known.
SANITIZER = _sanitizer()

# In the environment of everything a test starts, and so of all that these start.
MARK_NAME = "REEVE_E2E_MARK"


def seconds(count):
    return count * SLOWNESS
