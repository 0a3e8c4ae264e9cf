#!/usr/bin/env python3
"""Writes the seed inputs of the fuzz targets. Run `make_seeds.py` in this folder.

The seed of an archive format is a text in which each part starts with a line `%% name`.
"""

import io
import json
import pathlib
import struct
import zipfile
import zlib

HERE = pathlib.Path(__file__).parent / "seeds"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def seed(target, name, content):
    folder = HERE / target
    folder.mkdir(parents=True, exist_ok=True)
    data = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(data)


def archive(*files):
    return "\n".join(f"%% {name}\n{text}" for name, text in files)


def relationships(*links):
    inner = "".join(
        f'<Relationship Id="{id}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for id, kind, target in links
    )
    return f"<Relationships>{inner}</Relationships>"


def docx():
    def p(text, settings=""):
        return f"<w:p><w:pPr>{settings}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"

    def style(name):
        return f'<w:pStyle w:val="{name}"/>'

    item = '<w:numPr><w:ilvl w:val="1"/><w:numId w:val="2"/></w:numPr>'
    cell = '<w:tc><w:tcPr><w:gridSpan w:val="2"/></w:tcPr>' + p("Day") + "</w:tc>"
    body = (
        p("Visits", style("H1"))
        + p("Contents 1", style("TOC1"))
        + "<w:p><w:r><w:t>Come </w:t></w:r><w:del><w:r><w:delText>late</w:delText></w:r></w:del>"
        + '<w:ins><w:r><w:t>early&#8230;</w:t><w:tab/><w:sym w:char="F0B7"/></w:r></w:ins>'
        + '<w:r><w:rPr><w:vanish/></w:rPr><w:t>no</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r></w:p>'
        + '<w:p><w:pPr><w:rPr><w:del w:id="1"/></w:rPr></w:pPr><w:r><w:t>joined </w:t></w:r></w:p>'
        + p("with this")
        + p("Item", item)
        + f"<w:tbl><w:tr>{cell}{cell}</w:tr><w:tr><w:trPr><w:del/></w:trPr>{cell}</w:tr></w:tbl>"
        + "<w:p><mc:AlternateContent><mc:Choice><w:txbxContent>" + p("box")
        + "</w:txbxContent></mc:Choice><mc:Fallback><w:t>x</w:t></mc:Fallback></mc:AlternateContent></w:p>"
        + "<w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent>" + p("prompt") + "</w:sdtContent></w:sdt>"
        + '<w:p><dgm:relIds r:dm="d1"/></w:p>'
    )
    styles = (
        '<w:styles><w:style w:styleId="H1"><w:name w:val="heading 1"/></w:style>'
        '<w:style w:styleId="TOC1"><w:name w:val="toc 1"/><w:basedOn w:val="TOC1"/></w:style>'
        '<w:style w:styleId="L"><w:pPr><w:outlineLvl w:val="3"/><w:numPr><w:numId w:val="2"/></w:numPr></w:pPr></w:style></w:styles>'
    )
    lists = (
        '<w:numbering><w:abstractNum w:abstractNumId="1"><w:styleLink w:val="S"/>'
        '<w:lvl w:ilvl="0"><w:start w:val="3"/><w:numFmt w:val="upperRoman"/><w:lvlText w:val="%1."/></w:lvl>'
        '<w:lvl w:ilvl="1"><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1.%2)"/></w:lvl></w:abstractNum>'
        '<w:num w:numId="2"><w:abstractNumId w:val="1"/><w:lvlOverride w:ilvl="1"><w:startOverride w:val="4"/></w:lvlOverride></w:num></w:numbering>'
    )
    notes = '<w:footnotes><w:footnote w:id="2">' + p("A note") + "</w:footnote></w:footnotes>"
    diagram = "<dgm:pt><a:p><a:r><a:t>Box</a:t></a:r></a:p></dgm:pt>"
    core = '<c><dc:title>T</dc:title><dcterms:modified>2026-01-02T03:04:05Z</dcterms:modified></c>'
    seed("docx", "all.txt", archive(
        ("word/document.xml", f"<w:document><w:body>{body}</w:body></w:document>"),
        ("word/_rels/document.xml.rels", relationships(("d1", "diagramData", "diagrams/d.xml"))),
        ("word/diagrams/d.xml", f"<x>{diagram}</x>"),
        ("word/styles.xml", styles),
        ("word/numbering.xml", lists),
        ("word/footnotes.xml", notes),
        ("docProps/core.xml", core),
    ))
    strict = '<d:p xmlns:d="http://purl.oclc.org/ooxml/wordprocessingml/main"><d:r><d:t>S</d:t></d:r></d:p>'
    seed("docx", "strict.txt", archive(
        ("_rels/.rels", relationships(("a", "officeDocument", "/word/document2.xml"))),
        ("word/document2.xml", strict),
    ))


def pptx():
    def text(words, settings=""):
        return f"<a:p><a:pPr>{settings}</a:pPr><a:r><a:t>{words}</a:t></a:r></a:p>"

    def shape(kind, inner, more=""):
        return (
            f'<p:sp><p:nvSpPr><p:cNvPr id="1" {more}/><p:nvPr><p:ph {kind}/></p:nvPr></p:nvSpPr>'
            f"<p:txBody>{inner}</p:txBody></p:sp>"
        )

    table = "<p:graphicFrame><a:tbl><a:tr><a:tc>" + text("a") + "</a:tc><a:tc>" + text("b") + "</a:tc></a:tr></a:tbl></p:graphicFrame>"
    one = (
        '<p:sld show="1"><p:spTree>' + shape('type="title"', text("Title"))
        + shape("", text("Bullet") + text("Number", '<a:buAutoNum type="alphaLcParenR" startAt="2"/>') + text("None", "<a:buNone/>"))
        + "<p:grpSp>" + shape('type="ftr"', text("Foot")) + shape("", text("No"), 'hidden="1"') + "</p:grpSp>"
        + table + '<dgm:relIds r:dm="d"/></p:spTree></p:sld>'
    )
    two = '<p:sld show="0"><p:spTree/></p:sld>'
    notes = "<p:notes>" + shape('type="body"', text("Say")) + "</p:notes>"
    seed("pptx", "all.txt", archive(
        ("ppt/presentation.xml", '<p:presentation><p:sldId r:id="b"/><p:sldId r:id="a"/></p:presentation>'),
        ("ppt/_rels/presentation.xml.rels", relationships(("a", "slide", "slides/1.xml"), ("b", "slide", "slides/2.xml"))),
        ("ppt/slides/1.xml", one),
        ("ppt/slides/2.xml", two),
        ("ppt/slides/_rels/1.xml.rels", relationships(("n", "notesSlide", "../notes.xml"), ("d", "diagramData", "../d.xml"))),
        ("ppt/notes.xml", notes),
        ("ppt/d.xml", "<x><a:p><a:t>Box</a:t></a:p></x>"),
    ))


def odf():
    name = "application/vnd.oasis.opendocument."
    styles = (
        '<style:style style:name="T" style:parent-style-name="T"><style:text-properties text:display="none"/></style:style>'
        '<style:style style:name="D"><style:drawing-page-properties presentation:visibility="hidden"/></style:style>'
        '<text:list-style style:name="L"><text:list-level-style-number text:level="1" style:num-format="i" style:num-suffix="."/>'
        '<text:list-level-style-bullet text:level="2"/></text:list-style>'
        '<text:outline-style><text:outline-level-style text:level="1" style:num-format="1" text:display-levels="3"/></text:outline-style>'
    )
    item = "<text:list-item text:start-value=\"3\"><text:p>Item</text:p><text:list><text:list-item><text:p>Deep</text:p></text:list-item></text:list></text:list-item>"
    row = "<table:table-row><table:table-cell><text:p>a</text:p></table:table-cell><table:covered-table-cell/><table:table-cell><text:p>b</text:p></table:table-cell></table:table-row>"
    body = (
        "<text:tracked-changes><text:p>gone</text:p></text:tracked-changes><text:h text:outline-level=\"1\">Head</text:h>"
        "<text:p>One<text:s text:c=\"4\"/><text:span text:style-name=\"T\">no</text:span><text:note><text:note-citation>1</text:note-citation>"
        "<text:note-body><text:p>Note</text:p></text:note-body></text:note><draw:frame><draw:text-box><text:p>Box</text:p></draw:text-box></draw:frame>end</text:p>"
        f'<text:list text:style-name="L" text:continue-numbering="true">{item}</text:list>'
        f"<table:table>{row}{row}</table:table><text:table-of-content><text:index-body><text:p>Head 1</text:p></text:index-body></text:table-of-content>"
        '<text:section text:display="none"><text:p>no</text:p></text:section>'
    )
    meta = "<m><dc:title>T</dc:title><dc:date>2026-01-02T03:04:05</dc:date></m>"

    def whole(kind, inner):
        return archive(
            ("mimetype", name + kind),
            ("content.xml", f"<o><office:automatic-styles>{styles}</office:automatic-styles><office:body>{inner}</office:body></o>"),
            ("meta.xml", meta),
        )

    seed("odf", "text.txt", whole("text", body))
    slide = (
        '<draw:page draw:style-name="{}"><draw:frame presentation:class="title"><draw:text-box><text:p>Title</text:p></draw:text-box></draw:frame>'
        '<draw:frame presentation:class="outline" presentation:placeholder="true"><draw:text-box><text:p>Click</text:p></draw:text-box></draw:frame>'
        '<presentation:notes><draw:frame><draw:text-box><text:p>Say</text:p></draw:text-box></draw:frame></presentation:notes></draw:page>'
    )
    seed("odf", "slides.txt", whole("presentation", slide.format("") + slide.format("D")))
    sheet = (
        '<table:table table:name="A b"><table:table-row table:number-rows-repeated="9"><table:table-cell table:number-columns-repeated="3"><text:p>x</text:p></table:table-cell>'
        '<table:table-cell><office:annotation><text:p>r</text:p></office:annotation><text:p>1,5</text:p></table:table-cell></table:table-row></table:table>'
    )
    seed("odf", "sheet.txt", whole("spreadsheet", sheet))


def xlsx():
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    package = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
    rows = (
        '<row r="2"><c r="B2" t="s"><v>0</v></c><c r="D2" s="1"><v>0.125</v></c></row>'
        '<row r="4"><c r="B4" s="2"><v>46082</v></c><c r="C4" t="b"><v>1</v></c><c r="D4" s="3"><v>-1234.5</v></c>'
        '<c r="E4" t="e"><v>#DIV/0!</v></c><c r="F4" t="inlineStr"><is><t>in</t></is></c></row>'
    )
    formats = '<numFmt numFmtId="164" formatCode="dd.mm.yyyy"/><numFmt numFmtId="165" formatCode="#,##0.00;[Red](#,##0.00)&quot; x&quot;"/>'
    xfs = "".join(f'<xf numFmtId="{n}"/>' for n in (0, 10, 164, 165))
    seed("xlsx", "all.txt", archive(
        ("_rels/.rels", relationships(("r", "officeDocument", "xl/workbook.xml")).replace("<Relationships", f"<Relationships {package}")),
        ("xl/workbook.xml", f'<workbook {main} xmlns:r="{OFFICE}"><sheets><sheet name="A" sheetId="1" r:id="a"/></sheets></workbook>'),
        ("xl/_rels/workbook.xml.rels", relationships(("a", "worksheet", "worksheets/sheet1.xml")).replace("<Relationships", f"<Relationships {package}")),
        ("xl/worksheets/sheet1.xml", f"<worksheet {main}><dimension ref=\"B2:F4\"/><sheetData>{rows}</sheetData></worksheet>"),
        ("xl/sharedStrings.xml", f"<sst {main}><si><t>Item</t></si></sst>"),
        ("xl/styles.xml", f"<styleSheet {main}><numFmts>{formats}</numFmts><cellXfs>{xfs}</cellXfs></styleSheet>"),
    ))


def messages():
    inside = "/__attach_version1.0_#00000000/__substg1.0_3701000D"
    fixed = "0" * 34 + "\x39\x00" + "0" * 40
    seed("msg", "all.txt", archive(
        ("/__properties_version1.0", fixed),
        ("/__substg1.0_0037001E", "Subject"),
        ("/__substg1.0_0C1A001E", "Ada"),
        ("/__substg1.0_5D01001E", "ada@example.org"),
        ("/__substg1.0_1000001E", "Body\n> quoted"),
        ("/__substg1.0_0E04001F", "W\x00a\x00"),
        (inside + "/__properties_version1.0", "0" * 24),
        (inside + "/__substg1.0_10130102", "<p>inside"),
        ("/__attach_version1.0_#00000001/__substg1.0_37010102", "data"),
    ))
    packed = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    )
    seed("msg", "packed.txt", b"%% /__properties_version1.0\n\n%% /__substg1.0_10090102\n" + packed)
    seed("eml", "parts.eml", (
        "From: =?utf-8?q?J=C3=BC?= <a@b.c>\r\nTo: x: d@e.f;\r\nSubject: S\r\nDate: Tue, 3 Mar 2026 09:15:00 +0100\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\nf=FCnf\r\n> old\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n"
        "Subject: inner\r\n\r\nhi\r\n--x\r\nContent-Type: text/csv; name=a.csv\r\nContent-Disposition: attachment\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\nYSxi\r\n--x--\r\n"
    ))
    seed("eml", "html.eml", "From: a@b.c\nMessage-ID: <1>\nContent-Type: text/html\n\n<p>Hi<table><tr><td>a<td>b</table>")


def texts():
    seed("rtf", "all.rtf", (
        r"{\rtf1\ansi\ansicpg1252\uc1{\fonttbl{\f0\fcharset204 A;}{\f1\fcharset128 B;}}{\stylesheet{\s1 heading 1;}{\s2\outlinelevel1 O;}{\*\cs3 C;}}"
        r"{\info{\title T}{\revtim\yr2026\mo3\dy1}}\pard\s1 One\par\pard{\listtext 1.\tab}Item{\footnote Note}\par\u8211-\u55357?\u56898?\'e4{\f1\'83\'65}"
        r"{\v no}\deleted x\deleted0{\field{\*\fldinst X}{\fldrslt r}}{\upr{a}{\*\ud{\u228 a}}}{\pict 00}{\bin3 }}}"
        r"\trowd\pard\intbl a\cell b\par c\cell\row\pard{\shp{\*\shpinst{\shptxt box\par}}}\s2 Two\par}"
    ))
    # Found by fuzzing: one level more than there are.
    seed("rtf", "outline.rtf", r"{\rtf1{\stylesheet{\s1\outlinelevel255 O;}}\outlinelevel255 a\par}")
    seed("html", "page.html", (
        "<!doctype html><html><head><title>T</title><style>p{}</style></head><body><nav>n</nav><h1>One</h1><p>a &amp; b<br>c"
        "<ol start=3><li>x<li><p>y</ol><table><caption>C</caption><tr><th colspan=2>h<th><tr><td>1<td><ul><li>i</ul></table>"
        "<div style='display: none'>no</div><b><p>mis</b>nested</p><svg><g>s</svg><table><tr><td><table><tr><td>in<td>ner</table></table>"
    ))
    seed("html", "deep.html", "<div><b><table><tr><td>" * 120 + "deep")
    markdown = (
        "---\ntitle: T\n---\n# One\n\nText *with* `code`[^1].\n\n1. a\n2. b\n   - c\n\n   d\n\n| x | y |\n|---|---|\n| 1 | |\n\n"
        "> quote\n\n```\ncode\n```\n<div>html</div>\n\n[^1]: note\n\n## Two\n\n- [x] done\n"
    )
    seed("markdown", "all.md", markdown)
    seed("text", "all.txt", "SICK LEAVE\n\n1.1 Scope\n\nOne\ntwo.\n\n- a\n  b\n(iv) c\n\u00fc\n")
    seed("text", "latin.txt", b"Die M\xfcnze geh\xf6rt der gro\xdfen B\xe4uerin in K\xf6ln.")
    seed("text", "wide.txt", "\ufeffW\u00e4".encode("utf-16-le"))
    seed("csv", "comma.csv", 'Drug,Dose,"a ""b"""\n\n"A; B","1,5\n2",\n')
    seed("csv", "semicolon.csv", "Drug;Dose\nA;1,5\n")
    long = "Mr. A. saw 3.5 mg, e.g. of \u00fc; then left (see p. 4). " * 12
    seed("chunks", "all.txt", bytes([20, 5]) + (markdown + long + "\n\n| a | b |\n|---|---|\n" + "| 1 | Name of it |\n" * 12).encode())


def frames():
    def frame(value):
        data = json.dumps(value).encode()
        return struct.pack("<I", len(data)) + data

    info = {"frame": "info", "format": "pdf", "title": "T", "date": "2026-03-01", "pages": 2, "outline": [{"level": 1, "title": "One", "page": 1}], "warnings": []}
    style = {"size": 12.0, "bold": True, "lines": 1, "left": 72.0, "top": 20.0, "bottom": 30.0}
    page = {
        "frame": "page",
        "page": {
            "number": 1, "width": 612.0, "height": 792.0, "text": "One two",
            "blocks": [{"kind": "heading", "level": 1, "range": [0, 3], "place": "A!B2"}, {"kind": "paragraph", "range": [4, 7]}],
            "words": [{"range": [0, 3], "rect": {"x0": 1.0, "y0": 1.0, "x1": 9.0, "y1": 9.0}}],
        },
        "styles": [style, style],
        "notes": {"unreadable": 0, "outside": 0, "cut_short": False, "pictured": False, "hidden": 3},
    }
    seed("wire", "all.bin", frame({"frame": "confined"}) + frame(info) + frame(page) + frame({"frame": "lost", "page": 2})
         + frame({"frame": "attachment", "name": "../a.csv"}) + frame({"frame": "done"}))


def parts(*files):
    """An archive or a compound file whose parts are bytes."""
    return b"\n".join(b"%% " + name.encode() + b"\n" + data for name, data in files)


def wide(text):
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")


def binary_record(kind, body=b""):
    head = bytes([kind]) if kind < 128 else bytes([kind & 127 | 128, kind >> 7])
    return head + bytes([len(body)]) + body


def binary_workbook():
    def cell(kind, column, style, body):
        return binary_record(kind, struct.pack("<II", column, style) + body)

    book = binary_record(153, struct.pack("<III", 1, 0, 0)) + binary_record(156, struct.pack("<II", 1, 1) + wide("r1") + wide("Fees"))
    styles = (
        binary_record(44, struct.pack("<H", 164) + wide('0.0" mg"'))
        + binary_record(43, struct.pack("<HHHH", 220, 8, 700, 1))
        + binary_record(617) + binary_record(47, struct.pack("<HHH", 0, 164, 0)) + binary_record(618)
    )
    strings = binary_record(19, b"\0" + wide("Drug"))
    sheet = (
        binary_record(60, struct.pack("<IIIIH", 1, 2, 9, 0, 1))
        + binary_record(0, struct.pack("<IIH", 0, 0, 300) + b"\0\x10")
        + cell(7, 0, 0, struct.pack("<I", 0)) + cell(2, 1, 0, struct.pack("<I", 50)) + cell(5, 2, 0, struct.pack("<d", 2.5))
        + cell(4, 3, 0, b"\1") + cell(3, 4, 0, b"\7") + cell(6, 5, 0, wide("text")) + cell(62, 6, 0, b"\1" + wide("rich"))
        + binary_record(176, struct.pack("<IIII", 0, 2, 0, 1))
    )
    seed("xlsb", "all.bin", parts(
        ("_rels/.rels", relationships(("r0", "officeDocument", "xl/workbook.bin")).encode()),
        ("xl/workbook.bin", book),
        ("xl/_rels/workbook.bin.rels", relationships(("r1", "worksheet", "worksheets/sheet1.bin")).encode()),
        ("xl/styles.bin", styles),
        ("xl/sharedStrings.bin", strings),
        ("xl/worksheets/sheet1.bin", sheet),
    ))


def old_workbook():
    def record(kind, body=b""):
        return struct.pack("<HH", kind, len(body)) + body

    bof = record(0x809, struct.pack("<HHII", 0x600, 5, 0, 0)) + record(0x22, b"\1\0")
    fonts = record(0x31, struct.pack("<HHHHHBBBB", 200, 8, 0, 700, 1, 0, 0, 0, 0) + b"\1\0A")
    formats = record(0x41E, struct.pack("<H", 164) + struct.pack("<HB", 3, 0) + b"0.0")
    style = record(0xE0, struct.pack("<HH", 0, 164) + bytes(16))
    strings = record(0xFC, struct.pack("<II", 1, 1) + struct.pack("<HB", 4, 0) + b"Drug")
    def bound(offset):
        return record(0x85, struct.pack("<IBBBB", offset, 1, 0, 4, 0) + b"Fees")
    head = bof + fonts + formats + style + strings
    offset = len(head) + len(bound(0)) + 4
    sheet = (
        record(0x809, struct.pack("<HHII", 0x600, 16, 0, 0))
        + record(0x208, struct.pack("<HHHHIHH", 0, 0, 9, 300, 0, 0x20, 0))
        + record(0x7D, struct.pack("<HHHHH", 1, 2, 9, 0, 1))
        + record(0xFD, struct.pack("<HHHI", 0, 0, 0, 0)) + record(0x27E, struct.pack("<HHHI", 0, 1, 0, 50))
        + record(0x203, struct.pack("<HHHd", 1, 0, 0, 2.5)) + record(0x205, struct.pack("<HHHBB", 1, 1, 0, 7, 1))
        + record(0xBD, struct.pack("<HHHIHIH", 2, 0, 0, 50, 0, 51, 1))
        + record(0x6, struct.pack("<HHH", 3, 0, 0) + b"\0\0\0\0\0\0\xff\xff") + record(0x207, struct.pack("<HB", 2, 0) + b"hi")
        + record(0xE5, struct.pack("<HHHHH", 1, 0, 1, 0, 1)) + record(0xA)
    )
    seed("xls", "all.bin", parts(("Workbook", head + bound(offset) + record(0xA) + sheet)))


def containers():
    info = struct.pack("<HHI", 4, 4, 0x40) + (
        '<encryption><keyData saltSize="16" blockSize="16" keyBits="128" hashSize="20" hashAlgorithm="SHA1" saltValue="AAAAAAAAAAAAAAAAAAAAAA=="/>'
        '<keyEncryptors><keyEncryptor><p:encryptedKey spinCount="2" saltSize="16" blockSize="16" keyBits="128" hashSize="20" hashAlgorithm="SHA1" '
        'saltValue="AAAAAAAAAAAAAAAAAAAAAA==" encryptedVerifierHashInput="AAAAAAAAAAAAAAAAAAAAAA==" '
        'encryptedVerifierHashValue="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" encryptedKeyValue="AAAAAAAAAAAAAAAAAAAAAA=="/>'
        "</keyEncryptor></keyEncryptors></encryption>"
    ).encode()
    seed("encrypted", "agile.bin", parts(("EncryptionInfo", info), ("EncryptedPackage", struct.pack("<Q", 5) + bytes(32))))
    package = (
        '<package><metadata><dc:title>T</dc:title></metadata><manifest><item id="a" href="a%20b.xhtml"/></manifest>'
        '<spine><itemref idref="a"/><itemref idref="gone"/></spine></package>'
    )
    seed("epub", "all.txt", archive(
        ("mimetype", "application/epub+zip"),
        ("META-INF/container.xml", '<container><rootfile full-path="o/c.opf"/></container>'),
        ("o/c.opf", package),
        ("o/a b.xhtml", "<html><body><h1>One</h1><p>5 mg</p></body></html>"),
    ))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("a/b.txt", "__MACOSX/._b", "c.csv"):
            file.writestr(zipfile.ZipInfo(name), "Drug;Dose\nA;5\n" * 9)
    seed("zip", "all.zip", packed.getvalue())

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    pixels = zlib.compress(b"\0\x80\xff\x10" * 4)
    header = struct.pack(">IIBBBBB", 3, 4, 8, 0, 0, 0, 0)
    seed("image", "gray.png", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))
    entries = [(256, 3, 1, 2), (257, 3, 1, 2), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8), (277, 3, 1, 1), (279, 4, 1, 4)]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    seed("image", "gray.tif", b"II*\0" + struct.pack("<I", 12) + b"\0\x40\x80\xff" + directory)


if __name__ == "__main__":
    for make in (docx, pptx, odf, xlsx, messages, texts, frames, binary_workbook, old_workbook, containers):
        make()
