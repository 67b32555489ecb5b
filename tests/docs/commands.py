"""Commands in read-me files: do the reeve commands and their flags exist, and the scripts, presets and labels?"""
import json
import os
import re
import shlex

SEPARATORS = {"&&", "||", ";", "|", "&"}


def split(text):
    """The commands in a block of shell, as lists of words; comments and $(…) are left out."""
    text = re.sub(r"\\\n", " ", text)
    for line in text.splitlines():
        line = re.sub(r"\$\([^)]*\)", "", line)
        words = shlex.shlex(line, posix=True, punctuation_chars="&|;")
        words.whitespace_split = True
        words.commenters = ""
        command = []
        for word in words:
            if word.startswith("#") and not command:
                break
            if word == "#":
                break
            if word in SEPARATORS:
                yield command
                command = []
            else:
                command.append(word)
        yield command


def without_environment(command):
    """Drops `NAME=value` before a command, and `export NAME=value` altogether."""
    while command and re.fullmatch(r"[A-Za-z_]\w*=.*", command[0], re.DOTALL):
        command = command[1:]
    return [] if command[:1] == ["export"] else command


def reeve_problem(words, help_of):
    """
    What is wrong with `reeve words…`, or None. help_of(command) gives the text of `reeve command --help`, or None
    when there is no such command; help_of("") that of `reeve --help`.
    """
    if not words:
        return None
    if words[0].startswith("-"):
        name, text, rest = "", help_of(""), words
    else:
        name, rest = words[0], words[1:]
        text = help_of(name)
        if text is None:
            return f"there is no command `reeve {name}`"
    synopsis = next((line for line in text.splitlines() if line.startswith("Usage:")), "")
    takes_program = " PROGRAM" in synopsis
    skip = False
    for word in rest:
        if skip:
            skip = False
            continue
        if not word.startswith("-") or word == "-":
            if takes_program:
                break  # what follows is the program's own
            continue
        flag = word.split("=")[0]
        entry = re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])([^\n]*)", text)
        if not entry:
            return f"`reeve {name}` has no option {flag}"
        # an option with an argument: its next word in the help is in capitals
        after = re.sub(r"^(, --[\w-]+)", "", entry.group(1))
        skip = "=" not in word and re.match(r"[ =][A-Z]+", after) is not None
    return None


class Checker:
    """Checks the commands of one tree against one build. output_of(words) gives a command's output, or None."""

    def __init__(self, root, build, output_of):
        self.root, self.build, self.output_of = root, build, output_of
        self.helps, self.labels, self.tests = {}, None, None

    def help_of(self, name):
        if name not in self.helps:
            words = [name] if name else []
            self.helps[name] = self.output_of([os.path.join(self.build, "bin", "reeve"), *words, "--help"])
        return self.helps[name]

    def presets(self):
        with open(os.path.join(self.root, "CMakePresets.json"), encoding="utf-8") as stream:
            return {p["name"] for p in json.load(stream)["configurePresets"] if not p.get("hidden")}

    def has_label(self, pattern):
        if self.labels is None:
            text = self.output_of(["ctest", "--test-dir", self.build, "--print-labels"]) or ""
            self.labels = [line.strip() for line in text.splitlines() if line.startswith("  ")]
        return any(re.search(pattern, label) for label in self.labels)

    def has_test(self, name):
        if self.tests is None:
            text = self.output_of(["ctest", "--test-dir", self.build, "-N"]) or ""
            self.tests = set(re.findall(r"Test +#\d+: (\S+)", text))
        return name in self.tests

    def problem(self, command, made):
        """What is wrong with a command, or None. `made`: programs that blocks of the same file make."""
        command = without_environment(command)
        if not command:
            return None
        program = command[0]
        if os.path.basename(program) == "reeve":
            return reeve_problem(command[1:], self.help_of)
        for flag, known, what in (("--preset", lambda v: v in self.presets(), "preset"),
                                  ("-L", self.has_label, "label")):
            if flag in command[:-1] and program in ("cmake", "ctest"):
                value = command[command.index(flag) + 1]
                if not known(value):
                    return f"there is no {what} {value}"
        if program in ("python3", "sh", "bash") and len(command) > 1 and not command[1].startswith("-"):
            program = command[1]
        if "/" in program and not program.startswith(("/", "~")):
            path = os.path.normpath(program)
            if os.path.basename(path) in made or path.startswith("build"):
                return None
            if not os.path.exists(os.path.join(self.root, path)):
                return f"there is no {program}"
        return None
