"""Hosts: network namespaces on one bridge, each with its own host name and, where wanted, folders hidden from it.

         bridge (no address)
        /     |      |     \\
    10.77.0.1 .2     .3     .4        h1 h2 h3 h4

Everything lives in the namespaces that run.py has made, so it ends with them, whatever happens."""
import json
import os
import secrets
import subprocess


def _ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Host:
    def __init__(self, network, number):
        self.name = f"h{number}"
        self.address = f"10.77.0.{number}"
        self.space = f"{network}-{self.name}"
        inside, outside = f"{network}i{number}", f"{network}o{number}"
        _ip("netns", "add", self.space)
        _ip("link", "add", outside, "type", "veth", "peer", "name", inside)
        _ip("link", "set", inside, "netns", self.space)
        _ip("link", "set", outside, "master", network, "up")
        _ip("-n", self.space, "addr", "add", f"{self.address}/24", "dev", inside)
        _ip("-n", self.space, "link", "set", inside, "up")
        _ip("-n", self.space, "link", "set", "lo", "up")
        self.inside, self.outside = inside, outside

    def prefix(self, hidden=()):
        """What comes before a command, so that it runs here: the process keeps its pid. `hidden` folders are empty there."""
        script = 'hostname "$1"; shift'
        for folder in hidden:
            script += f"; mount -t tmpfs none '{folder}'"
        return ["nsenter", f"--net=/run/netns/{self.space}", "unshare", "--uts", "--mount", "/bin/sh", "-ec",
                script + '; exec "$@"', "sh", self.name]

    def slow_down(self, rate="200mbit"):
        """What leaves it takes its time; False: the kernel cannot do that."""
        return subprocess.run(
            ["tc", "-n", self.space, "qdisc", "add", "dev", self.inside, "root", "tbf", "rate", rate, "burst", "256k", "latency", "50ms"],
            check=False, capture_output=True).returncode == 0

    def give_up_soon(self):
        """It asks for a neighbour that is not there once, and not for three seconds."""
        for name, value in (("mcast_solicit", 1), ("retrans_time_ms", 100)):
            subprocess.run([*self.prefix(), "sh", "-c", f"echo {value} >/proc/sys/net/ipv4/neigh/{self.inside}/{name}"], check=True)

    def sent_bytes(self):
        """What has left it."""
        done = subprocess.run(["ip", "-s", "-j", "link", "show", "dev", self.outside], check=True, capture_output=True, text=True)
        return json.loads(done.stdout)[0]["stats64"]["rx"]["bytes"]

    def unplug(self):
        _ip("link", "set", self.outside, "down")

    def plug(self):
        _ip("link", "set", self.outside, "up")

    def unix_sockets(self):
        done = subprocess.run(
            [*self.prefix(), "cat", "/proc/net/unix"], check=True, capture_output=True, text=True)
        return [line.split()[-1] for line in done.stdout.splitlines() if "reeve" in line]


class Network:
    def __init__(self, count):
        self.name = "rv" + secrets.token_hex(3)
        self.hosts = []
        _ip("link", "add", self.name, "type", "bridge")
        _ip("link", "set", self.name, "up")
        for number in range(1, count + 1):
            self.hosts.append(Host(self.name, number))

    def close(self):
        for host in self.hosts:
            _ip("netns", "del", host.space)
        _ip("link", "del", self.name)
        for host in self.hosts:
            assert not os.path.exists(f"/run/netns/{host.space}")
