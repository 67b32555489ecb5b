"""
Small rules that a machine can keep: width, tabs, trailing space, length of files, an opening comment, and calls
that are never right here. A line may break a rule for calls when it says why: /* tidy: reason */. Long comments
are mended by rewrap.py.
"""
import re
import sys

from common import main, read, tree_files, without_comments

WIDTH = 100
LENGTH = 800  # a ratchet: lower it when all files are shorter
CODE = (".c", ".h")
TEXT = CODE + (".py", ".md", ".cmake", ".txt", ".proto", ".def", ".sh", ".yml", ".yaml", ".json")

BANNED = {  # name: what to use instead
    "strcpy": "snprintf or memcpy", "strcat": "snprintf", "strncpy": "snprintf or memcpy",
    "sprintf": "snprintf", "vsprintf": "vsnprintf", "gets": "fgets", "strtok": "strsep",
    "atoi": "reeve_parse_i64", "atol": "reeve_parse_i64", "atoll": "reeve_parse_i64",
    "rand": "reeve_prng_next", "srand": "reeve_prng_init", "random": "reeve_prng_next",
    "system": "posix_spawn", "popen": "posix_spawn", "tmpnam": "mkstemp", "mktemp": "mkstemp",
    "alloca": "a fixed array", "accept": "accept4", "pipe": "pipe2", "epoll_create": "epoll_create1",
    "dup": "fcntl with F_DUPFD_CLOEXEC", "asctime": "strftime", "ctime": "strftime",
    "gmtime": "gmtime_r", "localtime": "localtime_r",
}
SLEEPS = {"sleep", "usleep", "nanosleep"}
SLEEPLESS = ("tests/unit/", "tests/sim/", "tests/fuzz/", "tests/model/")
NEEDS_FLAG = {  # name: what its arguments must hold
    "open": "O_CLOEXEC|O_PATH", "openat": "O_CLOEXEC", "open64": "O_CLOEXEC", "socket": "SOCK_CLOEXEC",
    "socketpair": "SOCK_CLOEXEC", "accept4": "SOCK_CLOEXEC", "pipe2": "O_CLOEXEC",
    "memfd_create": "MFD_CLOEXEC", "eventfd": "EFD_CLOEXEC", "epoll_create1": "EPOLL_CLOEXEC",
    "signalfd": "SFD_CLOEXEC", "timerfd_create": "TFD_CLOEXEC", "inotify_init1": "IN_CLOEXEC",
    "mkostemp": "O_CLOEXEC", "fopen": '"[^"]*e[^"]*"', "fdopen": '"',
}
CALL = re.compile(r"(?<![\w.>])([a-z_][a-z0-9_]*)\s*\(")
ALLOWED = re.compile(r"/\* tidy: \S.* \*/")


def arguments(text, at):
    """What stands between the parenthesis that opens before `at` and the one that closes it."""
    depth, end = 1, at
    while end < len(text) and depth > 0:
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        end += 1
    return text[at:end - 1]


def is_declaration(text, start):
    """A name right after a type, as in `int open(...)`, is not called."""
    before = re.search(r"([A-Za-z_]\w*)[ \t*]+$", text[:start])
    return before is not None and before.group(1) not in ("return", "else", "do", "case")


def check_calls(path, text):
    code = without_comments(text, keep_strings=True)
    bare = without_comments(text)
    lines = text.split("\n")
    # calls are found in `bare`, which has lost the insides of strings: look them up again in `code` by count
    found = {}
    for match in CALL.finditer(bare):
        name = match.group(1)
        line = bare.count("\n", 0, match.start()) + 1
        if name not in BANNED and name not in SLEEPS and name not in NEEDS_FLAG:
            continue
        if is_declaration(bare, match.start()) or ALLOWED.search(lines[line - 1]):
            continue
        if name in BANNED:
            yield f"{path}:{line}: {name}: use {BANNED[name]}"
        elif name in SLEEPS and path.startswith(SLEEPLESS):
            yield f"{path}:{line}: {name}: a test waits for what it needs, not for time to pass"
        elif name in NEEDS_FLAG:
            starts = [m for m in CALL.finditer(code)
                      if m.group(1) == name and code.count("\n", 0, m.start()) + 1 == line]
            index = found.get((name, line), 0)
            found[(name, line)] = index + 1
            if index < len(starts):
                given = arguments(code, starts[index].end())
                if not re.search(NEEDS_FLAG[name], given):
                    yield f"{path}:{line}: {name}: without {NEEDS_FLAG[name].split('|')[0]}"


def check_lines(path, text):
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            yield f"{path}:{number}: trailing space"
        if "\t" in line and path.endswith(CODE + (".py", ".cmake")):
            yield f"{path}:{number}: tab"
        if len(line) > WIDTH and path.endswith(CODE):
            yield f"{path}:{number}: {len(line)} columns; {WIDTH} at most"
    if text and not text.endswith("\n"):
        yield f"{path}:{len(lines)}: no newline at the end"
    if path.endswith(CODE + (".py",)) and len(lines) > LENGTH:
        yield f"{path}: {len(lines)} lines; {LENGTH} at most: split it"
    if path.endswith(CODE) and not text.startswith("/*"):
        yield f"{path}:1: opens without a comment that says what the file is for"


def check(root):
    findings = []
    for path in tree_files(root, TEXT):
        text = read(root, path)
        findings += check_lines(path, text)
        if path.endswith(CODE):
            findings += check_calls(path, text)
    return findings


HEAD = "/* x */\n"
CASES = [
    ("clean", {
        "a.c": HEAD + 'void f(void)\n{\n    int fd = open("sprintf(", O_RDONLY |\n        O_CLOEXEC);\n'
                      '    /* strcpy(a, b) */\n    x->open(1);\n    FILE *s = fopen("a", "re");\n}\n',
        "tests/e2e/a.c": HEAD + "int main(void)\n{\n    sleep(1);\n}\n"}, None),
    ("width", {"a.c": HEAD + "//" + "x" * 99 + "\n"}, "101 columns"),
    ("wide, not in bytes", {"a.c": HEAD + "//" + "─" * 98 + "\n"}, None),
    ("tab", {"a.h": HEAD + "\tint x;\n"}, "a.h:2: tab"),
    ("trailing space", {"README.md": "x \n"}, "README.md:1: trailing space"),
    ("no newline", {"a.py": "x"}, "no newline at the end"),
    ("long", {"a.c": HEAD + "\n" * 800}, "lines; 800 at most"),
    ("no comment", {"a.c": "int x;\n"}, "opens without a comment"),
    ("strcpy", {"a.c": HEAD + "void f(void)\n{\n    strcpy(a, b);\n}\n"}, "a.c:4: strcpy: use"),
    ("returned atoi", {"a.c": HEAD + "int f(void)\n{\n    return atoi(a);\n}\n"}, "a.c:4: atoi"),
    ("said why", {"a.c": HEAD + "void f(void)\n{\n    dup(1); /* tidy: inherited */\n}\n"}, None),
    ("open", {"a.c": HEAD + "void f(void)\n{\n    x = open(path, O_RDONLY);\n}\n"},
     "open: without O_CLOEXEC"),
    ("second open", {
        "a.c": HEAD + "void f(void)\n{\n    open(a, O_CLOEXEC), open(b, 0);\n}\n"}, "without O_CLOEXEC"),
    ("fopen", {"a.c": HEAD + 'void f(void)\n{\n    x = fopen(path, "r");\n}\n'}, "fopen: without"),
    ("sleep in a unit test", {
        "tests/unit/a.c": HEAD + "void f(void)\n{\n    usleep(10);\n}\n"}, "a test waits for what"),
]

if __name__ == "__main__":
    sys.exit(main(check, CASES))
