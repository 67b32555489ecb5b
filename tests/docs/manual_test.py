"""
The manual: manual_test.py SOURCE BUILD

Doxygen makes a reference of the public headers without a warning: every public name has a comment. The pages for `man` exist
for each command, each header and each public function and macro, neither mandoc nor groff has anything to say of them, and
they say what they are made of. deploy/LOGS.md names every line of the logs, with its level, and no other. That the checks
can fail is shown with a header and a page that are wrong.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

NOT_FOR_USERS = {"reeve_checks.h", "reeve_macros.h"}
MISTAKES = "REEVE_API int reeve_wrong(void);\n\n/* Frees it. */\nREEVE_API void reeve_right(void *it);\n"
WRONG_PAGE = ".TH X 1\n.SH NAME\nx \\- y\n.XX wrong\n"


def run(*words, **more):
    return subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **more)


def read(path):
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def doxygen(configuration, **changes):
    text = configuration + "".join(f"\n{name} = {value}" for name, value in changes.items())
    done = subprocess.run(["doxygen", "-"], input=text, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 and not done.stderr else done.stdout + done.stderr


def reference_problems(build):
    if not shutil.which("doxygen"):
        print("skipped: there is no doxygen")
        return
    configuration = read(os.path.join(build, "reference", "Doxyfile"))
    found = doxygen(configuration)
    if found:
        yield found
    page = read(os.path.join(build, "reference", "html", "reeve_8h.html"))
    if "Waits until `wanted` of" not in page:
        yield "the reference does not say what reeve_wait does"
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "wrong.h"), "w", encoding="utf-8") as stream:
            stream.write("/* wrong.h - a test. */\n#ifndef X\n#define X\n\n" + MISTAKES + "#endif\n")
        found = doxygen(configuration, INPUT=folder, OUTPUT_DIRECTORY=folder) or ""
        if "reeve_wrong" not in found or "reeve_right" in found:
            yield f"the test itself: of two functions the one without a comment should be named\n{found}"


def page_problem(path):
    """What is wrong with a page, or None."""
    name = os.path.basename(path)
    lint = run("mandoc", "-Tlint", "-Wwarning", name, cwd=os.path.dirname(path))
    said = [line for line in (lint.stdout + lint.stderr).splitlines() if "mandoc: See " not in line]
    shown = run("man", "--warnings=w", "-l", path, env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"})
    if said or shown.stderr or shown.returncode != 0:
        return "\n".join([f"{name}:", *said, shown.stderr])
    return None


def public_names(source):
    """Headers, and the functions and macros in them that are for users: what the macros call is not."""
    folder = os.path.join(source, "api", "include")
    found = set()
    for name in sorted(set(os.listdir(folder)) - NOT_FOR_USERS):
        text = re.sub(r"/\* ---- (from here on: )?machinery.*?(/\* ---- (?!-)|\Z)", "", read(os.path.join(folder, name)), flags=re.DOTALL)
        found |= {name[:-2], *re.findall(r"^REEVE_API [^;(]*?\b(reeve_(?!typed_)\w+)\(", text, re.MULTILINE)}
        found |= set(re.findall(r"^#define ((?:reeve|REEVE)_\w*[A-Za-z0-9])\(", text, re.MULTILINE))
    return found


def pages_problems(source, build):
    if not shutil.which("mandoc") or not shutil.which("man"):
        print("skipped: there is no mandoc, or no man")
        return
    manual = os.path.join(build, "manual")
    pages = {name for folder in ("man1", "man3") for name in os.listdir(os.path.join(manual, folder))}
    overview = run(os.path.join(build, "bin", "reeve"), "--help").stdout
    commands = re.findall(r"^  ([a-z]+) +\S", overview.split("Commands:")[1].split("\n\n")[0], re.MULTILINE)
    calls = public_names(source)
    wanted = {f"reeve-{c}.1" for c in commands if c != "help"} | {f"{c}.3" for c in calls} | {"reeve.1"}
    if not {"reeve_wait", "reeve_view", "reeve_actor_kill", "REEVE_METHOD", "reeve_as_completed"} <= calls or len(commands) < 7:
        yield f"the test itself: too few calls or commands were found: {calls} {commands}"
    yield from (f"there is no {page}" for page in sorted(wanted - pages))
    for page in sorted(pages):
        path = os.path.join(manual, f"man{page[-1]}", page)
        if not os.path.islink(path):
            yield page_problem(path)
    run_page = read(os.path.join(manual, "man1", "reeve-run.1"))
    if ".B \\-w, \\-\\-wait" not in run_page or "ENVIRONMENT" not in run_page:
        yield "reeve-run.1 lacks an option or the environment"
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.1")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(WRONG_PAGE)
        if not page_problem(path):
            yield "the test itself: a wrong page should be complained of"


def lines_logged(source):
    """The ids of log lines in the sources, and the levels that each can have."""
    found = {}
    for top in ("api", "objectstore", "runtime", "scheduler"):
        for folder, _, names in os.walk(os.path.join(source, top)):
            for name in names:
                text = read(os.path.join(folder, name)) if name.endswith(".c") else ""
                for before, event in re.findall(r"(?:reeve_log|format_line)\(([^;\"]*?)\"(REEVE-[A-Z-]+)\"", text):
                    found.setdefault(event, set()).update(re.findall(r"REEVE_LOG_([A-Z]+)", before))
    core = read(os.path.join(source, "scheduler", "sched.c"))
    warnings = re.search(r"bool reeve_sched_notice_is_warning.*?return true", core, re.DOTALL).group(0)
    for notice, name in re.findall(r"\[(REEVE_SCHED_NOTICE_\w+)\] = \"([A-Z-]+)\"", core):
        found["REEVE-" + name] = {"WARN" if notice + ":" in warnings else "INFO"}
    return found


def log_problems(source):
    logged = lines_logged(source)
    rows = re.findall(r"^\| (`REEVE-[^|]*) \| ([^|]*) \|", read(os.path.join(source, "deploy", "LOGS.md")), re.MULTILINE)
    told = {event: level for events, level in rows for event in re.findall(r"`(REEVE-[A-Z-]+)`", events)}
    if len(logged) < 40 or logged.get("REEVE-NODE-DEAD") != {"WARN"}:
        yield f"the test itself: too few log lines were found: {logged}"
    yield from (f"deploy/LOGS.md does not tell of {event}" for event in sorted(logged.keys() - told.keys()))
    yield from (f"deploy/LOGS.md tells of {event}, which nobody writes" for event in sorted(told.keys() - logged.keys()))
    yield from (f"deploy/LOGS.md says {told[event]} of {event}, the sources {sorted(levels)}"
                for event, levels in logged.items() if levels and told.get(event, "") not in levels | {""})


def main(source, build):
    wrong = [p for p in (*reference_problems(build), *pages_problems(source, build), *log_problems(source)) if p]
    print("\n".join(wrong) if wrong else "the reference, the pages and the list of log lines are complete and well-formed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*map(os.path.abspath, sys.argv[1:3])))
