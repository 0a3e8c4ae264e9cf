//! Words that independent programs read are read here, too. `make reading` compares more files.

#![expect(clippy::expect_used, reason = "a test without its files fails")]

use crate::support::archive;
use std::path::Path;
use std::process::Command;

/// The program that compares.
const COMPARE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/reading/compare.py");

const MAIL: &str = "From: a@b.example\r\nTo: c@d.example\r\nDate: Wed, 4 Mar 2026 09:15:00 +0100\r\nMIME-Version: 1.0\r\n\
    Subject: =?utf-8?B?R3LD?=\r\n =?utf-8?B?tsOfZQ==?= der Dosis\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n\
    --i\r\nContent-Type: text/plain; charset=iso-8859-15\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nKosten 5 =A4 je =DCbung\r\n\
    --i\r\nContent-Type: text/html\r\n\r\n<p>Kosten 5 &euro; je &Uuml;bung</p>\r\n--i--\r\n\
    --b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename*=utf-8''M%C3%A4rz.txt\r\n\r\nGloves\r\n--b--\r\n";

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).expect("room on the disk");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test compares two programs")]
fn no_word_that_other_programs_read_is_missing() {
    let python = Command::new("python3").arg("--version").output();
    if python.is_err() {
        eprintln!("skipped: python3 is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "mail.eml", MAIL.as_bytes());
    let document = "<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body><w:p><w:r><w:t>Wash hands for thirty seconds.</w:t></w:r></w:p></w:body></w:document>";
    write(
        folder.path(),
        "a.docx",
        &archive(&[("word/document.xml", document)]),
    );
    let lines = vec![crate::support::Line(
        11.0,
        false,
        72.0,
        700.0,
        "Give one gram within the hour.",
    )];
    let pdf = crate::support::pdf(&[lines], &lopdf::Dictionary::new());
    write(folder.path(), "a.pdf", &pdf);
    let compared = Command::new("python3")
        .arg(COMPARE)
        .arg(env!("CARGO_BIN_EXE_cloister-reader"))
        .arg(folder.path())
        .args(["--limit", "0"])
        .output()
        .expect("python3 runs");
    let said = String::from_utf8_lossy(&compared.stdout).into_owned();
    eprintln!("{said}");
    assert!(compared.status.success(), "{said}");
    assert!(said.contains(".eml: 1 files"), "{said}");
}
