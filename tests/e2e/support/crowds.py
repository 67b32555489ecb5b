"""Nodes that are nothing but sessions, as many as are wanted: programs/crowd.c."""
import queue
import subprocess
import threading
import time

from . import processes, settings


def status_command(cluster):
    return [str(settings.REEVE), "status", "--json", "--address", cluster.address, "--key-file", str(cluster.key_file)]


class Crowd:
    def __init__(self, cluster, nodes):
        self.popen = subprocess.Popen(
            [str(settings.PROGRAMS / "crowd"), cluster.address, str(cluster.key_file), str(nodes)], env=cluster.environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.joined, self.failures = 0, []
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.popen.stdout:
            self.lines.put(line.split())
        self.lines.put(None)

    def until(self, condition, within, what):
        """The words of the first line that fits."""
        deadline = time.monotonic() + settings.seconds(within)
        while True:
            try:
                words = self.lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise processes.Late(f"{what}: {self.joined} have joined, failed dials: {self.failures}") from None
            assert words is not None, "the crowd has ended"
            if words[0] == "joined":
                self.joined = int(words[1])
            elif words[0] == "failed":
                self.failures.append(" ".join(words[1:]))
            if condition(words):
                return words

    def until_joined(self, count, within):
        """Since the crowd began."""
        return float(self.until(lambda words: words[:2] == ["joined", str(count)], within, f"{count} nodes")[2])

    def until_back(self, count, within):
        """When the head has been killed."""
        self.until(lambda words: words[0] == "joined" and self.joined < count, within, "a node that has noticed")
        return self.until_joined(count, within)

    def grant(self, count, within=60):
        """Median and worst of so many leases one after the other, us."""
        self.popen.stdin.write(f"grant {count}\n")
        words = self.until(lambda words: words[0] == "granted", within, "leases")
        return float(words[2]), float(words[3])

    def end(self):
        self.popen.stdin.close()
        self.popen.wait()
