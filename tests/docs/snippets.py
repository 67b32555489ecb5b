"""
Checks every README.md of the tree: snippets.py SOURCE BUILD CMAKE

    ```c          that begins with /* file: X.c   run: ./X   prints: 0 1 4 */ is a program: it is compiled with the
                  command that the same file gives for it (a ```sh line that begins with `cc X.c`), against the build
                  installed in a folder of its own, run, and its output compared. More lines of output: more lines. It
                  gives up all that it has made, as users are to learn it.
                  One that begins with /* from: path/of/file.c */ is part of that file, word for word.
                  Any other is compiled on its own, for its syntax and its names.
    ```sh         reeve's commands and flags are asked of `reeve CMD --help`; scripts, presets and labels exist.
    `reeve run`   in running text: the command exists. `REEVE_NAME`: something in the tree has that name.
    [links](x)    to files: the file exists.
    <!-- bench -->  a table up to <!-- /bench -->: its shape, not its figures.

And the examples: one whose first comment has "Prints:" with lines below it prints just that.
"""
import os
import re
import subprocess
import sys
import tempfile
import textwrap

import commands
import markdown

PROGRAM = re.compile(r"/\*\s*file:\s*(\S+)\s+run:\s*(.+?)\s+prints:\s*(.*?)\s*\*/", re.DOTALL)
FRAGMENT = re.compile(r"/\*\s*from:\s*(\S+)\s*\*/\n?")
STRICT = ["-std=gnu17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
SOURCES = (".c", ".h", ".py", ".txt", ".cmake", ".def", ".proto", ".service", "run", "install-packages")


def call(words, folder=None, environment=None):
    try:
        return subprocess.run(words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, text=True,
                              timeout=60, capture_output=True, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 1, "", "not finished after a minute")


def output_of(words):
    result = call(words)
    return result.stdout if result.returncode == 0 else None


def lines_of(text):
    """Lines for comparing: without the margin of a comment, ends of lines and empty lines."""
    return [line for line in (re.sub(r"^\s*\*\s", "", raw).strip() for raw in text.splitlines()) if line]


def program_environment():
    """Nothing of the user's; what a program has not given up is said at its end."""
    return {**{k: v for k, v in os.environ.items() if not k.startswith("REEVE_")}, "REEVE_LEAKS": "1"}


def leak(result):
    return "still held at reeve_shutdown" in result.stderr


class Installed:
    """The build, installed in a folder of its own: what users compile against."""

    def __init__(self, build, cmake, folder):
        self.prefix = os.path.join(folder, "prefix")
        result = call([cmake, "--install", build, "--prefix", self.prefix])
        if result.returncode != 0:
            sys.exit(result.stdout + result.stderr)
        configs = [where for where, _, names in os.walk(self.prefix) if "reeve.pc" in names]
        self.environment = {**program_environment(), "PKG_CONFIG_PATH": configs[0]}


def program_problem(block, compile_line, installed):
    name, run, prints = PROGRAM.match(block.text).groups()
    if not compile_line:
        return f"no ```sh line says how to compile {name}: `cc {name} …`"
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, name), "w", encoding="utf-8") as stream:
            stream.write(block.text)
        include = os.path.join(installed.prefix, "include")
        for words in (["cc", *STRICT, "-I", include, name], ["sh", "-ec", compile_line]):
            result = call(words, folder, installed.environment)
            if result.returncode != 0:
                return f"{' '.join(words)}\n{result.stderr}"
        result = call(["sh", "-c", run], folder, installed.environment)
        if result.returncode != 0 or lines_of(result.stdout) != lines_of(prints) or leak(result):
            return f"`{run}` should print\n{prints}\nbut exited with {result.returncode} and\n{result.stdout}{result.stderr}"
    return None


def block_problem(block, root, compile_lines, installed):
    """What is wrong with a ```c block, or None."""
    program, fragment = PROGRAM.match(block.text), FRAGMENT.match(block.text)
    if program:
        return program_problem(block, compile_lines.get(program.group(1)), installed)
    if fragment:
        path = os.path.join(root, fragment.group(1))
        if not os.path.exists(path):
            return f"there is no {fragment.group(1)}"
        with open(path, encoding="utf-8") as stream:
            have = textwrap.dedent(stream.read())
        body = block.text[fragment.end():]
        bare = [line.strip() for line in body.splitlines() if line.strip()]
        if "\n".join(bare) not in "\n".join(line.strip() for line in have.splitlines() if line.strip()):
            return f"this is not in {fragment.group(1)}"
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".c", encoding="utf-8") as stream:
        stream.write("#include <stddef.h>\n#include <stdint.h>\n#include <stdbool.h>\n" + block.text)
        stream.flush()
        result = call(["cc", *STRICT, "-D_GNU_SOURCE", "-I", root, "-I", os.path.join(root, "api", "include"), stream.name])
    return None if result.returncode == 0 else f"it does not compile; or say where it is /* from: … */\n{result.stderr}"


def all_sources(root):
    """The text of all sources, for names that must be somewhere in them."""
    text = []
    for folder, folders, names in os.walk(root):
        folders[:] = [d for d in folders if not markdown.SKIPPED.match(d)]
        for name in names:
            if name.endswith(SOURCES):
                with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as stream:
                    text.append(stream.read())
    return "\n".join(text)


def file_problems(path, root, checker, installed, sources):
    """(line or None, problem) for each thing that is wrong with a read-me file."""
    with open(os.path.join(root, path), encoding="utf-8") as stream:
        text = stream.read()
    found, prose = markdown.blocks(path, text)
    shell = [b for b in found if b.language in ("sh", "bash", "console")]
    compile_lines, made = {}, set()
    for block in shell:
        for line in block.text.splitlines():
            compiles = re.match(r"cc (\S+\.c)\b[^&]*", line)
            if compiles:
                compile_lines[compiles.group(1)] = compiles.group(0)
                made.add(os.path.splitext(compiles.group(1))[0])
    for block in shell:
        for command in commands.split(block.text):
            yield block.line, checker.problem(command, made)
    for block in found:
        if block.language == "c":
            yield block.line, block_problem(block, root, compile_lines, installed)
    for words in re.findall(r"`reeve ([a-z]+(?: [^`]*)?)`", prose):
        yield None, commands.reeve_problem(words.split(), checker.help_of)
    for name in set(re.findall(r"\bREEVE_[A-Z_]*[A-Z]\b", prose)):
        if not re.search(rf"\b{name}", sources):
            yield None, f"nothing in the tree is called {name}"
    for name in markdown.tests(prose):
        yield None, None if checker.has_test(name) else f"there is no test {name}"
    for target in markdown.links(prose):
        if not os.path.exists(os.path.join(root, os.path.dirname(path), target)):
            yield None, f"links to {target}, which is not there"
    yield None, markdown.table_problem("bench", text)


def expected_output(source):
    """What the comment at the head of an example says that it prints, or None."""
    with open(source, encoding="utf-8") as stream:
        head = re.match(r"/\*.*?\*/", stream.read(), re.DOTALL)
    said = re.search(r"^ \* Prints:\n((?: \*     [^\n]*\n)+)", head.group(0), re.MULTILINE) if head else None
    return said and re.sub(r"^ \*     ", "", said.group(1), flags=re.MULTILINE)


def example_problems(root, build):
    """(file, problem or None) for each example that says what it prints."""
    examples = os.path.join(root, "examples")
    for name in sorted(os.listdir(examples)):
        source = os.path.join(examples, name, name + ".c")
        expected = expected_output(source) if os.path.exists(source) else None
        if expected is not None:
            result = call([os.path.join(build, "bin", name)], None, program_environment())
            good = result.returncode == 0 and result.stdout == expected and not leak(result)
            yield source, None if good else (
                f"should print\n{expected}but ended with {result.returncode} and\n{result.stdout}{result.stderr}")


def main(root, build, cmake):
    checker, sources = commands.Checker(root, build, output_of), all_sources(root)
    files, wrong, count = markdown.read_me_files(root), [], 0
    with tempfile.TemporaryDirectory() as folder:
        installed = Installed(build, cmake, folder)
        for path in files:
            for line, problem in file_problems(path, root, checker, installed, sources):
                count += 1
                if problem:
                    wrong.append(f"{path}{f':{line}' if line else ''}: {problem}")
    for path, problem in example_problems(root, build):
        count += 1
        if problem:
            wrong.append(f"{os.path.relpath(path, root)}: {problem}")
    print("\n".join(wrong) if wrong else f"{count} things in {len(files)} files are true")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*map(os.path.abspath, sys.argv[1:3]), sys.argv[3]))
