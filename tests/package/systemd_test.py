"""
The units of systemd: systemd_test.py BUILD CMAKE

systemd itself checks them, where it is installed; and their commands are run as they stand there, with their
environment, to see that head and node daemon come up, find each other, and end cleanly when asked.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

PATIENCE_S = 20


def unit_of(path, folder):
    """A unit's command and environment; %S is a folder of ours."""
    with open(path, encoding="utf-8") as stream:
        text = stream.read().replace("%S", folder)
    command = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE).group(1).split()
    variables = re.search(r"^Environment=(.*)$", text, re.MULTILINE).group(1).split()
    return command, dict(v.split("=", 1) for v in variables)


def start(unit, settings):
    command, environment = unit
    ready, theirs = os.pipe()
    process = subprocess.Popen(
        [*command, "--ready-fd", str(theirs)], env={**environment, **settings}, pass_fds=[theirs],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    os.close(theirs)
    with os.fdopen(ready) as stream:
        line = stream.readline()
    if not line.startswith("ready"):
        sys.exit(f"{' '.join(command)} did not become ready: {process.communicate(timeout=PATIENCE_S)[0]}")
    return process


def end(process):
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=PATIENCE_S)
    if process.returncode != 0:
        sys.exit(f"{' '.join(process.args)} ended with {process.returncode} after SIGTERM: {output}")


def main(build, cmake):
    started = []
    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "prefix")
        subprocess.run([cmake, "--install", build, "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
        units = os.path.join(prefix, "lib", "systemd", "system")
        paths = [os.path.join(units, name) for name in ("reeve-head.service", "reeve-worker@.service")]
        if shutil.which("systemd-analyze"):
            result = subprocess.run(["systemd-analyze", "verify", "--man=no", *paths], stdin=subprocess.DEVNULL,
                                    capture_output=True, text=True, check=False)
            complaints = [line for line in result.stderr.splitlines() if "reeve" in line]
            if result.returncode != 0 or complaints:
                sys.exit(f"systemd-analyze verify: {result.returncode}\n{result.stderr}")
        else:
            print("no systemd-analyze here: the units are only run, not verified")

        head, worker = (unit_of(path, os.path.join(folder, "state")) for path in paths)
        address = f"abstract://reeve-units-{os.getpid()}"
        home = os.path.join(folder, "home")
        user = {"HOME": home, "PATH": "/usr/bin:/bin", "REEVE_ADDRESS": address, "REEVE_SLOTS": "1"}
        try:
            started.append(start(head, {"HOME": home, "PATH": "/usr/bin:/bin", "REEVE_LISTEN": address}))
            os.makedirs(os.path.join(home, ".local", "state", "reeve"))
            shutil.copy(os.path.join(folder, "state", "reeve", "key"), os.path.join(home, ".local", "state", "reeve"))
            started.append(start(worker, user))
            status = subprocess.run([os.path.join(prefix, "bin", "reeve"), "status", "--json"], env=user,
                                    stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
            if status.returncode != 0 or '"up"' not in status.stdout:
                sys.exit(f"no node is up: {status.returncode} {status.stdout}{status.stderr}")
            while started:
                end(started.pop())
        finally:
            for process in started:
                process.kill()
                process.wait()
    print("both units run, find each other and end")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
