"""Every C file is as clang-format leaves it. To mend: clang-format -i FILE."""
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from common import main, tree_files

HERE = os.path.dirname(os.path.abspath(__file__))
STYLE = os.path.join(HERE, "..", "..", ".clang-format")
BATCH = 16


def check(root):
    files = tree_files(root, (".c", ".h"))
    batches = [files[i:i + BATCH] for i in range(0, len(files), BATCH)]

    def run(batch):
        return subprocess.run(
            ["clang-format", f"--style=file:{STYLE}", "--dry-run", "-Werror", *batch],
            cwd=root, capture_output=True, text=True, check=False)

    findings = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for result in pool.map(run, batches):
            places = re.findall(r"^(\S+?:\d+):\d+: error: (.*?) \[", result.stderr, re.MULTILINE)
            findings += [f"{place}: {text}" for place, text in places]
            if result.returncode != 0 and not places:
                findings.append(result.stderr)
    return findings


CASES = [
    ("clean", {"a.c": "int f(void)\n{\n    return 1;\n}\n"}, None),
    ("brace", {"a.c": "int f(void) {\n    return 1;\n}\n"}, r"a\.c:1: code should be clang-formatted"),
    ("indent", {"d/a.h": "struct a {\n  int b;\n};\n"}, r"d/a\.h:1: "),
]

if __name__ == "__main__":
    if shutil.which("clang-format") is None:
        print("clang-format is not installed")
        sys.exit(77)
    sys.exit(main(check, CASES))
