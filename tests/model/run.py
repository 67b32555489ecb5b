#!/usr/bin/env python3
"""Checks one Promela model: run.py slot

For each line of the table below: spin makes a verifier, the C compiler compiles it, and it searches all states. A search that is
not complete fails as an error does. Lines with a mutation must give an error: they break the protocol on purpose, and show that the
model would notice. Exit code 77: spin is not installed."""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))

# model -> (flags of the right protocol, ends may be anywhere, its mutations)
MODELS = {
    "slot": [
        (["P=3"], True, ["NO_LAP", "RECLAIM_CLAIMED", "FORGET_REVOKED", "NO_MARK", "EARLY_RETRY", "EARLY_DONE",
                         "STORE_CLAIM", "REAP_LATE"]),
        (["P=4", "NO_PAYLOAD"], True, ["NO_LAP", "RECLAIM_CLAIMED"]),
        (["P=3", "ALIVE"], False, ["FORGET_RECALL"]),
    ],
    "doorbell": [
        ([], False, ["NO_RING_FENCE", "NO_ARM_FENCE", "NO_RECHECK", "NO_COMPARE", "LOADED_MODE"]),
    ],
    "drain": [
        ([], False, ["LEAVE_NO_RECHECK", "LEAVE_UNARMED", "SUBMIT_UNARMED", "TIMED_FOREVER", "TIMED_UNLOOKED"]),
        (["USERS=2"], False, ["LEAVE_NO_RECHECK", "ROLE_UNLOCKED", "SLEEPER_UNTOLD"]),
    ],
    "lock": [
        ([], False, ["TAKE_PLAIN", "NO_COMPARE", "NO_WAKE", "SEEN_LATE", "LOADED_FREE"]),
    ],
    "seal": [
        ([], True, ["PUBLISH_FIRST", "NO_HEAR", "NO_HEAR_FREE", "NO_DRAIN", "REAP_ALIVE", "REAP_OWNER_ALIVE", "NO_ANCHOR",
                    "CLOSED_NO_ANCHOR", "LET_GO_READING", "OWN_PLACE"]),
    ],
    "gift": [
        ([], True, ["ANSWER_FIRST", "NOT_ITS_OWN", "UNTOLD", "DEAF", "LETS_GO_ALWAYS", "HEIR_UNSEEN"]),
        (["HELD"], True, ["ANSWER_FIRST", "FREE_HELD", "HOLDER_FORGOTTEN", "DEAD_HOLDS"]),
    ],
}


def verify(model, flags, ends_anywhere, optimise):
    """The verifier's output for the model with these flags."""
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "model.pml")
        shutil.copy(os.path.join(HERE, model + ".pml"), source)
        subprocess.run(["spin", "-a"] + ["-D" + flag for flag in flags] + [source], cwd=folder, check=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        subprocess.run([os.environ.get("CC", "cc"), optimise, "-w", "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=2000", "-o", "pan",
                        "pan.c"], cwd=folder, check=True)
        options = ["-m1000000"] + (["-E"] if ends_anywhere else [])
        return subprocess.run(["./pan"] + options, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


def outcome(output):
    """'sound', 'error', or 'incomplete'; pan also stops its search at an error and calls that not completed."""
    if "errors: 0" not in output:
        return "error" if "errors: 1" in output else "incomplete"
    if "Search not completed" in output or "max search depth too small" in output or "reached -DMEMLIM" in output:
        return "incomplete"
    return "sound"


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in MODELS:
        sys.exit("usage: run.py " + "|".join(MODELS))
    if shutil.which("spin") is None:
        print("skipped: the model is not checked, because spin is not installed")
        sys.exit(77)
    model = sys.argv[1]
    failures = 0
    for flags, ends_anywhere, mutations in MODELS[model]:
        for mutation in [None] + mutations:
            all_flags = flags + ([mutation] if mutation else [])
            try:
                output = verify(model, all_flags, ends_anywhere, "-O0" if mutation else "-O2")
                got = outcome(output)
            except subprocess.CalledProcessError as error:
                output, got = str(error.stdout or error), "broken"
            wanted = "error" if mutation else "sound"
            states = [line.strip() for line in output.splitlines() if "states, stored" in line]
            print(f"{model} {' '.join(all_flags) or '-'}: {got}, {states[0] if states else '?'}", flush=True)
            if got != wanted:
                failures += 1
                print(f"  wanted: {wanted}\n{output}")
    sys.exit(1 if failures else 0)


main()
