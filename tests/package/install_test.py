"""
Installs a build into a new folder, moves that folder, and builds the consumer against it with pkg-config and
with find_package, and runs it on a cluster of its own. The move shows that nothing installed holds the path it was
installed to; no variable tells the programs where library and command are.
"""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
EXPECTED = "42\n"


def run(*command, **more):
    result = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{result.stdout}{result.stderr}")
    return result.stdout


def check(condition, text):
    if not condition:
        sys.exit("failed: " + text)


def find(folder, name):
    for where, _, names in os.walk(folder):
        if name in names:
            return os.path.join(where, name)
    sys.exit(f"failed: {name} is not installed")


def exported_symbols(library):
    lines = run("nm", "-D", "--defined-only", library).splitlines()
    return {line.split()[2].split("@")[0] for line in lines}


def main(build, cmake):
    with tempfile.TemporaryDirectory() as scratch:
        first, prefix = os.path.join(scratch, "first"), os.path.join(scratch, "prefix")
        run(cmake, "--install", build, "--prefix", first)
        os.rename(first, prefix)

        library = find(prefix, "libreeve.so.0")
        soname = run("objdump", "-p", library)
        check("SONAME               libreeve.so.0\n" in soname, "the soname is libreeve.so.0")
        check("nng" not in soname, "the client library needs no network library")
        stray = {s for s in exported_symbols(library) if not s.startswith(("reeve_", "REEVE_"))}
        check(not stray, f"only reeve_ symbols are exported, not {sorted(stray)}")
        for header in ("reeve.h", "reeve_errors.h"):
            find(os.path.join(prefix, "include"), header)

        plain = {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH" and not k.startswith("REEVE_")}
        environment = dict(plain, PKG_CONFIG_PATH=os.path.dirname(find(prefix, "reeve.pc")))
        flags = run("pkg-config", "--cflags", "--libs", "reeve", env=environment).split()
        program = os.path.join(scratch, "by-pkg-config")
        source = os.path.join(HERE, "consumer", "consumer.c")
        run("cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", source, "-o", program, *flags)
        check(run(program, env=environment) == EXPECTED, "the program built by pkg-config runs")

        folder = os.path.join(scratch, "by-cmake")
        run(cmake, "-G", "Ninja", "-S", os.path.join(HERE, "consumer"), "-B", folder, f"-DCMAKE_PREFIX_PATH={prefix}")
        run(cmake, "--build", folder)
        check(run(os.path.join(folder, "consumer"), env=plain) == EXPECTED, "the program built by cmake runs")

        command = os.path.join(prefix, "bin", "reeve")
        if os.path.exists(command):
            check(run(command, "--version", env=plain).strip(), "the command runs, after a move")
    print("installed, moved, and used in both ways")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
