"""
Reads the public headers, whose comments are the reference manual, for those who print it.

A header is a sequence of comments at the margin and of what stands behind them, up to the next empty line:

    /* What it does, who owns what, whether it blocks, its errors.     a comment: paragraphs,
     *  - lists                                                         lists,
     *
     *     and_code();                                                  and code, indented by four
     */
    REEVE_API int reeve_thing(void);                                   what it is about: one or several declarations

A comment with an empty line behind it is about the file as a whole. `/* ---- title ---- */` begins a section; what follows
"from here on: machinery", and a section "machinery: what for", is nobody's reading, nor are names that end in _.

As a program: header.py FILE prints the header for Doxygen: each comment as one of Doxygen's, each declaration of several
that share a comment with a copy of it.
"""
import collections
import re
import sys

# text: of the comment, without its margin. code: the lines behind it. section: the title that it stands under.
Item = collections.namedtuple("Item", "text code section")

RULER = re.compile(r"/\* -{4} (.*?) -* \*/$")
MACHINERY = "from here on: machinery"


def without_margin(comment):
    lines = re.sub(r"^/\*+ ?|\s*\*/$", "", comment).splitlines()
    return "\n".join(re.sub(r"^ \* ?", "", line).rstrip() for line in lines)


def items(text):
    """The header in the order of its lines; the machinery is left out. A comment without code has none."""
    found, section = [], ""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        ruler = RULER.match(line)
        if ruler:
            section = ruler.group(1)
            if section == MACHINERY:
                break
            at += 1
            continue
        if section.startswith("machinery"):
            at += 1
            continue
        comment = []
        if line.startswith("/*"):
            while True:
                comment.append(lines[at])
                at += 1
                if comment[-1].endswith("*/"):
                    break
        code = []
        while at < len(lines) and lines[at].strip() and not lines[at].startswith("/*"):
            code.append(lines[at])
            at += 1
            if at < len(lines) and not lines[at].strip() and is_open(code):
                code.append("")
                at += 1
        if comment or code:
            found.append(Item(without_margin("\n".join(comment)) if comment else "", code, section))
        else:
            at += 1
    return found


def is_open(code):
    """Whether a brace is: an empty line inside a struct does not end it."""
    text = re.sub(r'/\*.*?\*/|"[^"]*"', "", "\n".join(code), flags=re.DOTALL)
    return text.count("{") > text.count("}")


def blocks(text):
    """('text' | 'item' | 'code', lines) for each paragraph, item of a list, and stretch of code."""
    found, kind, lines = [], None, []

    def end():
        nonlocal kind, lines
        while lines and not lines[-1].strip():
            lines.pop()
        if lines:
            found.append((kind, lines))
        kind, lines = None, []

    for line in text.splitlines():
        if not line.strip():
            if kind == "code":
                lines.append("")
            else:
                end()
        elif re.match(r" ?- ", line):
            end()
            kind, lines = "item", [re.sub(r"^ ?- ", "", line)]
        elif line.startswith("    ") and kind in (None, "code"):
            kind = "code"
            lines.append(line[4:])
        else:
            if kind == "code" or kind == "item" and not line.startswith("  "):
                end()
            kind = kind or "text"
            lines.append(line.strip())
    end()
    return found


# ---- for Doxygen ----

def escaped(text):
    return re.sub(r'[\\@<>&$#%"]|::', lambda match: "\\" + match.group(0), text)


def doxygen_comment(text, opening="/**"):
    lines = [opening]
    previous = None
    for kind, content in blocks(text):
        if kind == "code":
            lines += ["", "@verbatim", *content, "@endverbatim", ""]
        elif kind == "item":
            lines += ([] if previous == "item" else [""]) + ["- " + escaped(content[0])]
            lines += ["  " + escaped(line) for line in content[1:]]
        else:
            lines += [""] + [escaped(line) for line in content]
        previous = kind
    return lines + ["*/"]


def doxygen_member(line, inside):
    """A line within a struct or an enum; `inside` a comment. The line as Doxygen wants it, and whether a comment is open."""
    if line.rstrip().endswith("\\"):
        return line, inside
    if not inside:
        opening = "/**< " if re.search(r"\S\s*/\* ", line) and not line.lstrip().startswith("/*") else "/** "
        head, mark, tail = line.partition("/* ")
        if not mark:
            return line, False
        body, close, rest = tail.partition("*/")
        return head + opening + escaped(body) + close + rest, not close
    body, close, rest = line.partition("*/")
    return escaped(body) + close + rest, not close


def starts_declaration(line):
    return re.match(r"(REEVE_API|#define|typedef|static inline|extern|struct|enum)\b", line) is not None


def doxygen(text):
    lines = []
    for number, item in enumerate(items(text)):
        if item.text and (number == 0 or not item.code or item.code[0].startswith(("#ifndef REEVE_", "#ifdef", "#include"))):
            lines += doxygen_comment(item.text, "/** @file"), item.code
            continue
        comment = doxygen_comment(item.text) if item.text else []
        code, inside, depth, continued, hidden = [], False, 0, False, False
        for line in item.code:
            hidden = hidden and continued or re.match(r"#define (REEVE_API|\w+_)\b", line) is not None
            if hidden:
                continued = line.endswith("\\")
                continue
            if starts_declaration(line) and depth == 0 and not continued:
                code += comment
            continued = line.endswith("\\")
            depth += 0 if line.startswith("#") else line.count("{") - line.count("}")
            line, inside = doxygen_member(line, inside)
            code.append(line)
        lines += [], code + [""]
    return "\n".join(line for part in lines for line in part) + "\n"


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as stream:
        sys.stdout.write(doxygen(stream.read()))
