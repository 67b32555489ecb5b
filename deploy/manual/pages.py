"""
Writes the manual pages: pages.py SOURCE_FOLDER REEVE_PROGRAM VERSION DATE TARGET_FOLDER

    man1/reeve.1, man1/reeve-run.1 …    what `reeve --help` and `reeve run --help` say
    man3/reeve.3                        the comment at the head of reeve.h, and all names
    man3/reeve_actor.3 …                the comment at the head of each other header, and its names
    man3/reeve_wait.3 …                 each comment of the public headers with its declarations; the further names of one
                                        comment are links to the page of its first. What is called as its header is on
                                        that one's page

Nothing is written here but the frame: help texts and headers are the manual, and are all that there is to keep true.
"""
import os
import re
import subprocess
import sys

import header

NOT_FOR_USERS = ("reeve_checks.h", "reeve_macros.h")
MACHINERY = re.compile("What the macros' code calls")
SECTION = re.compile(r"^([A-Z][A-Za-z ]+):$")
OPTION = re.compile(r"^  +((?:-\w, )?--[\w-]+(?:[ =]\S+)?|-\w, --[\w-]+)(?:  +(.*))?$")


def roff(text):
    """Text as troff prints it to the letter; a line must not begin like a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace("`", "\\(ga").replace("'", "\\(aq")
    text = text.replace("^", "\\(ha").replace("~", "\\(ti").replace("—", "\\(em")
    return "\\&" + text if text.startswith(".") else text


def filled(lines):
    return [roff(line.strip()) for line in lines if line.strip()]


def literal(lines):
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return [".nf", *(roff(line.rstrip()) or "\\&" for line in lines), ".fi"] if lines else []


def page(name, section, summary, date, version, body):
    title = "Reeve commands" if section == 1 else "Reeve library"
    return "\n".join([f'.TH {name.upper()} {section} {date} "reeve {version}" "{title}"',
                      ".SH NAME", f"{name} \\- {roff(summary)}", *body]) + "\n"


# ---- commands ----

def options(lines):
    found = []
    for line in lines:
        option = OPTION.match(line)
        if option:
            found += [".TP", ".B " + roff(option.group(1))]
            found += [roff(option.group(2))] if option.group(2) else []
        elif line.strip():
            found.append(roff(line.strip()))
    return found


def sections(text):
    """(title, lines) in order; what comes before the first title has the title DESCRIPTION."""
    found = [("DESCRIPTION", [])]
    for line in text.splitlines():
        title = SECTION.match(line)
        if title:
            found.append((title.group(1).upper(), []))
        elif line and not line.startswith(" ") and found[-1][0] not in ("DESCRIPTION", "NOTES"):
            found.append(("NOTES", [line]))
        else:
            found[-1][1].append(line)
    return found


def command_page(name, help_text, summary, others, date, version):
    usage, _, rest = help_text.partition("\n")
    usage = re.sub(r"^Usage: (?:reeve )?", "reeve ", usage).replace("reeve reeve", "reeve")
    body = [".SH SYNOPSIS", ".B " + roff(usage)]
    for title, lines in sections(rest):
        if title.endswith("OPTIONS"):
            content = options(lines)
        elif title in ("DESCRIPTION", "NOTES"):
            content = []
            for paragraph in re.split(r"\n\s*\n", "\n".join(lines).strip()):
                content += [".PP"] * bool(content) + filled(paragraph.splitlines())
        else:
            content = literal([line[2:] if line.startswith("  ") else line for line in lines])
        if any(line.strip() for line in lines):
            body += [".SH " + title, *content]
    see = [f".BR {other} (1)" for other in others if other != name]
    body += [".SH SEE ALSO"] + [line + " ," for line in see[:-1]] + see[-1:]
    return page(name, 1, summary, date, version, body)


def command_pages(program, date, version):
    def help_of(*words):
        done = subprocess.run([program, *words, "--help"], capture_output=True, text=True, check=True,
                              env={"PATH": "/usr/bin:/bin", "COLUMNS": "80"})
        return done.stdout

    overview = help_of()
    summaries = dict(re.findall(r"^  ([a-z]+) +(\S.*)$", overview.split("Commands:")[1].split("\n\n")[0], re.MULTILINE))
    summaries.pop("help")
    names = ["reeve", *(f"reeve-{command}" for command in summaries)]
    summary = "run the functions of C programs on the cores of any number of machines"
    yield "reeve", 1, command_page("reeve", overview, summary, names, date, version)
    for command, summary in summaries.items():
        yield f"reeve-{command}", 1, command_page(f"reeve-{command}", help_of(command), summary, names, date, version)


# ---- calls ----

def names_of(code):
    """What a group of declarations declares, in order."""
    found, depth, continued = [], 0, False
    for line in code:
        if depth == 0 and not continued:
            name = (re.match(r"#define (\w+)", line) or re.match(r"typedef struct (\w+)", line) or
                    re.match(r"(?:struct|enum) (\w+) {", line) or re.match(r"typedef .*?\b(\w+)(?:\(.*)?;", line) or
                    re.match(r"(?:REEVE_API|static inline|extern)\b.*?\b(reeve_\w+)\(", line))
            if name and not name.group(1).endswith("_") and name.group(1) not in found:
                found.append(name.group(1))
        continued = line.endswith("\\")
        depth += line.count("{") - line.count("}")
    return [name for name in found if name != "REEVE_API" and not re.search(r"_(bool|int|size_t)$", name)]


def synopsis(code):
    """The declarations as a user would write them: without bodies, attributes and what macros are made of."""
    found, depth, skipping = [], 0, False
    functions = set(re.findall(r"\b(reeve_\w+)\(", "\n".join(line for line in code if line.startswith("REEVE_API"))))
    for line in code:
        macro = re.match(r"#define (\w+)((?:\([^)]*\))?)", line)
        if skipping:
            skipping = line.endswith("\\") or depth > 0 and line != "}"
            depth = depth if skipping else 0
        elif macro:
            if macro.group(1) not in functions and not macro.group(1).endswith("_"):
                found.append(line if re.search(r"  \(?-?\d+\)?", line) else "".join(macro.groups()))
            skipping = line.endswith("\\")
        elif line.startswith("static inline"):
            found.append(line.replace("static inline ", "") + ";")
            skipping, depth = True, 1
        elif not line.startswith("#"):
            found.append(re.sub(r"REEVE_API |__attribute__\(\(may_alias\)\) ", "", line))
    return found


def described(text):
    found = []
    for kind, lines in header.blocks(text):
        if kind == "code":
            found += [".PP", ".RS 4", *literal(lines), ".RE"]
        elif kind == "item":
            found += [".IP \\(bu 2", *filled(lines)]
        else:
            found += [".PP"] * bool(found) + filled(lines)
    return found


def first_sentence(text, name):
    text = re.sub(r"\s+", " ", text.split("\n\n")[0]).strip()
    text = re.sub(rf"^{re.escape(name)}(\.h)?(\((?:[^()]|\([^)]*\))*\))?(?: {{.*?}})?\s*(?:->|-|:)?\s*", "", text)
    text = re.split(r"(?<=[a-z)])[.;:] |\.$", text)[0]
    return text[:1].lower() + text[1:] if re.match(r"[A-Z][a-z]", text) else text


def headers(source):
    folder = os.path.join(source, "api", "include")
    names = sorted(name for name in os.listdir(folder) if name.endswith(".h") and name not in ("reeve.h", *NOT_FOR_USERS))
    for name in ("reeve.h", *names):
        with open(os.path.join(folder, name), encoding="utf-8") as stream:
            yield name[:-2], stream.read()


def references(names):
    found = [f".BR {name} (3)" for name in names]
    return [".SH SEE ALSO", *(line + "," for line in found[:-1]), *found[-1:]]


def call_pages(source, date, version):
    """(name, section, text), or the name of another page in place of a text."""
    index = []
    for file_name, text in headers(source):
        items = header.items(text)
        described_items = [(names_of(item.code), item) for item in items[1:] if item.text and not MACHINERY.match(item.text)]
        described_items = [(names, item) for names, item in described_items if names]
        index.append((file_name, [names for names, _ in described_items]))
        head = [item for names, item in described_items if names[0] == file_name]
        if file_name != "reeve":
            yield file_name, 3, file_page(file_name, text, head, [names[0] for names, _ in described_items], date, version)
        for names, item in described_items:
            name = names[0]
            if name != file_name:
                body = [".SH SYNOPSIS", ".nf", "#include <reeve.h>", ".sp", *literal(synopsis(item.code))[1:],
                        ".SH DESCRIPTION", *described(item.text)]
                see = references(([file_name] if file_name != "reeve" else []) + ["reeve"])
                yield name, 3, page(name, 3, first_sentence(item.text, name), date, version, [*body, *see])
            for other in names[1:]:
                yield other, 3, name
    yield "reeve", 3, overview(source, index, date, version)


def file_page(name, text, head, names, date, version):
    """That of a header, and of what in it has the same name."""
    whole = header.items(text)[0].text
    code = [line for item in head for line in ["", *synopsis(item.code)]]
    body = [".SH SYNOPSIS", ".nf", "#include <reeve.h>", *literal(code)[1:-1], ".fi", ".SH DESCRIPTION", *described(whole)]
    for item in head:
        body += [".PP", *described(item.text)]
    body += errors(text) if name == "reeve_errors" else []
    see = references([other for other in names if other != name] + ["reeve"])
    return page(name, 3, first_sentence(whole, name), date, version, [*body, *see])


def errors(text):
    found = [".SH ERRORS"]
    for name, number, words in re.findall(r'^ {4}X\((\w+), (-\d+), "(.*)"\)', text, re.MULTILINE):
        found += [".TP", f".BR REEVE_{name} \" ({roff(number)})\"", roff(words)]
    return found


def overview(source, index, date, version):
    with open(os.path.join(source, "api", "include", "reeve.h"), encoding="utf-8") as stream:
        text = header.items(stream.read())[0].text
    body = [".SH SYNOPSIS", ".nf", "#include <reeve.h>", ".sp",
            "cc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs reeve)", ".fi", ".SH DESCRIPTION", *described(text), ".SH PAGES",
            "The command:", ".BR reeve (1)."]
    for file_name, groups in index:
        body += [".PP", f".BR {file_name} (3):" if file_name != "reeve" else ".I reeve.h:"]
        for names in groups:
            if names == [file_name]:
                continue
            body += [".br", f".BR {names[0]} (3)" + ("," if len(names) > 1 else "")]
            body += [", ".join(roff(name) for name in names[1:])] if len(names) > 1 else []
    return page("reeve", 3, first_sentence(text, "reeve"), date, version, body)


def main(source, program, version, date, target):
    for name, section, text in [*command_pages(program, date, version), *call_pages(source, date, version)]:
        folder = os.path.join(target, f"man{section}")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, f"{name}.{section}")
        if os.path.lexists(path):
            os.unlink(path)
        if "\n" not in text:
            os.symlink(f"{text}.{section}", path)
            continue
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
