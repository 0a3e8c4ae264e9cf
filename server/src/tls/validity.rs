//! The end of the validity of an X.509 certificate (RFC 5280, section 4.1). TLS libraries check it
//! and do not report it.

use cloister_domain::Timestamp;
use time::PrimitiveDateTime;
use time::macros::format_description;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Values in the Distinguished Encoding Rules (DER), one after another.
struct DerReader<'a>(&'a [u8]);

impl<'a> DerReader<'a> {
    /// The tag and the contents of the next value.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = if *first < 0x80 {
            (usize::from(*first), rest)
        } else {
            let (bytes, rest) = rest.split_at_checked(usize::from(*first & 0x7f))?;
            let mut length = 0_usize;
            for byte in bytes {
                length = length.checked_mul(256)?.checked_add(usize::from(*byte))?;
            }
            (length, rest)
        };
        let (contents, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, contents))
    }

    /// The values in the next value, which must be a sequence.
    fn sequence(&mut self) -> Option<Self> {
        let (tag, contents) = self.next()?;
        (tag == SEQUENCE).then_some(Self(contents))
    }
}

/// The time after which a certificate is not valid. `None` if it is not a certificate.
pub fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    let mut signed = DerReader(certificate).sequence()?.sequence()?;
    let (tag, _version_or_serial) = signed.next()?;
    if tag == VERSION {
        signed.next()?;
    }
    let _signature_algorithm = signed.sequence()?;
    let _issuer = signed.sequence()?;
    let mut validity = signed.sequence()?;
    let _not_before = validity.next()?;
    let (tag, text) = validity.next()?;
    parse_time(tag, std::str::from_utf8(text).ok()?)
}

fn parse_time(tag: u8, text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z')?;
    let digits = match tag {
        GENERALIZED_TIME => digits.to_owned(),
        // The years are those from 1950 to 2049.
        UTC_TIME if digits.starts_with(['0', '1', '2', '3', '4']) => format!("20{digits}"),
        UTC_TIME => format!("19{digits}"),
        _ => return None,
    };
    let format = format_description!("[year][month][day][hour][minute][second]");
    let time = PrimitiveDateTime::parse(&digits, &format)
        .ok()?
        .assume_utc();
    Some(Timestamp::from_millis(
        time.unix_timestamp().saturating_mul(1000),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    #[test]
    fn the_end_of_a_certificate_is_read() {
        let key = KeyPair::generate().unwrap();
        for (year, expected) in [(2035, "2035-03-04T00:00:00"), (2055, "2055-03-04T00:00:00")] {
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.not_after = date_time_ymd(year, 3, 4);
            let certificate = params.self_signed(&key).unwrap();
            let end = not_after(certificate.der()).unwrap().to_string();
            assert!(end.starts_with(expected), "{end}");
            for cut in 0..certificate.der().len() {
                // Nothing that is cut short panics.
                let _ = not_after(certificate.der().get(..cut).unwrap());
            }
        }
        assert_eq!(not_after(b"\x30\x84\xff\xff\xff\xff"), None);
        assert_eq!(not_after(b"no certificate"), None);
    }
}
