#!/usr/bin/env python3
"""Measures how the reader finds tables in PDFs, against a truth that this program generates.

    tables.py READER [--count 300] [--keep FOLDER] [--show 3]

The PDFs are drawn with reportlab in 15 manners: rules, shades, alignment alone, cells of several lines, cells
that cover columns or rows, two tables on a page, tables that continue on the next page, tables side by side,
indented balance sheets, and others. The figure is GriTS (Smock, Pesala and Abraham, 2023): the similarity of
two grids of cells, by content and by topology, from 0 to 1. Each text stands in every row and column that its
cell covers. A table of one side without a counterpart on the other counts as 0.
"""

import argparse
import io
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

try:
    from reportlab.lib import colors
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.pdfgen import canvas
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table
except ImportError:
    sys.exit("tables.py needs reportlab: pip install reportlab")

STYLES = getSampleStyleSheet()
SECONDS = {"secs": 60, "nanos": 0}
LIMITS = {
    "file_bytes": 256 << 20, "memory_bytes": 1536 << 20, "cpu": SECONDS, "wall": SECONDS, "opening": SECONDS, "page": SECONDS,
    "pages": 20000, "text_bytes": 64 << 20, "lost_pages": 8, "pixels": 16000000,
}
DRUGS = "Amoxicillin Bisoprolol Captopril Digoxin Enoxaparin Furosemide Gentamicin Heparin Insulin Ketamine".split()
WARDS = "Surgery,Cardiology,Intensive care,Maternity,Neurology,Paediatrics,Oncology,Emergency".split(",")
ITEMS = "Cash and balances,Loans to customers,Debt securities,Other assets,Deposits,Equity,Net interest income,Fees".split(",")
NOTES = [
    "Give slowly over ten minutes and watch the blood pressure",
    "Not in severe renal failure unless a nephrologist agrees",
    "Check potassium before each dose and on the next morning",
    "With food",
    "Half the dose above the age of eighty years",
]


class Page:
    """Collects the parts of a PDF and the grids of its tables."""

    def __init__(self, rng):
        self.rng, self.parts, self.truth = rng, [], []

    def text(self, words):
        self.parts += [Paragraph(words, STYLES["Normal"]), Spacer(1, 10)]

    def heading(self, words):
        self.parts += [Paragraph(words, STYLES["Heading2"]), Spacer(1, 4)]

    def table(self, rows, style=(), spans=(), wrap=None, **options):
        shown = [[Paragraph(c, STYLES["Normal"]) if wrap is not None and j == wrap and i else c for j, c in enumerate(r)] for i, r in enumerate(rows)]
        commands = [*style, *[("SPAN", a, b) for a, b in spans]]
        self.parts += [Table(shown, style=commands, **options), Spacer(1, 14)]
        self.truth.append(expand(rows, spans))

    def pdf(self):
        out = io.BytesIO()
        SimpleDocTemplate(out, pagesize=A4).build(self.parts)
        return out.getvalue()


def expand(rows, spans):
    """The grid with the text of each cell in all rows and columns that it covers."""
    grid = [list(row) for row in rows]
    for (left, top), (right, bottom) in spans:
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                grid[y][x] = rows[top][left]
    return [[cell.strip() for cell in row] for row in grid]


def dose(rng):
    return rng.choice(["{} mg", "{} ml", "{} IU", "{}.5 mg"]).format(rng.randint(1, 900))


def money(rng):
    value = rng.randint(-90000, 900000)
    return f"({-value:,})" if value < 0 else f"{value:,}"


def dose_rows(rng, count=None, columns=3):
    heads = ["Drug", "Adult dose", "Child dose", "Maximum", "Route"][: columns]
    drugs = rng.sample(DRUGS, count or rng.randint(4, 8))
    return [heads] + [[drug] + [dose(rng) for _ in heads[1:]] for drug in drugs]


GRID = [("GRID", (0, 0), (-1, -1), 0.5, colors.black)]
HEAD = [("FONTNAME", (0, 0), (-1, 0), "Helvetica-Bold")]
LINES = [("LINEABOVE", (0, 0), (-1, 0), 1, colors.black), ("LINEBELOW", (0, 0), (-1, 0), 0.5, colors.black), ("LINEBELOW", (0, -1), (-1, -1), 1, colors.black)]


def ruled(page):
    page.text("All doses are for patients of normal weight.")
    page.table(dose_rows(page.rng, columns=page.rng.randint(3, 5)), GRID)


def booktabs(page):
    page.heading("Doses")
    page.table(dose_rows(page.rng, columns=page.rng.randint(3, 4)), LINES + HEAD, colWidths=110)


def shaded(page):
    rows = dose_rows(page.rng, columns=4)
    shades = [("BACKGROUND", (0, i), (-1, i), colors.HexColor("#dde6f0")) for i in range(0, len(rows), 2)]
    page.text("Shaded rows make the table easier to read.")
    page.table(rows, shades + HEAD, colWidths=105)


def aligned(page):
    page.table(dose_rows(page.rng, columns=page.rng.randint(3, 4)), [("LEFTPADDING", (0, 0), (-1, -1), 2)], colWidths=120)
    page.text("Nothing but white space separates the columns above.")


def wrapped(page):
    rows = [["Drug", "Remark", "Maximum"]] + [[d, page.rng.choice(NOTES), dose(page.rng)] for d in page.rng.sample(DRUGS, 5)]
    page.table(rows, GRID + [("VALIGN", (0, 0), (-1, -1), page.rng.choice(["TOP", "MIDDLE"]))], wrap=1, colWidths=[90, 120, 80])


def wrapped_lines(page):
    rows = [["Drug", "Remark", "Maximum"]] + [[d, page.rng.choice(NOTES), dose(page.rng)] for d in page.rng.sample(DRUGS, 5)]
    style = [("LINEBELOW", (0, 0), (-1, -1), 0.4, colors.grey), ("VALIGN", (0, 0), (-1, -1), "TOP")] + HEAD
    page.table(rows, style, wrap=1, colWidths=[90, 130, 80])


def two_levels(page):
    rng = page.rng
    rows = [["Drug", "Adults", "", "Children", ""], ["", "Oral", "Injected", "Oral", "Injected"]]
    rows += [[d] + [dose(rng) for _ in range(4)] for d in rng.sample(DRUGS, rng.randint(4, 7))]
    page.table(rows, GRID + HEAD, spans=[((0, 0), (0, 1)), ((1, 0), (2, 0)), ((3, 0), (4, 0))])


def labels(page):
    rng = page.rng
    rows, spans = [["Drug", "Use", "Dose"]], []
    for drug in rng.sample(DRUGS, 3):
        spans.append(((0, len(rows)), (0, len(rows) + 1)))
        rows += [[drug, "Prevention", dose(rng)], ["", "Treatment", dose(rng)]]
    page.table(rows, GRID + [("VALIGN", (0, 0), (-1, -1), "MIDDLE")], spans=spans, colWidths=90)


def two_tables(page):
    rng = page.rng
    page.heading("Doses")
    page.table(dose_rows(rng, 4), GRID)
    page.text("The beds are counted on the first day of each month.")
    page.heading("Beds")
    wards = rng.sample(WARDS, 4)
    page.table([["Ward", "Beds", "Free"]] + [[w, str(rng.randint(8, 40)), str(rng.randint(0, 9))] for w in wards], GRID)


def continued(page):
    rng = page.rng
    rows = [["Code", "Meaning", "Limit"]] + [[f"C{i:03}", rng.choice(NOTES).split(" and ")[0], dose(rng)] for i in range(rng.randint(50, 75))]
    page.text("The table continues on the following pages.")
    page.table(rows, GRID + HEAD, repeatRows=1)


def side_by_side(page):
    rng = page.rng
    left = [["Drug", "Dose"]] + [[d, dose(rng)] for d in rng.sample(DRUGS, 5)]
    right = [["Ward", "Phone"]] + [[w, str(rng.randint(1000, 9999))] for w in rng.sample(WARDS, 5)]
    pair = Table([[Table(left, style=GRID, colWidths=90), Table(right, style=GRID, colWidths=90)]], colWidths=[230, 230])
    page.parts += [pair, Spacer(1, 12)]
    page.truth += [expand(left, ()), expand(right, ())]


def balance(page):
    rng = page.rng
    rows = [["EUR million", "2026", "2025"], ["Assets", "", ""]]
    rows += [["   " + item, money(rng), money(rng)] for item in rng.sample(ITEMS, rng.randint(3, 5))]
    rows += [["Total assets", money(rng), money(rng)]]
    style = [("ALIGN", (1, 0), (-1, -1), "RIGHT"), ("LINEABOVE", (1, -1), (-1, -1), 0.5, colors.black), ("LINEBELOW", (0, 0), (-1, 0), 0.5, colors.black)]
    page.table(rows, style, colWidths=[190, 80, 80])


def by_columns(page):
    """Drawn column by column on the page, as some report writers do."""
    rng = page.rng
    rows = dose_rows(rng, columns=3)
    out = io.BytesIO()
    sheet = canvas.Canvas(out, pagesize=A4)
    sheet.setFont("Helvetica", 10)
    sheet.drawString(72, 780, "Doses of the formulary, valid from March.")
    for x in range(3):
        for y, row in enumerate(rows):
            sheet.drawString(72 + 130 * x, 740 - 18 * y, row[x])
    sheet.save()
    page.truth.append(expand(rows, ()))
    page.drawn = out.getvalue()


def two_columns(page):
    """Two columns without lines, as in lists of telephone numbers and prices."""
    rng = page.rng
    wards = rng.sample(WARDS, rng.randint(4, 8))
    page.text("The numbers of the wards from outside begin with 555.")
    page.table([["Ward", "Phone"]] + [[ward, str(rng.randint(1000, 9999))] for ward in wards], colWidths=120)


def framed(page):
    rows = dose_rows(page.rng, columns=4)
    style = [("BOX", (0, 0), (-1, -1), 1, colors.black), ("INNERGRID", (0, 0), (-1, 0), 0.5, colors.black), ("LINEBEFORE", (1, 0), (-1, -1), 0.5, colors.black), ("LINEBELOW", (0, 0), (-1, 0), 0.5, colors.black)]
    page.table(rows, style, colWidths=100)


MANNERS = [ruled, booktabs, shaded, aligned, wrapped, wrapped_lines, two_levels, labels, two_tables, continued, side_by_side, balance, by_columns, two_columns, framed]


def read_tables(reader, data):
    """The tables that the reader finds, as grids."""
    request = {"do": "extract", "from_page": 1, "structure": True, "name": "table.pdf", "passwords": [], "limits": LIMITS}
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        done = subprocess.run([reader], stdin=file, capture_output=True, env={"CLOISTER_REQUEST": json.dumps(request)}, check=False)
    out, at, tables = done.stdout, 0, []
    while at + 4 <= len(out):
        size = struct.unpack("<I", out[at : at + 4])[0]
        frame = json.loads(out[at + 4 : at + 4 + size])
        at += 4 + size
        if frame.get("frame") != "page":
            continue
        text = frame["page"]["text"].encode()
        for block in frame["page"]["blocks"]:
            add_row(tables, block.get("row"), text)
    return [fill(rows) for rows in tables if len(rows) > 1]


def add_row(tables, row, text):
    if row is None:
        return
    cells = [(c["column"], c["span"], text[c["range"]["start"] : c["range"]["end"]].decode()) for c in row["cells"]]
    if row["starts_table"] or not tables:
        tables.append([])
    # The names of the columns stand again on each page.
    if not (row["is_header"] and cells in tables[-1]):
        tables[-1].append(cells)


def fill(rows):
    width = max((column + span for row in rows for column, span, _ in row), default=0)
    grid = [[""] * width for _ in rows]
    for line, row in zip(grid, rows):
        for column, span, text in row:
            line[column : column + span] = [text.strip()] * span
    return grid


def similarity(a, b):
    """Twice the longest common subsequence of two texts in relation to their lengths."""
    a, b = "".join(a.split()), "".join(b.split())
    if a == b:
        return 1.0
    if not a or not b:
        return 0.0
    last = [0] * (len(b) + 1)
    for x in a:
        row = [0]
        for j, y in enumerate(b):
            row.append(last[j] + 1 if x == y else max(last[j + 1], row[j]))
        last = row
    return 2 * last[-1] / (len(a) + len(b))


def align(score, m, n):
    """The pairs of an alignment in order with the highest sum."""
    best = [[0.0] * (n + 1) for _ in range(m + 1)]
    for i in range(m - 1, -1, -1):
        for j in range(n - 1, -1, -1):
            best[i][j] = max(score(i, j) + best[i + 1][j + 1], best[i + 1][j], best[i][j + 1])
    pairs, i, j = [], 0, 0
    while i < m and j < n:
        if best[i][j] == best[i + 1][j]:
            i += 1
        elif best[i][j] == best[i][j + 1]:
            j += 1
        else:
            pairs.append((i, j))
            i, j = i + 1, j + 1
    return pairs, best[0][0]


def grits(truth, found, reward):
    """GriTS by the factored most similar substructures: rows and columns are aligned by themselves."""
    if not truth or not found or not truth[0] or not found[0]:
        return 0.0
    rows, columns = (len(truth), len(found)), (len(truth[0]), len(found[0]))
    table = [[[[reward(truth, i, x, found, j, y) for y in range(columns[1])] for j in range(rows[1])] for x in range(columns[0])] for i in range(rows[0])]
    row_score = [[align(lambda x, y: table[i][x][j][y], *columns)[1] for j in range(rows[1])] for i in range(rows[0])]
    column_score = [[align(lambda i, j: table[i][x][j][y], *rows)[1] for y in range(columns[1])] for x in range(columns[0])]
    row_pairs, _ = align(lambda i, j: row_score[i][j], *rows)
    column_pairs, _ = align(lambda x, y: column_score[x][y], *columns)
    total = sum(table[i][x][j][y] for i, j in row_pairs for x, y in column_pairs)
    return 2 * total / (rows[0] * columns[0] + rows[1] * columns[1])


KNOWN = {}


def by_content(truth, i, x, found, j, y):
    pair = (truth[i][x], found[j][y])
    if pair not in KNOWN:
        KNOWN[pair] = similarity(*pair)
    return KNOWN[pair]


def extent(grid, i, x):
    """How far a text repeats to the left, above, to the right and below, which is what its cell covers."""
    text = grid[i][x]
    left = x
    while left and text and grid[i][left - 1] == text:
        left -= 1
    right = x
    while text and right + 1 < len(grid[i]) and grid[i][right + 1] == text:
        right += 1
    top = i
    while top and text and grid[top - 1][x] == text:
        top -= 1
    bottom = i
    while text and bottom + 1 < len(grid) and grid[bottom + 1][x] == text:
        bottom += 1
    return left - x, top - i, right - x + 1, bottom - i + 1


def by_topology(truth, i, x, found, j, y):
    a, b = extent(truth, i, x), extent(found, j, y)
    shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    area = lambda r: (r[2] - r[0]) * (r[3] - r[1])
    return shared / (area(a) + area(b) - shared)


def judge(truth, found):
    """The means of both figures over the tables of a file."""
    left, sums = list(found), [0.0, 0.0]
    for table in truth:
        scores = [grits(table, other, by_content) for other in left]
        if not scores:
            continue
        best = max(range(len(scores)), key=scores.__getitem__)
        sums[0] += scores[best]
        sums[1] += grits(table, left.pop(best), by_topology)
    count = max(len(truth), len(found), 1)
    return sums[0] / count, sums[1] / count


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("reader")
    options.add_argument("--count", type=int, default=20 * len(MANNERS))
    options.add_argument("--least", type=float, default=0.95)
    options.add_argument("--keep", type=pathlib.Path)
    options.add_argument("--show", type=int, default=0)
    options = options.parse_args()
    scores, worst = {}, []
    for number in range(options.count):
        manner = MANNERS[number % len(MANNERS)]
        page = Page(random.Random(number))
        manner(page)
        data = getattr(page, "drawn", None) or page.pdf()
        if options.keep:
            os.makedirs(options.keep, exist_ok=True)
            (options.keep / f"{number:03}-{manner.__name__}.pdf").write_bytes(data)
        found = read_tables(options.reader, data)
        both = judge(page.truth, found)
        scores.setdefault(manner.__name__, []).append(both)
        worst.append((both[0], number, manner.__name__, page.truth, found))
    for name, values in scores.items():
        print(f"{name:14} content {mean(v[0] for v in values):.4f}  topology {mean(v[1] for v in values):.4f}")
    every = [both for values in scores.values() for both in values]
    content, topology = mean(v[0] for v in every), mean(v[1] for v in every)
    print(f"{len(every)} files: GriTS content {content:.4f}, topology {topology:.4f}")
    for score, number, name, truth, found in sorted(worst, key=lambda w: w[:2])[: options.show]:
        print(f"\n{number} {name}: {score:.3f}")
        for side, tables in (("truth", truth), ("found", found)):
            for table in tables:
                print(f"  {side}")
                for row in table:
                    print("    " + " | ".join(row))
    sys.exit(0 if min(content, topology) >= options.least else 1)


def mean(values):
    values = list(values)
    return sum(values) / len(values)


if __name__ == "__main__":
    main()
