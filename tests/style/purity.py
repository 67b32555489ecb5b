"""
The cores are pure: what their archives leave undefined is compared with a short list of what a state machine
may call. No socket, clock, thread, file or random source is on it.

    purity.py --allow lib.a ... -- core.a ...     checks the cores; symbols that allowed archives define are fine
    purity.py --self-test COMPILER                checks the check, on archives made for the purpose
"""
import os
import re
import subprocess
import sys
import tempfile

ALLOWED = re.compile("^(?:" + "|".join([
    "mem(?:cpy|move|set|cmp|chr|rchr|mem|pcpy)", "bcmp",
    "str(?:len|nlen|cmp|ncmp|chr|rchr|chrnul|str|spn|cspn|pbrk|dup|ndup)", "stpcpy",
    "malloc", "calloc", "posix_memalign", "realloc", "reallocarray", "free", "abort", "qsort", "bsearch",
    "v?snprintf", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_",
    # of reeve_base: what only computes
    "reeve_(?:buffer|fifo|heap|map64|hex|id|parse)_\\w+", "reeve_size_format",
    "reeve_strerror", "reeve_error_name", "reeve_assert_failed",
]) + ")$")


def plain(symbol):
    """The name as it is in the source: without version and without the marks of fortified calls."""
    symbol = symbol.split("@")[0]
    fortified = re.match(r"^__(\w+)_chk$", symbol)
    return fortified.group(1) if fortified else symbol


def symbols(archive, *options):
    result = subprocess.run(
        ["nm", "-A", "-P", *options, archive], capture_output=True, text=True, check=True)
    for line in result.stdout.splitlines():
        # archive[member.o]: symbol type ...
        place, rest = line.split(": ", 1)
        name, kind = rest.split()[:2]
        yield place[place.find("[") + 1:-1], name, kind


def check(cores, allowed_archives=()):
    known = set()
    for archive in allowed_archives:
        known |= {name for _, name, _ in symbols(archive, "--defined-only", "-g")}
    findings = []
    for core in cores:
        own = {name for _, name, _ in symbols(core, "--defined-only")}
        for member, name, kind in symbols(core, "-u"):
            if name in own or name in known or ALLOWED.match(plain(name)):
                continue
            findings.append(f"{os.path.basename(core)}: {member} calls {plain(name)}: not for a core")
    return findings


def build(folder, name, source, compiler):
    path = os.path.join(folder, name)
    with open(path + ".c", "w", encoding="utf-8") as stream:
        stream.write(source)
    subprocess.run([compiler, "-O2", "-D_FORTIFY_SOURCE=2", "-fPIC", "-c", path + ".c", "-o", path + ".o"],
                   check=True)
    subprocess.run(["ar", "rcs", path + ".a", path + ".o"], check=True)
    return path + ".a"


def self_test(compiler):
    pure = """
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        int reeve_map64_put(void *); int reeve_ring_push(void *); static int inner(char *p) { return p[3]; }
        int f(char *p, const char *q, int n) {
            char *b = malloc(n); if (!b) abort(); memcpy(b, q, n); snprintf(p, 8, "%s", b);
            free(b); return inner(p) + reeve_map64_put(p) + (int) strlen(q) + reeve_ring_push(p); }"""
    ring = "int reeve_ring_push(void *p) { return p != 0; }"
    impure = {
        "clock_gettime": "#include <time.h>\nint f(struct timespec *t) { return clock_gettime(1, t); }",
        "write": "#include <unistd.h>\nint f(void) { return write(1, \"x\", 1); }",
        "read": "#include <unistd.h>\nint f(char *p, int n) { return read(1, p, n); }",
        "socket": "#include <sys/socket.h>\nint f(void) { return socket(1, 1, 0); }",
        "pthread_mutex_lock": "#include <pthread.h>\nint f(void *m) { return pthread_mutex_lock(m); }",
        "rand": "#include <stdlib.h>\nint f(void) { return rand(); }",
        "getenv": "#include <stdlib.h>\nchar *f(void) { return getenv(\"X\"); }",
        "reeve_log_write": "void reeve_log_write(int); void f(void) { reeve_log_write(1); }",
        "stderr": "#include <stdio.h>\nvoid f(void) { fputs(\"x\", stderr); }",
    }
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        core = build(folder, "pure", pure, compiler)
        ring_archive = build(folder, "ring", ring, compiler)
        if check([core], [ring_archive]):
            failures += 1
            print("self-test: a pure core was refused:", check([core], [ring_archive]))
        if not check([core]):
            failures += 1
            print("self-test: a call into an archive that is not allowed was passed")
        for name, source in impure.items():
            findings = check([build(folder, "impure", source, compiler)])
            if not any(f"calls {name}:" in finding for finding in findings):
                failures += 1
                print(f"self-test: {name} was not found: {findings}")
    print(f"{failures} of {len(impure) + 2} self-tests failed")
    return 1 if failures else 0


def main(arguments):
    if arguments[:1] == ["--self-test"]:
        return self_test(arguments[1])
    if arguments[:1] != ["--allow"] or "--" not in arguments:
        print(__doc__)
        return 2
    middle = arguments.index("--")
    cores = arguments[middle + 1:]
    findings = check(cores, arguments[1:middle])
    for finding in findings:
        print(finding)
    print(f"{len(findings)} findings in {len(cores)} cores")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
