#!/usr/bin/env python3
"""Compares what Cloister reads with what independent programs read.

    compare.py READER PATH... [--only FORMAT] [--show N] [--limit SHARE]

READER is the program `cloister-reader`. Each PATH is a file or a folder. A file is read a second time by a program that
shares no code with Cloister: poppler's `pdftotext`, python-docx, openpyxl, python-pptx, odfpy, or Python's `email`.
Words of theirs that are missing in ours are counted and listed by format. A program that is not installed is named and
skipped. Exit status 1: the share of missing words of a format is above SHARE (0.002).

Python 3.9 or later. No package is needed except those that are compared."""
import argparse, collections, contextlib, email, email.policy, io, json, os, re, shutil, struct, subprocess, sys, tempfile, unicodedata

LIMITS = {"file_bytes": 512 << 20, "memory_bytes": 1536 << 20, "cpu": {"secs": 60, "nanos": 0}, "wall": {"secs": 600, "nanos": 0},
          "opening": {"secs": 60, "nanos": 0}, "page": {"secs": 10, "nanos": 0}, "pages": 20000, "text_bytes": 64 << 20,
          "lost_pages": 8, "pixels": 16000000}

# Differences that are no loss, each with its reason.
EXPLAINED = [
    (re.compile(r"^https?$|^www$|^mailto$"), "targets of links that python's readers add"),
    (re.compile(r"^page$|^of$"), "fields with numbers of pages"),
]
INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")


def words(text):
    """The words of a text in one form: without accents of style, hyphens at line ends, and case."""
    text = unicodedata.normalize("NFKC", INVISIBLE.sub("", text))
    text = re.sub(r"(\w)[-\u2010]\s*\n\s*(\w)", r"\1\2", text)
    return collections.Counter(word.lower() for word in re.findall(r"\w+", text))


def read_ours(reader, data, name, depth=0):
    """The text of a file and of those inside it; None if it is refused, with the reason."""
    request = {"do": "extract", "from_page": 1, "structure": True, "name": name, "passwords": [], "limits": LIMITS}
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        done = subprocess.run([reader], stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              env={"CLOISTER_REQUEST": json.dumps(request)}, timeout=120)
    out, at, texts, inside, refused = done.stdout, 0, [], [], None

    def frame():
        nonlocal at
        if at + 4 > len(out):
            return None
        size = struct.unpack("<I", out[at:at + 4])[0]
        at += 4 + size
        return out[at - size:at]
    while (raw := frame()) is not None:
        said = json.loads(raw)
        if said["frame"] == "info":
            texts.append(said.get("title") or "")
        elif said["frame"] == "page":
            content = said["page"].get("content") or said["page"]
            texts.append(content["text"])
        elif said["frame"] == "attachment":
            inside.append((said["name"], frame() or b""))
        elif said["frame"] == "refused":
            refused = json.dumps(said.get("what") or said.get("why"))
    for inner, body in inside if depth < 2 else []:
        text, _ = read_ours(reader, body, inner, depth + 1)
        texts += [inner, text or ""]
    return (None if refused else "\n".join(texts)), refused


def by_poppler(path):
    done = subprocess.run(["pdftotext", "-layout", path, "-"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120)
    return done.stdout.decode("utf-8", "replace")


def by_docx(path):
    import docx
    document = docx.Document(path)
    texts = [p.text for p in document.paragraphs]
    for table in document.tables:
        texts += [cell.text for row in table.rows for cell in row.cells]
    return "\n".join(texts)


def by_openpyxl(path):
    import openpyxl
    book = openpyxl.load_workbook(path, data_only=True)
    # Numbers and dates are shown in the format of their cell, which openpyxl does not apply.
    return "\n".join(str(cell) for sheet in book.worksheets for row in sheet.iter_rows(values_only=True)
                     for cell in row if isinstance(cell, str))


def by_pptx(path):
    import pptx
    texts = []

    def walk(shapes):
        for shape in shapes:
            if shape.shape_type == 6:
                walk(shape.shapes)
            if shape.has_text_frame:
                texts.append(shape.text_frame.text)
            if getattr(shape, "has_table", False) and shape.has_table:
                texts.extend(cell.text for row in shape.table.rows for cell in row.cells)
    for slide in pptx.Presentation(path).slides:
        if slide._element.get("show") != "0":
            walk(slide.shapes)
    return "\n".join(texts)


def by_odf(path):
    from odf import opendocument, teletype, text
    document = opendocument.load(path)
    found = []
    for kind in (text.P, text.H):
        found += [teletype.extractText(element) for element in document.getElementsByType(kind)]
    return "\n".join(found)


def by_email(path):
    with open(path, "rb") as file:
        message = email.message_from_binary_file(file, policy=email.policy.default)
    texts = [str(message["subject"] or "")]
    body = message.get_body(preferencelist=("plain", "html"))
    if body is not None:
        text = body.get_content()
        texts.append(re.sub(r"(?s)<style.*?</style>|<[^>]+>", " ", text) if body.get_content_subtype() == "html" else text)
    texts += [part.get_filename() or "" for part in message.iter_attachments()]
    return "\n".join(texts)


READERS = {
    ".pdf": ("pdftotext", lambda: shutil.which("pdftotext"), by_poppler),
    ".docx": ("python-docx", lambda: importable("docx"), by_docx),
    ".xlsx": ("openpyxl", lambda: importable("openpyxl"), by_openpyxl),
    ".pptx": ("python-pptx", lambda: importable("pptx"), by_pptx),
    ".odt": ("odfpy", lambda: importable("odf"), by_odf),
    ".ods": ("odfpy", lambda: importable("odf"), by_odf),
    ".odp": ("odfpy", lambda: importable("odf"), by_odf),
    ".eml": ("Python's email", lambda: True, by_email),
}


def importable(name):
    try:
        __import__(name)
        return True
    except ImportError:
        return False


def files(paths):
    for path in paths:
        if os.path.isdir(path):
            for folder, below, names in os.walk(path):
                below.sort()
                yield from (os.path.join(folder, name) for name in sorted(names))
        else:
            yield path


class Comparison:
    def __init__(self):
        self.files, self.words, self.missing, self.refused, self.unread, self.worst = 0, 0, collections.Counter(), [], 0, []

    def add(self, path, theirs, ours):
        missing = theirs - ours
        for word in list(missing):
            if any(pattern.match(word) for pattern, _ in EXPLAINED):
                del missing[word]
        self.files += 1
        self.words += sum(theirs.values())
        self.missing += missing
        if missing:
            self.worst.append((sum(missing.values()), path))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("reader")
    arguments.add_argument("paths", nargs="+")
    arguments.add_argument("--only")
    arguments.add_argument("--show", type=int, default=12)
    arguments.add_argument("--limit", type=float, default=0.002)
    given = arguments.parse_args()
    found, skipped = {}, set()
    for path in files(given.paths):
        ending = os.path.splitext(path)[1].lower()
        if ending not in READERS or given.only and ending != "." + given.only:
            continue
        name, is_there, read = READERS[ending]
        if not is_there():
            skipped.add(f"{ending}: {name} is not installed")
            continue
        comparison = found.setdefault(ending, Comparison())
        try:
            # odfpy prints the parts that it cannot parse.
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                theirs = words(read(path))
        except Exception:
            comparison.unread += 1
            continue
        with open(path, "rb") as file:
            ours, refused = read_ours(given.reader, file.read(), os.path.basename(path))
        if refused:
            if theirs:
                comparison.refused.append(f"{path}: {refused}")
            continue
        comparison.add(path, theirs, words(ours))
    failed = False
    for ending, c in sorted(found.items()):
        share = sum(c.missing.values()) / max(c.words, 1)
        failed |= share > given.limit
        print(f"{ending}: {c.files} files, {c.words} words of {READERS[ending][0]}, {sum(c.missing.values())} missing in ours "
              f"({share:.5f}); {len(c.refused)} refused by ours, {c.unread} unreadable by theirs")
        print("   most: " + ", ".join(f"{word} {count}" for word, count in c.missing.most_common(given.show)))
        for count, path in sorted(c.worst, reverse=True)[:given.show // 3]:
            print(f"   {count} in {path}")
        for path in c.refused[:given.show // 3]:
            print(f"   refused: {path}")
    for line in sorted(skipped):
        print(f"skipped: {line}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
