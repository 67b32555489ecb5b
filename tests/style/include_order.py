"""
Who may include whom.

Every file belongs to a layer by its folder; a layer may include only those named beside it. Headers may not
include each other in circles. What knows sockets, loops, clocks or threads is kept out of the cores: only
files named as shells may include such headers. Quoted includes are written from the root of the tree.
"""
import fnmatch
import os
import re
import sys

from common import main, read, tree_files, without_comments

LAYERS = [  # the first folder that matches
    ("api/include/", "public"),
    ("api/client/", "client"),
    ("api/cli/", "cli"),
    ("runtime/base/", "base"),
    ("runtime/wire/", "wire"),
    ("runtime/channel/", "channel"),
    ("runtime/node/", "node"),
    ("runtime/worker/", "worker"),
    ("objectstore/", "objectstore"),
    ("scheduler/", "scheduler"),
    ("examples/", "examples"),
    ("tests/", "tests"),
]

MAY_INCLUDE = {
    "public": {"public"},
    "base": {"base", "public"},
    "wire": {"wire", "base", "public"},
    "channel": {"channel", "wire", "base", "public"},
    "objectstore": {"objectstore", "base", "public"},
    "scheduler": {"scheduler", "wire", "base", "public"},
    "node": {"node", "objectstore", "channel", "wire", "base", "public"},
    "client": {"client", "channel", "wire", "base", "public"},
    "worker": {"worker", "client", "channel", "wire", "base", "public"},
    "cli": {"cli", "client", "channel", "wire", "base", "public"},
    "examples": {"examples", "public"},
}

# The `reeve` program is command line, head and node in one: the command line may call their mains.
EXCEPTIONS = {("cli", "scheduler/head_main.h"), ("cli", "runtime/node/node_main.h")}

# Files that deal with the world outside; the rest of their folder is a core.
SHELLS = [
    "*_main.[ch]", "*/shell.[ch]", "*/shell_*.[ch]", "*_shell.[ch]",
    "scheduler/journal*.[ch]", "scheduler/http*.[ch]",
    "objectstore/io_*.[ch]", "runtime/wire/link*.[ch]",
]
CORES = ["scheduler/*", "objectstore/*", "runtime/node/*", "api/client/owner*"]

OUTSIDE = re.compile(
    r"^(uv\.h|nng/.*|time\.h|sys/time\.h|sys/timerfd\.h|pthread\.h|threads\.h|signal\.h|poll\.h"
    r"|sys/socket\.h|sys/epoll\.h|sys/random\.h|sqlite3\.h|runtime/base/(clock|log|process|cpus)\.h)$")

# nng aborts a process that forks after using it: it must never come near a user's process.
DAEMONS_ONLY = re.compile(r"^nng/.*")
DAEMON_FOLDERS = ("scheduler/", "runtime/node/", "runtime/wire/", "tests/")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def layer_of(path):
    for folder, layer in LAYERS:
        if path.startswith(folder):
            return layer
    return None


def is_any(path, patterns):
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def includes_of(root, path):
    text = without_comments(read(root, path), keep_strings=True)
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1) == '"', match.group(2)


def find_circles(graph):
    """One finding for each circle of headers that a walk in depth comes upon."""
    findings, done = [], set()

    def walk(path, stack):
        if path in stack:
            findings.append("circle: " + " -> ".join(stack[stack.index(path):] + [path]))
            return
        if path in done:
            return
        for target in graph.get(path, []):
            walk(target, stack + [path])
        done.add(path)

    for path in sorted(graph):
        walk(path, [])
    return findings


def check(root):
    findings, graph = [], {}
    for path in tree_files(root, (".c", ".h")):
        layer = layer_of(path)
        if layer is None:
            findings.append(f"{path}: in no folder that include_order.py knows")
            continue
        for line, quoted, name in includes_of(root, path):
            where = f"{path}:{line}: includes {name}"
            target = name
            if not os.path.exists(os.path.join(root, target)):
                public = "api/include/" + name
                beside = os.path.join(os.path.dirname(path), name)
                if os.path.exists(os.path.join(root, public)):
                    if quoted and layer != "public":
                        findings.append(f"{where}: write <{name}>")
                    target = public
                elif quoted and layer == "examples" and os.path.exists(os.path.join(root, beside)):
                    target = beside
                elif quoted and not name.endswith(".pb-c.h"):
                    findings.append(f"{where}: not found from the root of the tree")
            is_core = is_any(path, CORES) and not is_any(path, SHELLS)
            if is_core and OUTSIDE.match(name):
                findings.append(f"{where}: a core sees no socket, clock or thread (shells do)")
            if DAEMONS_ONLY.match(name) and not path.startswith(DAEMON_FOLDERS):
                findings.append(f"{where}: nng lives in the daemons only")
            target_layer = layer_of(target)
            if target_layer is None:
                continue
            graph.setdefault(path, []).append(target)
            if layer == "tests" or (layer, target) in EXCEPTIONS:
                continue
            if target_layer not in MAY_INCLUDE[layer]:
                findings.append(f"{where}: {layer} may not include {target_layer}")
    return findings + find_circles(graph)


EMPTY = "/* x */\n"
CASES = [
    ("clean", {
        "api/include/reeve.h": '#include "reeve_errors.h"\n', "api/include/reeve_errors.h": EMPTY,
        "runtime/base/a.h": "#include <reeve_errors.h>\n",
        "runtime/node/core.c": '#include "runtime/base/a.h"\n#include <string.h>\n',
        "runtime/node/node_main.c": "#include <uv.h>\n#include <nng/nng.h>\n",
        "examples/x/main.c": '#include <reeve.h>\n#include "util.h"\n', "examples/x/util.h": EMPTY,
        "tests/unit/t.c": '#include "runtime/base/a.h"\n'}, None),
    ("upwards", {
        "runtime/base/a.c": '#include "scheduler/s.h"\n', "scheduler/s.h": EMPTY},
     "base may not include scheduler"),
    ("sideways", {
        "objectstore/a.c": '#include "runtime/channel/ring.h"\n', "runtime/channel/ring.h": EMPTY},
     "objectstore may not include channel"),
    ("not rooted", {
        "runtime/base/a.c": '#include "b.h"\n', "runtime/base/b.h": EMPTY}, "not found from the root"),
    ("public quoted", {
        "runtime/base/a.c": '#include "reeve.h"\n', "api/include/reeve.h": EMPTY}, "write <reeve.h>"),
    ("circle", {
        "runtime/base/a.h": '#include "runtime/base/b.h"\n',
        "runtime/base/b.h": '#include "runtime/base/a.h"\n'}, "^circle: "),
    ("uv in a core", {"scheduler/core.c": "#include <uv.h>\n"}, "a core sees no socket"),
    ("clock in a core", {
        "api/client/owner.c": '#include "runtime/base/clock.h"\n', "runtime/base/clock.h": EMPTY},
     "a core sees no socket"),
    ("nng in the client", {"api/client/shell.c": "#include <nng/nng.h>\n"}, "daemons only"),
    ("internals in an example", {
        "examples/x.c": '#include "runtime/base/a.h"\n', "runtime/base/a.h": EMPTY},
     "examples may not include base"),
    ("in a comment", {
        "scheduler/core.c": '/*\n#include <uv.h>\n*/\n// "\n'}, None),
]

if __name__ == "__main__":
    sys.exit(main(check, CASES))
