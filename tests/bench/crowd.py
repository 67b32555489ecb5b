"""The bench of a head with many nodes: crowd.py BUILD [--nodes N] [--seconds S]

Starts a head and a crowd (tests/e2e/programs/crowd.c: sessions, heartbeats and leases of N nodes over loopback, with nothing behind
them), and prints a row each:

    crowd_join_s              until all have joined that have begun at once
    crowd_head_node_kb        memory of the head for each of them (private and shared, less that of one without nodes)
    crowd_head_cpu_us         processor time of the head for each node and second: heartbeats both ways
    crowd_grant_us            from the end of a lease to the next one's grant, one after the other, median
    crowd_status_s            `reeve status`, all of it
    crowd_grant_beside_us     worst grant while `reeve status` is made over and over
    crowd_back_s              until all are back after the head was killed and started again
    crowd_restart_s           of that, until the head was ready"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent / "e2e"))


def row(name, value):
    print(f"{name:26} {value:12.4g}", flush=True)


def run(options):
    from support import cluster as clusters
    from support import crowds, processes
    folder = pathlib.Path(options.folder)
    environment = {"PATH": os.environ["PATH"], "HOME": options.folder, "TMPDIR": options.folder}
    cluster = clusters.Cluster(folder, environment)
    try:
        head = cluster.start_head()
        time.sleep(0.5)
        empty = processes.pss_bytes(head.pid)
        crowd = crowds.Crowd(cluster, options.nodes)
        row("crowd_join_s", crowd.until_joined(options.nodes, options.within))
        time.sleep(2)
        row("crowd_head_node_kb", (processes.pss_bytes(head.pid) - empty) / options.nodes / 1024)
        before, began = processes.cpu_seconds(head.pid), time.monotonic()
        time.sleep(options.seconds)
        used = (processes.cpu_seconds(head.pid) - before) / (time.monotonic() - began)
        row("crowd_head_cpu_us", used / options.nodes * 1e6)
        row("crowd_grant_us", crowd.grant(1000)[0])
        began = time.monotonic()
        assert len(cluster.nodes_up()) == options.nodes
        row("crowd_status_s", time.monotonic() - began)
        asking = subprocess.Popen(["sh", "-c", "while :; do \"$@\" >/dev/null || exit 1; done", "sh", *crowds.status_command(cluster)],
                                  env=environment, stdin=subprocess.DEVNULL)
        time.sleep(0.5)
        row("crowd_grant_beside_us", crowd.grant(2000)[1])
        asking.kill()
        asking.wait()
        listen = cluster.address
        began = time.monotonic()
        head.kill()
        cluster.start_head(listen=listen)
        ready = time.monotonic() - began
        crowd.until_back(options.nodes, options.within)
        row("crowd_back_s", time.monotonic() - began)
        row("crowd_restart_s", ready)
        for line in crowd.failures:
            print(f"a dial failed: {line}")
        crowd.end()
    finally:
        cluster.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--within", type=float, default=120)
    options = parser.parse_args()
    os.environ["REEVE_E2E_BUILD"] = os.path.abspath(options.build)
    with tempfile.TemporaryDirectory(prefix="crowd.") as folder:
        options.folder = folder
        run(options)


if __name__ == "__main__":
    main()
