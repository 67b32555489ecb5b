"""The parts of a read-me file that can be checked: fenced blocks, links, names in backticks, tables between markers."""
import collections
import os
import re

Block = collections.namedtuple("Block", "path line language text")

FENCE = re.compile(r"^( *)(`{3,})(\S*)\s*$")
SKIPPED = re.compile(r"^(build.*|install|__pycache__|\..*)$")


def read_me_files(root):
    """All README.md of the tree, and api/COMPARED.md, relative to root, sorted; builds and hidden folders are skipped."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [d for d in folders if not SKIPPED.match(d)]
        found += [os.path.relpath(os.path.join(folder, n), root) for n in names if n in ("README.md", "COMPARED.md")]
    return sorted(found)


def tests(prose):
    """Names of tests in it: `e2e_waiting`, `api_typed_test`."""
    return set(re.findall(r"`((?:e2e|api|client)_\w+)`", prose))


def blocks(path, text):
    """The fenced blocks of a file, and the text around them. An unclosed fence is an error."""
    found, prose, inside = [], [], None
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if inside is None:
            if fence:
                inside = (number, fence.group(2), fence.group(3), len(fence.group(1)), [])
            else:
                prose.append(line)
        elif fence and not fence.group(3) and len(fence.group(2)) >= len(inside[1]):
            found.append(Block(path, inside[0], inside[2], "\n".join(inside[4]) + "\n"))
            inside = None
        else:
            inside[4].append(line[min(inside[3], len(line) - len(line.lstrip())):])
    if inside is not None:
        raise ValueError(f"{path}:{inside[0]}: this block is never closed")
    return found, "\n".join(prose)


def links(prose):
    """Targets of links to files, without anchors; links to other hosts are left out."""
    found = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", prose)]
    return [target for target in found if target and not re.match(r"[a-z+]+:", target)]


def table_problem(name, text):
    """What is wrong with the table between <!-- NAME --> and <!-- /NAME -->, or None. There need not be one."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if start not in text and end not in text:
        return None
    if text.count(start) != 1 or text.count(end) != 1 or text.index(start) > text.index(end):
        return f"wants one {start} and one {end} after it"
    lines = [line for line in text.split(start)[1].split(end)[0].splitlines() if line.lstrip().startswith("|")]
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    if len(rows) < 3:
        return f"{start}: no table with a head and a row"
    if not all(re.fullmatch(r":?-+:?", cell) for cell in rows[1]):
        return f"{start}: the second line of the table is not its rule"
    for row in rows:
        if len(row) != len(rows[0]):
            return f"{start}: {len(row)} cells where the head has {len(rows[0])}: {' | '.join(row)}"
    for row in rows[2:]:
        if not row[0] or not any(re.search(r"\d", cell) for cell in row[1:]):
            return f"{start}: a row without a name, or without a figure: {' | '.join(row)}"
    return None
