#!/usr/bin/env python3
"""Makes the sample library: a dozen documents of a fictional hospital and bank.

The texts are the Markdown files next to this script. The first lines of each name its format. This
script writes that format with Python's standard library only, so that the bytes are the same
everywhere.

    make_samples.py FOLDER        writes FOLDER/hospital/... and FOLDER/bank/...
"""

import html
import io
import pathlib
import sys
import zipfile
import zlib

HERE = pathlib.Path(__file__).parent

# Widths of Helvetica's characters 32 to 126, in thousandths of the font size (Adobe's AFM file).
WIDTHS = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
]  # fmt: skip
PAGE = (595, 842)
MARGIN = 56


def read(path):
    """The settings of a text, and its blocks: (kind, text) or ("table", rows)."""
    _, head, body = path.read_text(encoding="utf-8").split("---\n", 2)
    settings = dict(line.split(": ", 1) for line in head.strip().splitlines())
    blocks = []
    for chunk in body.strip().split("\n\n"):
        if chunk.startswith("## "):
            blocks.append(("h2", chunk[3:]))
        elif chunk.startswith("# "):
            blocks.append(("h1", chunk[2:]))
        elif chunk.startswith("|"):
            rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in chunk.splitlines()]
            blocks.append(("table", rows))
        elif chunk.startswith("- "):
            blocks.extend(("item", line[2:]) for line in chunk.splitlines())
        else:
            blocks.append(("p", chunk))
    return settings, blocks, body


def width(text, size):
    return sum(WIDTHS[ord(c) - 32] if 32 <= ord(c) < 127 else 556 for c in text) * size / 1000


def wrap(text, size, room):
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and width(longer, size) > room:
            lines.append(line)
            line = word
        else:
            line = longer
    return [*lines, line]


class Pdf:
    """Pages of text in Helvetica, one or two columns, with a running head and page numbers."""

    STYLES = {"h1": ("F2", 17, 24), "h2": ("F2", 12.5, 20), "p": ("F1", 10.5, 14.5), "item": ("F1", 10.5, 14.5)}

    def __init__(self, title, columns):
        self.title, self.columns = title, columns
        self.pages, self.column = [], 0
        self.new_page()

    @property
    def room(self):
        gaps = 24 * (self.columns - 1)
        return (PAGE[0] - 2 * MARGIN - gaps) / self.columns

    @property
    def left(self):
        return MARGIN + self.column * (self.room + 24)

    def new_page(self):
        self.pages.append([])
        self.column, self.y = 0, PAGE[1] - MARGIN - 20
        self.text("F1", 8.5, MARGIN, PAGE[1] - 36, self.title)
        self.text("F1", 8.5, PAGE[0] - MARGIN - 40, 30, f"Page {len(self.pages)}")

    def text(self, font, size, x, y, text):
        escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        self.pages[-1].append(f"BT /{font} {size} Tf {x:.2f} {y:.2f} Td ({escaped}) Tj ET")

    def ensure(self, height):
        if self.y - height >= MARGIN:
            return
        if self.column + 1 < self.columns:
            self.column, self.y = self.column + 1, PAGE[1] - MARGIN - 20
        else:
            self.new_page()

    def block(self, kind, text):
        font, size, leading = self.STYLES[kind]
        indent = 14 if kind == "item" else 0
        lines = wrap(text, size, self.room - indent)
        self.ensure(leading * min(len(lines), 2) + (30 if kind == "h2" else 0))
        if kind == "item":
            self.text(font, size, self.left, self.y, "-")
        for line in lines:
            self.ensure(leading)
            self.text(font, size, self.left + indent, self.y, line)
            self.y -= leading
        self.y -= 3 if kind == "item" else 7

    def table(self, rows):
        size, leading = 9, 11.5
        column = self.room / len(rows[0])
        for number, row in enumerate(rows):
            cells = [wrap(cell, size, column - 10) for cell in row]
            height = leading * max(map(len, cells)) + 5
            self.ensure(height)
            font = "F2" if number == 0 else "F1"
            for at, cell in enumerate(cells):
                for depth, line in enumerate(cell):
                    self.text(font, size, self.left + at * column, self.y - depth * leading, line)
            self.y -= height
            rule = self.y + leading - 3
            end = self.left + self.room
            self.pages[-1].append(f"0.6 w {self.left:.2f} {rule:.2f} m {end:.2f} {rule:.2f} l S")
        self.y -= 8

    def bytes(self):
        count = len(self.pages)
        kids = " ".join(f"{5 + 2 * n} 0 R" for n in range(count))
        objects = [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            f"<< /Type /Pages /Kids [{kids}] /Count {count} >>".encode(),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
        ]
        for number, page in enumerate(self.pages):
            objects.append(
                f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {PAGE[0]} {PAGE[1]}] "
                f"/Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> /Contents {6 + 2 * number} 0 R >>".encode()
            )
            content = zlib.compress("\n".join(page).encode("cp1252"), 9)
            objects.append(b"<< /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        objects.append(f"<< /Title ({self.title}) /Producer (Cloister samples) >>".encode())
        out, places = io.BytesIO(b""), []
        out.write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
        for number, body in enumerate(objects, 1):
            places.append(out.tell())
            out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
        start = out.tell()
        out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
        out.writelines(b"%010d 00000 n \n" % place for place in places)
        out.write(
            b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n"
            % (len(objects) + 1, len(objects), start)
        )
        return out.getvalue()


def to_pdf(settings, blocks, _):
    pdf = Pdf(settings["title"], int(settings.get("columns", 1)))
    for kind, content in blocks:
        pdf.table(content) if kind == "table" else pdf.block(kind, content)
    return pdf.bytes()


def to_html(settings, blocks, _):
    tags = {"h1": "h1", "h2": "h2", "p": "p", "item": "li"}
    title = html.escape(settings["title"])
    lines = [f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title></head>\n<body>']
    lines += [f"<{tags[kind]}>{html.escape(text)}</{tags[kind]}>" for kind, text in blocks]
    return "\n".join([*lines, "</body>\n</html>\n"]).encode()


def to_docx(settings, blocks, _):
    styles = {"h1": "Heading1", "h2": "Heading2", "p": "Normal", "item": "ListParagraph"}
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006"
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{styles[kind]}"/></w:pPr>'
        f'<w:r><w:t xml:space="preserve">{html.escape(text)}</w:t></w:r></w:p>'
        for kind, text in blocks
    )
    named = "".join(
        f'<w:style w:type="paragraph" w:styleId="{style}"><w:name w:val="{name}"/></w:style>'
        for style, name in [("Normal", "Normal"), ("Heading1", "heading 1"), ("Heading2", "heading 2"), ("ListParagraph", "List Paragraph")]
    )
    types = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{types}.document.main+xml"/>'
        f'<Override PartName="/word/styles.xml" ContentType="{types}.styles+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/relationships/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/relationships/styles" Target="styles.xml"/></Relationships>',
        "word/styles.xml": f'<w:styles xmlns:w="{word}">{named}</w:styles>',
        "word/document.xml": f'<w:document xmlns:w="{word}"><w:body>{body}</w:body></w:document>',
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), head + text, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def to_markdown(_settings, _blocks, body):
    return body.strip().encode() + b"\n"


WRITERS = {"pdf": to_pdf, "html": to_html, "docx": to_docx, "md": to_markdown}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for source in sorted(HERE.glob("*/*.md")):
        settings, blocks, body = read(source)
        kind = settings["format"]
        target = pathlib.Path(sys.argv[1]) / source.parent.name / f"{source.stem}.{kind}"
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.part")
        partial.write_bytes(WRITERS[kind](settings, blocks, body))
        partial.rename(target)


if __name__ == "__main__":
    main()
