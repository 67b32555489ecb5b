"""
deploy/install-packages where something is missing: packages_test.py SOURCE

Runs it with a PATH that holds only what is wanted, some of it pretended, and expects one clear message and status 3.
"""
import os
import shutil
import subprocess
import sys
import tempfile

TOOLS = ["bash", "sed", "sort", "comm", "id", "cat", "env"]
NOTHING = "#!/bin/sh\nexit 1\n"


def says(text):
    return f"#!/bin/sh\necho '{text}'\n"


CASES = [  # what; pretended commands; what the message must hold
    ("no Debian", {}, ["no Debian system", "libnng-dev"]),
    ("no apt", {"dpkg-query": NOTHING}, ["missing packages", "libnng-dev", "no apt-get"]),
    ("no root", {"dpkg-query": NOTHING, "apt-get": NOTHING, "id": says("1000")},
     ["as root, run", "apt-get update && apt-get install", "libnng-dev"]),
    ("apt fails", {"dpkg-query": NOTHING, "apt-get": NOTHING, "id": says("0")}, ["apt-get update failed", "libnng-dev"]),
    ("old cmake", {"dpkg-query": None, "cmake": says("cmake version 3.18.4")}, ["version 3.18;", "3.25"]),
    ("older cmake", {"dpkg-query": None, "cmake": says("cmake version 2.8.12")}, ["version 2.8;", "3.25"]),
    ("broken cmake", {"dpkg-query": None, "cmake": NOTHING}, ["version unknown", "3.25"]),
    ("good cmake", {"dpkg-query": None, "cmake": says("cmake version 3.100.0")}, None),
    ("new cmake", {"dpkg-query": None, "cmake": says("cmake version 4.1.0")}, None),
]


def main(source):
    script = os.path.join(source, "deploy", "install-packages")
    with open(script, encoding="utf-8") as stream:
        packages = stream.read().split("packages=(")[1].split(")")[0].split()
    all_there = "#!/bin/sh\n" + "".join(f"echo 'ii  {package}'\n" for package in packages)
    wrong = []
    for what, pretended, expected in CASES:
        with tempfile.TemporaryDirectory() as folder:
            for tool in TOOLS:
                if tool not in pretended:
                    os.symlink(shutil.which(tool), os.path.join(folder, tool))
            for name, text in pretended.items():
                with open(os.path.join(folder, name), "w", encoding="utf-8") as stream:
                    stream.write(all_there if text is None else text)
                os.chmod(os.path.join(folder, name), 0o755)
            result = subprocess.run(["/bin/bash", script], env={"PATH": folder}, stdin=subprocess.DEVNULL,
                                    capture_output=True, text=True, timeout=30, check=False)
        status = 3 if expected else 0
        if result.returncode != status or any(word not in result.stderr for word in expected or []):
            wrong.append(f"{what}: expected {status} and {expected}, found {result.returncode} and {result.stderr}")
    print("\n".join(wrong) if wrong else f"{len(CASES)} machines get what they should be told")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
