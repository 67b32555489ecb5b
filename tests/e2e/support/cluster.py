"""Clusters to join: a head and node daemons, started as an operator would, each with its own state folder."""
import json
import os
import secrets
import select
import signal
import subprocess
import time

from . import processes, settings


class Daemon:
    """`reeve head` or `reeve worker`, ready when it has said so. Its output and log are files in its state folder."""

    def __init__(self, kind, arguments, environment, folder, within=15, prefix=(), log_level="debug"):
        folder.mkdir(parents=True, exist_ok=True)
        self.kind, self.folder = kind, folder
        self.log_path = folder / f"{kind}.log"
        self.said_path = folder / f"{kind}.said"
        ready, ready_end = os.pipe()
        self.command = [
            *prefix, str(settings.REEVE), kind, *map(str, arguments), "--state-dir", str(folder), "--log-file", str(self.log_path),
            "--log-level", log_level, "--ready-fd", str(ready_end)]
        with open(self.said_path, "ab") as said:
            self.popen = subprocess.Popen(
                self.command, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said, pass_fds=(ready_end,))
        os.close(ready_end)
        self.pid = self.popen.pid
        self.ready_line = ""
        if within:
            self.wait_ready(ready, within)
        else:
            os.close(ready)

    def wait_ready(self, ready, within):
        deadline = time.monotonic() + settings.seconds(within)
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([ready], [], [], max(0, deadline - time.monotonic()))[0]:
                self.end()
                raise processes.Late(f"not ready within {within} s\n{self.said()}")
            data = os.read(ready, 4096)
            if not data:
                self.end()
                raise AssertionError(f"it ended before it was ready\n{self.said()}")
            line += data
        os.close(ready)
        self.ready_line = line.decode().strip()

    def said(self):
        text = f"$ {' '.join(self.command)}\n"
        for path in (self.said_path, self.log_path):
            if path.exists():
                text += f"--- {path.name} ---\n" + "".join(path.read_text(errors="replace").splitlines(True)[-60:])
        return text

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def until_logged(self, text, within=5):
        processes.until(lambda: text in self.log(), settings.seconds(within), f'"{text}" in the log of the {self.kind}')

    def kill(self, number=signal.SIGKILL, within=5):
        """Returns its exit status, or minus the signal."""
        processes.kill(self.pid, number)
        processes.wait_gone([self.pid], settings.seconds(within), f"the {self.kind}")
        return self.popen.wait()

    def end(self):
        if self.popen.poll() is None:
            processes.kill(self.pid)
        self.popen.wait()


class Cluster:
    """A head and its nodes, here or on hosts of their own (hosts.py)."""

    def __init__(self, folder, environment):
        self.folder = folder
        self.environment = dict(environment)
        self.key = secrets.token_hex(32)
        self.key_file = folder / "key"
        self.key_file.touch(0o600)
        self.key_file.write_text(self.key + "\n")
        self.daemons = []
        self.nodes = []
        self.programs = []
        self.head = None
        self.address = None
        self.prefix = ()

    def start_head(self, listen="tcp://127.0.0.1:0", host=None, prefix=()):
        prefix = host.prefix() if host else prefix
        self.head = Daemon(
            "head", ["--listen", listen, "--key-file", self.key_file], self.environment, self.folder / "head", prefix=prefix)
        self.daemons.append(self.head)
        words = [word for word in self.head.ready_line.split() if "://" in word]
        self.address = words[0] if words else listen
        return self.head

    def start_node(self, slots=2, host=None, name=None, hidden=(), arguments=(), environment=(), within=15,
                   log_level="debug", store="256MiB"):
        """`store` None: as large as it is where nobody says so."""
        prefix = host.prefix(hidden) if host else ()
        folder = self.folder / (name or f"node{len(self.nodes) + 1}")
        node = Daemon(
            "worker", ["--head", self.address, "--slots", str(slots), "--key-file", self.key_file,
                       *(["--store", store] if store else []), *arguments],
            {**self.environment, **dict(environment)}, folder, within, prefix, log_level)
        self.daemons.append(node)
        self.nodes.append(node)
        return node

    def driver(self, command, host=None, environment=(), hidden=(), **options):
        """A program that joins."""
        settings_ = {**self.environment, "REEVE_ADDRESS": self.address, "REEVE_KEY_FILE": str(self.key_file)}
        settings_.update(dict(environment))
        prefix = host.prefix(hidden) if host else ()
        program = processes.Program([*prefix, *command], settings_, **options)
        self.programs.append(program)
        return program

    def tool(self, *arguments, host=None):
        prefix = host.prefix() if host else ()
        return subprocess.run(
            [*prefix, str(settings.REEVE), *arguments, "--address", self.address, "--key-file", str(self.key_file)],
            env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=settings.seconds(30),
            check=False)

    def status(self, host=None):
        done = self.tool("status", "--json", "--leases", host=host)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def until_status(self, condition, within=10, what="status", host=None):
        return processes.until(lambda: condition(self.status(host)), settings.seconds(within), what)

    def nodes_up(self, host=None):
        return [node for node in self.status(host)["nodes"] if node["state"] == "up"]

    def said(self):
        return "\n".join([program.said() for program in self.programs] + [daemon.said() for daemon in self.daemons])

    def stop(self):
        """By force; that a clean end is clean is tested by itself."""
        for program in self.programs:
            program.close()
        for daemon in reversed(self.daemons):
            daemon.end()
