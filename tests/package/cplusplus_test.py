"""
Compiles cplusplus.cpp as a user would, warnings being errors, by each C++ compiler that is here and for each standard,
and runs it: inside the program, and on a cluster of its own.

usage: cplusplus_test.py SOURCE_FOLDER BUILD_FOLDER
"""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
STANDARDS = ("c++14", "c++17", "c++20")
STRICT = ("-Wall", "-Wextra", "-Wshadow", "-Werror")


def run(words, **environment):
    plain = {k: v for k, v in os.environ.items() if not k.startswith("REEVE_")}
    return subprocess.run(words, env=plain | environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)


def main(source, build):
    compilers = [c for c in ("g++", "clang++") if shutil.which(c)]
    if "g++" not in compilers:
        print("skipped: there is no g++")
        return 77
    library = os.path.join(build, "lib")
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "program")
        for compiler in compilers:
            for standard in STANDARDS:
                done = run([compiler, f"-std={standard}", *STRICT, "-I", os.path.join(source, "api", "include"),
                            os.path.join(HERE, "cplusplus.cpp"), "-o", program,
                            "-L", library, "-lreeve", f"-Wl,-rpath,{library}"])
                if done.returncode != 0:
                    wrong.append(f"{compiler} -std={standard}:\n{done.stderr}")
        if not wrong:
            for words, environment in (([program], {"REEVE_MODE": "inline"}),
                                       ([program, "cluster"], {"REEVE_PROGRAM": os.path.join(build, "bin", "reeve")})):
                done = run(words, **environment)
                if done.returncode != 0 or done.stdout != "good\n":
                    wrong.append(f"{words}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    print("\n".join(wrong) if wrong else f"{len(compilers) * len(STANDARDS)} builds, 2 runs")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*map(os.path.abspath, sys.argv[1:])))
