"""The bench of the path between nodes: nodes.py BUILD [--json] [--seconds S] [--only ROW] [--tls]

Makes four hosts (network namespaces on a bridge, tests/e2e/support): the head, two nodes with a worker each, a driver. Prints rows as
`reeve bench` does; the floors are measured between the driver's host and the first node's, in the same run, when nothing else runs:
before the rows and after them, and the better counts, because on a shared machine they are half as good in one minute as in the next.

    nodes_async            calls a second, 4,000 under way
    nodes_sync             one call at a time, median; floor: an nng round trip between the hosts, and two processes woken
    nodes_sync_cold        the same, each after 5 ms of rest
    nodes_argument_64mb    from the call to its answer, with an argument that has to travel; floor: a TCP stream between the hosts
    nodes_view_64mb        a result, from the answer to its last byte read, where it lies
    nodes_result_64mb      the same, to a copy in new memory of the program's own
    broadcast_1gb          1 GiB that was put, for a task on each of four nodes: what arrives in all; floor: a TCP stream
    broadcast_1gb_sent     how many copies of it the driver's host has sent for that, headers and all; floor: 2 (as long as four want it,
                           the first two get it from there)

With --tls the cluster's addresses begin with tls+tcp://, and the rows are named nodes_tls_async and so on; the floors stay in plain."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

BROADCAST = ("broadcast_1gb", "broadcast_1gb_sent")
FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent / "e2e"))


def figures(text):
    return {name: float(value) for name, value in (line.split() for line in text.splitlines())}


def run(options):
    from support import cluster as clusters
    from support import hosts, settings
    program = str(settings.BIN / "reeve_bench_nodes")
    environment = {"PATH": os.environ["PATH"], "HOME": options.folder, "TMPDIR": options.folder}

    def call(*words, host, **more):
        return figures(subprocess.run([*host.prefix(), program, *words], env={**environment, **more}, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, text=True, check=True).stdout)

    def measure(network, nodes, words, **more):
        """In a cluster whose head is on the first host, whose driver is on the last; and the bytes that this has sent."""
        cluster = clusters.Cluster(pathlib.Path(tempfile.mkdtemp(dir=options.folder)), environment)
        driver = network.hosts[-1]
        try:
            cluster.start_head(f"{'tls+' if options.tls else ''}tcp://{network.hosts[0].address}:6380", host=network.hosts[0])
            for host in nodes:
                cluster.start_node(slots=1, host=host, arguments=["--store", "2GiB"], log_level="warn")
            before = driver.sent_bytes()
            values = call(*words, host=driver, REEVE_ADDRESS=cluster.address, REEVE_KEY_FILE=str(cluster.key_file), **more)
            return values, driver.sent_bytes() - before
        finally:
            cluster.stop()

    network = hosts.Network(4)
    try:
        second, third, fourth = network.hosts[1:]
        values = {}
        with subprocess.Popen([*second.prefix(), program, "serve", second.address], env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True) as server:
            server.stdout.readline()
            before = call("floors", second.address, host=fourth)
            if options.only not in BROADCAST:
                values = measure(network, [second, third], ["drive", str(options.seconds), options.only])[0]
            after = call("floors", second.address, host=fourth)
            server.kill()
        floors = {name: (max if name == "tcp_stream" else min)(value, after[name]) for name, value in before.items()}
    finally:
        network.close()
    if not options.only or options.only in BROADCAST:
        network = hosts.Network(6)
        try:
            found, sent = measure(network, network.hosts[1:5], ["broadcast", f"{options.folder}/met"])
            values.update(found, broadcast_1gb_sent=sent / (1 << 30))
        finally:
            network.close()
    round_trip = floors["nng_round_trip"] + floors["ring_futex"]
    rows = {"nodes_async": ("1/s", None), "nodes_sync": ("us", round_trip), "nodes_sync_cold": ("us", round_trip),
            **{f"nodes_{what}_64mb": ("GB/s", floors["tcp_stream"]) for what in ("argument", "view", "result")},
            "broadcast_1gb": ("GB/s", floors["tcp_stream"]), "broadcast_1gb_sent": ("copies", 2)}
    for name, value in values.items():
        unit, floor = rows[name]
        if options.tls:
            name = name.replace("_", "_tls_", 1)
        row = {"name": name, "value": value, "unit": unit, "floor": floor, "ratio": floor and round(value / floor, 3)}
        if options.json:
            print(json.dumps(row))
        else:
            print(f"{name:28} {value:14.4g} {unit:8} {floor or '-':>14} {row['ratio'] or '-':>10}")


def main():
    parser = argparse.ArgumentParser(description="the path between nodes")
    parser.add_argument("build")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.inside:
        import run as e2e
        os.environ["REEVE_E2E_BUILD"] = os.path.abspath(options.build)
        words = [*e2e.unshare(), "sh", "-c", e2e.SETUP + ' && exec "$@"', "sh", sys.executable, __file__, *sys.argv[1:], "--inside"]
        os.execvp(words[0], words)
    with tempfile.TemporaryDirectory() as folder:
        options.folder = folder
        run(options)


if __name__ == "__main__":
    main()
