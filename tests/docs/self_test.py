"""Proves that the checks of snippets.py can fail, and can pass, without a build."""
import os
import sys
import tempfile

import commands
import markdown
import snippets

HELP = {
    "": "Usage: reeve COMMAND [OPTIONS]\n  --version\n",
    "run": "Usage: reeve run [OPTIONS] PROGRAM [ARGUMENTS]\n  -w, --wait   show\n  -e, --env NAME=VALUE   set\n",
    "logs": "Usage: reeve logs [OPTIONS] [RUN]\n  -f, --follow   go on\n  -n, --node N   this\n",
}

SHELL = [
    ("reeve run --wait ./x --not-ours", None),
    ("reeve run --env A=1 -w ./x", None),
    ("reeve run --wiat ./x", "no option --wiat"),
    ("reeve run --en A=1", "no option --en"),
    ("reeve rum ./x", "no command"),
    ("reeve logs --follow last  # --nothing", None),
    ("A=1 reeve logs && reeve logs --tail", "no option --tail"),
    ("reeve logs -n 3", None),
    ("reeve logs -q", "no option -q"),
    ("reeve --version", None),
    ("reeve --vers", "no option --vers"),
    ("export REEVE_ADDRESS=tcp://x:1", None),
    ("cmake --preset release", None),
    ("cmake --preset fast", "no preset"),
    ("./deploy/run", None),
    ("./deploy/runs", "there is no"),
    ("cc made.c \\\n  $(pkg-config --libs reeve) -o made && ./made", None),
]

TABLE = "<!-- bench -->\n| name | value |\n|---|--:|\n| sync | 5 µs |\n<!-- /bench -->\n"
TABLES = [
    ("", None),
    (TABLE, None),
    (TABLE.replace("5 µs", "fast"), "without a figure"),
    (TABLE.replace("| 5 µs |", "| 5 | 6 |"), "3 cells"),
    (TABLE.replace("|---|--:|\n", ""), "no table"),
    (TABLE.replace("<!-- /bench -->", ""), "wants one"),
]

BLOCKS = [
    ("int good(void);\n", None),
    ("int bad(void)\n", "does not compile"),
    ("/* from: part.c */\nint a;\nint b;\n", None),
    ("/* from: part.c */\nint a;\nint c;\n", "is not in part.c"),
    ("/* from: gone.c */\nint a;\n", "there is no gone.c"),
    ("/* file: x.c   run: ./x   prints: 1 */\nint main(void){return 0;}\n", "how to compile"),
]


def main():
    wrong = []

    def expect(what, expected, problem):
        if (expected is None) != (problem is None) or expected and expected not in problem:
            wrong.append(f"{what!r}: expected {expected!r}, found {problem!r}")

    with tempfile.TemporaryDirectory() as root:
        os.mkdir(os.path.join(root, "deploy"))
        for name, text in (("CMakePresets.json", '{"configurePresets": [{"name": "release"}]}'),
                           ("deploy/run", ""), ("part.c", "int z;\n  int a;\n\n  int b;\n")):
            with open(os.path.join(root, name), "w", encoding="utf-8") as stream:
                stream.write(text)
        checker = commands.Checker(root, root, lambda words: None)
        checker.helps = {**HELP, "rum": None}
        for text, expected in SHELL:
            problems = [checker.problem(c, {"made"}) for c in commands.split(text)]
            expect(text, expected, next((p for p in problems if p), None))
        for text, expected in TABLES:
            expect(text, expected, markdown.table_problem("bench", text))
        for text, expected in BLOCKS:
            found, _ = markdown.blocks("x", f"```c\n{text}```\n")
            expect(text, expected, snippets.block_problem(found[0], root, {}, None))
    expect("links", None, None if markdown.links("[a](b.md#c) [d](https://e) [f](#g)") == ["b.md"] else "wrong links")
    lists = commands.Checker("", "", lambda words: "  Test  #7: e2e_tasks\n  Test #18: api_typed_test\n")
    for name, there in (("e2e_tasks", True), ("api_typed_test", True), ("e2e_task", False)):
        found = {n: lists.has_test(n) for n in markdown.tests(f"| a | `{name}`, `reeve_wait` |")}
        expect(name, None, None if found == {name: there} else f"{found}")
    try:
        markdown.blocks("x", "```c\nint a;\n")
        wrong.append("an unclosed block is not noticed")
    except ValueError:
        pass
    print("\n".join(wrong) if wrong else f"{len(SHELL) + len(TABLES) + len(BLOCKS) + 5} cases are as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
