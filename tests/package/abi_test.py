"""
Does the library still keep what the last release promised to programs that are already built?

    abi/symbols     the names that the last release exported, one a line
    abi/types.xml   its functions and types (sizes, offsets, parameters), as abidw of libabigail wrote them

Wrong is: a name that is gone; a function or type that has changed (abidiff says how); an exported name that no public header
declares; a public function that is not exported. Structs that carry their size, or are read only, may grow at their end. New
names are welcome, and belong to the next release's promise: when there is a release, or when a change breaks the promise on
purpose, `abi_test.py SOURCE BUILD --renew` writes the two files anew.

The test also proves that it can fail: by a promise of its own making, which the library does not keep.
"""
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "abi")
DESCRIBE = ["--exported-interfaces-only", "--drop-private-types", "--drop-undefined-syms", "--no-corpus-path",
            "--no-show-locs", "--no-comp-dir-path", "--no-elf-needed", "--no-parameter-names", "--no-write-default-sizes"]

GROWING = ("reeve_error_info", "reeve_options", "reeve_task_options", "reeve_submission", "reeve_function", "reeve_context",
           "reeve_actor_options", "reeve_actor_type")


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as stream:
        return stream.read()


def output(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout


def exported(library):
    return {line.split()[2].split("@")[0] for line in output("nm", "-D", "--defined-only", library).splitlines()}


def preprocessed(headers):
    """The headers as a compiler sees them, system headers left out."""
    return output("cc", "-E", "-P", "-I", headers, "-include", "stddef.h", os.path.join(headers, "reeve.h"))


def declared(headers):
    """The names that the headers say the library has."""
    text = preprocessed(headers)
    found = re.findall(r'__attribute__\(\(visibility\("default"\)\)\)[^;]*?\b(reeve_\w+)(?: = |\(|;)', text)
    return set(found)


def describe(source, library):
    with tempfile.NamedTemporaryFile("r", suffix=".xml", encoding="utf-8") as stream:
        output("abidw", *DESCRIBE, "--headers-dir", os.path.join(source, "api", "include"), library,
               "--out-file", stream.name)
        return stream.read().replace(source + "/", "")


def struct(name, text):
    return re.search(rf"<class-decl name='{name}' size.*?</class-decl>\n", text, re.DOTALL).group(0)


def size_of(declaration):
    return int(re.search(r"size-in-bits='(\d+)'", declaration).group(1))


def members(declaration):
    return re.findall(r"      <data-member.*?</data-member>\n", declaration, re.DOTALL)


def without_growth(text, promise):
    """The text, with what has been added at the end of structs that may grow left out."""
    for name in GROWING:
        old, new = struct(name, promise), struct(name, text)
        kept = "".join(members(new)[:len(members(old))])
        shorter = new.replace("".join(members(new)), kept).replace(f"'{size_of(new)}'", f"'{size_of(old)}'", 1)
        if size_of(new) >= size_of(old):
            text = text.replace(new, shorter)
    return text


def difference(promise, text):
    """What abidiff says of two descriptions, or None when the promise is kept."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("promised.xml", "found.xml")]
        for path, content in zip(paths, (promise, without_growth(text, promise))):
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(content)
        done = subprocess.run(["abidiff", "--no-added-syms", *paths], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stdout + done.stderr


def self_problems(text):
    """Promises that are not kept must be noticed, and growth at the end of a struct must not be."""
    options = struct("reeve_options", text)
    last = members(options)[-1]
    shorter = options.replace(last, "").replace(f"'{size_of(options)}'", f"'{size_of(options) - 64}'", 1)
    moved = shorter.replace("layout-offset-in-bits='128'", "layout-offset-in-bits='96'")
    longer = options.replace(f"'{size_of(options)}'", f"'{size_of(options) + 64}'", 1)
    cases = (("a struct that has grown", text.replace(options, shorter), False),
             ("an offset", text.replace(options, moved), True),
             ("a struct that has shrunk", text.replace(options, longer), True),
             ("a parameter", re.sub(r"<parameter type-id='type-id-\d+'/>\n", "", text, count=1), True))
    for what, promise, wrong in cases:
        found = difference(promise, text)
        if promise == text or (found is not None) != wrong:
            yield f"the test itself: {what} should{'' if wrong else ' not'} be complained of\n{found}"


def problems(source, library):
    headers = os.path.join(source, "api", "include")
    have, said = exported(library), declared(headers)
    for name in sorted(set(read(HERE, "symbols").split()) - have):
        yield f"{name} is gone: programs that use it no longer start"
    for name in sorted(have - said):
        yield f"{name} is exported, and no public header declares it"
    for name in sorted(said - have):
        yield f"{name} is declared in a public header, and not exported"
    if not shutil.which("abidiff") or platform.machine() != "x86_64":
        print("skipped: types, for want of abidiff (abigail-tools), or of an x86_64")
        return
    promise, text = read(HERE, "types.xml"), describe(source, library)
    found = difference(promise, text)
    if found:
        yield found
    yield from self_problems(text)


def main(source, build, *flags):
    library = os.path.realpath(os.path.join(build, "lib", "libreeve.so"))
    if flags == ("--renew",):
        with open(os.path.join(HERE, "symbols"), "w", encoding="utf-8") as stream:
            stream.write("\n".join(sorted(exported(library))) + "\n")
        with open(os.path.join(HERE, "types.xml"), "w", encoding="utf-8") as stream:
            stream.write(describe(source, library))
        return 0
    wrong = list(problems(source, library))
    print("\n".join(wrong) if wrong else f"{len(exported(library))} names; what was promised is kept")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*map(os.path.abspath, sys.argv[1:3]), *sys.argv[3:]))
