"""Compiles each case of compile_fail.c: case 0 must pass, every other must fail with the words it promises.

usage: compile_fail.py COMPILER INCLUDE_FOLDER SOURCE
"""
import re
import subprocess
import sys


def compile_case(compiler, include, source, number):
    command = [compiler, "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
               f"-I{include}", f"-DCASE={number}", source]
    done = subprocess.run(command, capture_output=True, text=True,
                          env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}, check=False)
    return done.returncode, done.stderr


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
    print(f"{len(cases) + 1} cases, {failed} wrong")
    return 1 if failed else 0


sys.exit(main())
