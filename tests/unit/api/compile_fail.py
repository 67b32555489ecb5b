"""Compiles each case of compile_fail.c: case 0 must pass, every other must fail with the words it promises. And the names
that a struct cannot have are those of functions of the headers, neither more nor fewer.

usage: compile_fail.py COMPILER INCLUDE_FOLDER SOURCE
"""
import os
import pathlib
import re
import subprocess
import sys


def compile_case(compiler, include, source, number):
    command = [compiler, "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-S", "-o", os.devnull,
               f"-I{include}", f"-DCASE={number}", source]
    done = subprocess.run(command, capture_output=True, text=True,
                          env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}, check=False)
    return done.returncode, done.stderr


MADE = r"(?:put|get|get_timeout|get_many|view|clear|future|futures|array|create|seal|next|next_timeout)"  # reeve_MADE_T, of a struct T


def names_taken(include):
    """(those that the headers say, those that there are): what follows reeve_put_ and the like in the name of a function that
    is no type's."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(pathlib.Path(include).glob("*.h")))
    said = set(re.findall(r"#define REEVE_TAKEN_(\w+)", text))
    code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    declared = set(re.findall(rf"\breeve_{MADE}_([a-z]\w*)\(", code))
    types = {"void", "reeve_bytes"} | set(re.findall(r"#define reeve_type_(\w+)", code))
    return said, {name for name in declared - types if not name.startswith("many_") and not name.startswith("timeout_")}


def main():
    compiler, include, source = sys.argv[1:4]
    with open(source, encoding="utf-8") as text:
        cases = re.findall(r"CASE == (\d+)\s+/\* expect: (.*?) \*/", text.read())
    assert len(cases) >= 15, "the cases were not found"
    failed = 0
    status, said = compile_case(compiler, include, source, 0)
    if status != 0:
        print(f"case 0 must compile:\n{said}")
        failed += 1
    for number, words in cases:
        status, said = compile_case(compiler, include, source, number)
        if status == 0:
            print(f"case {number} compiles, but must not")
            failed += 1
        elif not re.search(words, said):
            print(f"case {number}: expected the words \"{words}\" in:\n{said}")
            failed += 1
    said, taken = names_taken(include)
    if said != taken:
        print(f"REEVE_TAKEN_ says {sorted(said)}, the headers have {sorted(taken)}")
        failed += 1
    print(f"{len(cases) + 1} cases, {failed} wrong")
    return 1 if failed else 0


sys.exit(main())
