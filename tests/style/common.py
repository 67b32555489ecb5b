"""What the style checks share: the files of the tree, and the way findings are reported."""
import os
import re
import sys
import tempfile

SKIPPED = re.compile(r"^(\.git|\.cache|build.*|install|__pycache__|\.pytest_cache)$")


def tree_files(root, extensions):
    """Paths, relative to root and sorted, of the files with these extensions; builds are skipped."""
    found = []
    for folder, folders, names in os.walk(root):
        top = folder == root
        folders[:] = [d for d in folders if not (SKIPPED.match(d) and (top or d[0] in "._"))]
        for name in names:
            if name.endswith(extensions):
                found.append(os.path.relpath(os.path.join(folder, name), root))
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as stream:
        return stream.read()


def without_comments(text, keep_strings=False):
    """C source with comments (and the insides of strings) blanked; lines keep their numbers."""
    pattern = re.compile(
        r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)

    def blank(match):
        found = match.group(0)
        if found[0] == "/":
            return re.sub(r"[^\n]", " ", found)
        return found if keep_strings else found[0] + found[0]

    return pattern.sub(blank, text)


def self_test(check, cases):
    """
    Proves that a check can fail, and can pass. cases: (name, {path: text}, expected), where expected is a
    pattern that some finding must match, or None when there must be none.
    """
    failures = 0
    for name, files, expected in cases:
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                full = os.path.join(root, path)
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, "w", encoding="utf-8") as stream:
                    stream.write(text)
            findings = check(root)
        good = not findings if expected is None else any(re.search(expected, f) for f in findings)
        if not good:
            failures += 1
            print(f"self-test '{name}': expected {expected!r}, found {findings}")
    print(f"{len(cases) - failures} of {len(cases)} self-tests passed")
    return 1 if failures else 0


def main(check, cases):
    """ROOT: checks that tree. --self-test: checks the check."""
    if sys.argv[1:] == ["--self-test"]:
        return self_test(check, cases)
    if len(sys.argv) != 2:
        print(f"usage: {sys.argv[0]} ROOT | --self-test")
        return 2
    findings = check(sys.argv[1])
    for finding in findings:
        print(finding)
    print(f"{len(findings)} findings" if findings else "clean")
    return 1 if findings else 0
