"""The list of hot functions is true to the library: hot_functions_test.py SOURCE BUILD

A function that was renamed, or that the compiler now inlines, does no harm, but a list of which a tenth is stale is to be written
anew, by tests/bench/hot_functions.py."""
import pathlib
import subprocess
import sys


def main():
    source, build = (pathlib.Path(word) for word in sys.argv[1:3])
    listed = [line for line in (source / "api/client/hot_functions.txt").read_text(encoding="utf-8").splitlines()
              if not line.startswith("#")]
    library = build / "lib/libreeve.so"
    output = subprocess.run(["nm", "-n", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    places = {}
    for address, kind, name in (line.split() for line in output.splitlines()):
        if kind in "tT":
            places.setdefault(name.split(".")[0], int(address, 16))
    missing = [name for name in listed if name not in places]
    if len(missing) * 10 > len(listed):
        sys.exit(f"{len(missing)} of {len(listed)} hot functions are not in the library any more: run tests/bench/hot_functions.py "
                 f"({', '.join(missing[:10])} …)")
    found = [places[name] for name in listed if name in places]
    disordered = sum(second < first for first, second in zip(found, found[1:]))
    # functions of one name in several files lie together, so one of them may seem out of order
    if disordered * 10 > len(found):
        sys.exit(f"the linker has not put the hot functions in order: {disordered} of {len(found)} lie before the one they follow")
    print(f"{len(found)} of {len(listed)} hot functions, in order")


if __name__ == "__main__":
    main()
