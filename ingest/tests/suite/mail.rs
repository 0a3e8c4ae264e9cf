//! What is read from messages and their attachments.

#![expect(clippy::expect_used, reason = "a test without its files fails")]

use crate::support::{outline, read};
use std::io::{Cursor, Write};

async fn check(
    name: &str,
    bytes: &[u8],
    expected: &[&str],
    attached: &[(&str, &[u8])],
) -> cloister_ingest::Extraction {
    let read = read(name, bytes).await.expect("text");
    let found: Vec<String> = read.pages.iter().flat_map(outline).collect();
    assert_eq!(found, expected, "{name}");
    let files: Vec<(&str, &[u8])> = read
        .attachments
        .iter()
        .map(|file| (file.name.as_str(), file.bytes.as_slice()))
        .collect();
    assert_eq!(files, attached, "{name}");
    read
}

#[tokio::test]
async fn mail_is_read_with_its_header_and_quoted_messages() {
    let mail = "From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\nTo: Ada <ada@example.org>, ward@example.org\r\n\
        Subject: Visiting hours\r\nDate: Tue, 3 Mar 2026 09:15:00 +0100\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: multipart/alternative; boundary=y\r\n\r\n\
        --y\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        From ten to f=FCnf.\r\n\r\n> When may\r\n> we come?\r\n--y\r\nContent-Type: text/html\r\n\r\n<p>No</p>\r\n--y--\r\n\
        --x\r\nContent-Type: text/csv; name=hours.csv\r\nContent-Disposition: attachment\r\n\r\nDay,Hour\r\n--x\r\n\
        Content-Type: image/png\r\nContent-Disposition: inline\r\nContent-ID: <logo>\r\n\r\nlogo\r\n--x--\r\n";
    let read = check(
        "hours.eml",
        mail.as_bytes(),
        &[
            "h1 Visiting hours",
            "p From: Jürgen <j@example.org>",
            "p To: Ada <ada@example.org>, ward@example.org",
            "p Date: 2026-03-03 09:15:00+01:00",
            "p From ten to fünf.",
            "p When may we come?",
        ],
        &[("hours.csv", b"Day,Hour")],
    )
    .await;
    assert_eq!(read.info.title, "Visiting hours");
    let day = read.info.date.map(|day| day.to_string());
    assert_eq!(day.as_deref(), Some("2026-03-03"));
}

#[tokio::test]
async fn mail_in_html_is_read_as_html() {
    let mail = "From: a@example.org\r\nMessage-ID: <1>\r\nContent-Type: text/html\r\n\r\n\
        <ul><li>Soap</ul><table><tr><td>Day<td>Desk<tr><td>Monday<td>3</table>";
    let expected = [
        "p From: a@example.org",
        "li • Soap",
        "tr Day | Desk",
        "tr Monday | 3",
    ];
    check("list.eml", mail.as_bytes(), &expected, &[]).await;
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[tokio::test]
async fn an_outlook_message_is_read_with_nested_messages() {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).expect("a file");
    let attached = "/__attach_version1.0_#00000000";
    let inside = format!("{attached}/__substg1.0_3701000D");
    let second = "/__attach_version1.0_#00000001";
    for folder in [attached, &inside, second] {
        file.create_storage(folder).expect("a folder");
    }
    // The time of sending, in steps of 100 nanoseconds since 1601.
    let mut fixed = vec![0; 32];
    fixed.extend(0x0039_0040_u32.to_le_bytes());
    fixed.extend([0; 4]);
    fixed.extend(134_170_389_000_000_000_u64.to_le_bytes());
    let streams: [(String, Vec<u8>); 10] = [
        ("/__properties_version1.0".to_owned(), fixed),
        ("/__substg1.0_0037001F".to_owned(), wide("Beds")),
        ("/__substg1.0_0C1A001F".to_owned(), wide("Ada")),
        ("/__substg1.0_0E04001F".to_owned(), wide("Ward 3")),
        ("/__substg1.0_1000001F".to_owned(), wide("Twelve are free.")),
        (format!("{inside}/__properties_version1.0"), vec![0; 24]),
        (
            format!("{inside}/__substg1.0_0037001E"),
            b"Re: Beds".to_vec(),
        ),
        (
            format!("{inside}/__substg1.0_10130102"),
            b"<p>How many?</p>".to_vec(),
        ),
        (format!("{second}/__substg1.0_37010102"), b"a,b".to_vec()),
        (format!("{second}/__substg1.0_3707001F"), wide("beds.csv")),
    ];
    for (path, bytes) in streams {
        let mut stream = file.create_stream(path).expect("a stream");
        stream.write_all(&bytes).expect("room");
    }
    file.flush().expect("room");
    let bytes = file.into_inner().into_inner();
    check(
        "beds.msg",
        &bytes,
        &[
            "h1 Beds",
            "p From: Ada",
            "p To: Ward 3",
            "p Date: 2026-03-03 19:15:00Z",
            "p Twelve are free.",
            "h2 Re: Beds",
            "p How many?",
        ],
        &[("beds.csv", b"a,b")],
    )
    .await;
}
