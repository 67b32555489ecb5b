"""
Mends what tidy.py says of long lines, where the length is a comment's: wraps the paragraph, or moves a comment
from the end of a line of code to the line above it. In a table the last column is wrapped. Drawings are left for
a person, and reported.

    python3 rewrap.py FILE ... && clang-format -i FILE ...
"""
import re
import sys
import textwrap

from common import without_comments

WIDTH = 100
DRAWING = re.compile(r"[│┌└├─┐┘┤┬┴┼═║]|\|.*\||-->|<--|-{4,}")
TABLE = re.compile(r"^(\s*(?:/\*\*?|\*)\s.*\S {2,})(\S.*)$")
TRAILING = re.compile(r"^(\s*)(\S.*?)\s*/\* (.*?) \*/\s*$")
COLUMNS = re.compile(r"\S {3,}\S")
BANNER = re.compile(r"^(\s*/\* ?.*?\S ?)([-=─]{8,})( ?\*/)$")
# the margin of a comment line, extra indentation, the mark of a list item, the text
COMMENT = re.compile(r"^(\s*(?:/\*\*?|\*|//))( *)(- |\d+\. |)(\S.*)$")


def wrap(words, width):
    return textwrap.wrap(words, width, break_long_words=False, break_on_hyphens=False)


def comment_lines(indent, words):
    """A block comment of its own."""
    lines = wrap(words, WIDTH - len(indent) - 6)
    lines = [indent + (" * " if i else "/* ") + line for i, line in enumerate(lines)]
    lines[-1] += " */"
    return lines


def wrap_paragraph(lines, at):
    """The wrapped paragraph that begins at this line, and the number of the line after it."""
    margin, space, item, words = COMMENT.match(lines[at]).groups()
    if margin.strip().startswith("/*"):
        indent = margin[:margin.index("/")]
        rest_margin = indent + " *"
    else:
        rest_margin = margin
    rest = rest_margin + space + " " * len(item)
    end = at + 1
    closed = words.endswith("*/")
    while not closed and end < len(lines):
        more = COMMENT.match(lines[end])
        if more is None or more.group(1) + more.group(2) != rest or more.group(3) \
                or more.group(4) == "/" or DRAWING.search(lines[end]) \
                or COLUMNS.search(more.group(4)):
            break
        words += " " + more.group(4)
        closed = words.endswith("*/")
        end += 1
    tail = " */" if closed else ""
    if closed:
        words = words[:-2].rstrip()
    first = margin + space + item
    wrapped = wrap(words, WIDTH - max(len(first), len(rest)) - len(tail))
    wrapped = [(rest if i else first) + line for i, line in enumerate(wrapped)]
    wrapped[-1] += tail
    return wrapped, end


def wrap_table(lines, at):
    """As above for a line of a table, whose last column is wrapped under itself."""
    first, words = TABLE.match(lines[at]).groups()
    indent = first[:len(first) - len(first.lstrip())] + (" " if first.lstrip()[0] == "/" else "")
    rest = (indent + "*").ljust(len(first))
    end = at + 1
    while end < len(lines) and lines[end].startswith(rest) and lines[end][len(rest):][:1].strip():
        words += " " + lines[end][len(rest):]
        end += 1
    tail = " */" if words.endswith("*/") else ""
    wrapped = wrap(words[:-2].rstrip() if tail else words, WIDTH - len(first) - len(tail))
    wrapped = [(rest if i else first) + line for i, line in enumerate(wrapped)]
    wrapped[-1] += tail
    return wrapped, end


def rewrap(text):
    """The mended text, and the numbers of the lines that need a person."""
    lines, out, left, at = text.split("\n"), [], [], 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if len(line) <= WIDTH:
            out.append(line)
            continue
        banner = BANNER.match(line)
        if banner and len(line) - WIDTH < len(banner.group(2)):
            out.append(banner.group(1) + banner.group(2)[:WIDTH - len(line)] + banner.group(3))
            continue
        trailing = TRAILING.match(line)
        if trailing and not trailing.group(2).startswith(("/*", "*", "//")) \
                and not line.endswith("\\"):
            out += comment_lines(trailing.group(1), trailing.group(3))
            out.append(trailing.group(1) + trailing.group(2))
        elif TABLE.match(line) and len(TABLE.match(line).group(1)) < 80 \
                and not DRAWING.search(line):
            wrapped, at = wrap_table(lines, at - 1)
            out += wrapped
        elif COMMENT.match(line) and not DRAWING.search(line) \
                and not COLUMNS.search(COMMENT.match(line).group(4)) and not line.endswith("\\"):
            wrapped, at = wrap_paragraph(lines, at - 1)
            out += wrapped
        else:
            left.append(at)
            out.append(line)
    return "\n".join(out), left


def code_of(text):
    return without_comments(text, keep_strings=True).split()


def main(paths):
    status = 0
    for path in paths:
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
        mended, left = rewrap(text)
        if code_of(mended) != code_of(text):
            print(f"{path}: left alone, for the code would have changed")
            status = 1
            continue
        for number in left:
            print(f"{path}:{number}: needs a person")
            status = 1
        if mended != text:
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(mended)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
