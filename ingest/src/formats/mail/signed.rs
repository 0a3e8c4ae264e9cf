//! Messages that are signed as a whole (S/MIME, RFC 8551): the message is in a CMS structure (RFC
//! 5652) beside its signature. No key is needed to read it; the signature is not verified.

/// Maximum nesting depth of the structure.
const MAX_DEPTH: usize = 24;

/// Object identifiers.
const SIGNED_DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02];
const ENVELOPED_DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x03];
const AUTHENTICATED_DATA: &[u8] = &[
    0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x10, 0x01, 0x17,
];

/// What a CMS structure is.
#[derive(Debug, PartialEq, Eq)]
pub enum Enclosed {
    /// Signed content.
    Signed(Vec<u8>),
    /// A signature without its content.
    Signature,
    /// Encrypted content.
    Encrypted,
}

/// Opens a structure. Returns `None` if it is none, or of another kind.
pub fn open(bytes: &[u8]) -> Option<Enclosed> {
    let (outer, _) = Element::parse(bytes)?;
    let mut content = outer.children();
    let kind = content.next()?;
    match kind.value {
        SIGNED_DATA => {}
        ENVELOPED_DATA | AUTHENTICATED_DATA => return Some(Enclosed::Encrypted),
        _ => return None,
    }
    let signed = content.next()?.children().next()?;
    // The version, the digests, and then the content.
    let enclosed = signed.children().nth(2)?;
    let Some(wrapped) = enclosed.children().nth(1) else {
        return Some(Enclosed::Signature);
    };
    let mut found = Vec::new();
    wrapped.children().next()?.octets(&mut found, 0)?;
    Some(Enclosed::Signed(found))
}

/// An element in BER: its tag and its value.
#[derive(Clone, Copy, Debug)]
struct Element<'a> {
    tag: u8,
    value: &'a [u8],
}

impl<'a> Element<'a> {
    /// Parses the element at the begin of `bytes`, and returns it with the number of its bytes.
    fn parse(bytes: &'a [u8]) -> Option<(Self, usize)> {
        Self::parse_at(bytes, 0)
    }

    fn parse_at(bytes: &'a [u8], depth: usize) -> Option<(Self, usize)> {
        let (tag, first) = (*bytes.first()?, *bytes.get(1)?);
        if depth > MAX_DEPTH {
            return None;
        }
        if first == 0x80 {
            // The length is not given: two zero bytes end the element.
            let mut at = 2;
            while bytes.get(at..at + 2)? != [0, 0] {
                at += Self::parse_at(bytes.get(at..)?, depth + 1)?.1;
            }
            return Some((
                Self {
                    tag,
                    value: bytes.get(2..at)?,
                },
                at + 2,
            ));
        }
        let (length, start) = if first < 0x80 {
            (usize::from(first), 2)
        } else {
            let count = usize::from(first & 0x7F);
            let digits = bytes.get(2..2 + count).filter(|_| count <= 4)?;
            let length = digits
                .iter()
                .fold(0, |sum, digit| sum << 8 | usize::from(*digit));
            (length, 2 + count)
        };
        let end = start.checked_add(length)?;
        // The last element of a file that was cut off has what is left.
        let value = bytes.get(start..end)?;
        Some((Self { tag, value }, end))
    }

    fn children(self) -> impl Iterator<Item = Element<'a>> {
        let mut rest = self.value;
        std::iter::from_fn(move || {
            let (element, length) = Self::parse(rest)?;
            rest = rest.get(length..)?;
            Some(element)
        })
    }

    /// The bytes of an octet string, which may be in pieces.
    fn octets(self, found: &mut Vec<u8>, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        let is_in_pieces = self.tag & 0x20 != 0;
        if !is_in_pieces {
            found.extend_from_slice(self.value);
            return Some(());
        }
        for piece in self.children() {
            piece.octets(found, depth + 1)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, value: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag, 0x82];
        bytes.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        bytes.extend(value);
        bytes
    }

    fn signed(content: &[u8]) -> Vec<u8> {
        let inner = [element(6, &[1]), element(0xA0, content)].concat();
        let data = [element(2, &[1]), element(0x31, &[]), element(0x30, &inner)].concat();
        let all = [
            element(6, SIGNED_DATA),
            element(0xA0, &element(0x30, &data)),
        ]
        .concat();
        element(0x30, &all)
    }

    #[test]
    fn the_content_is_taken_out() {
        let complete = signed(&element(4, b"Hello"));
        assert_eq!(open(&complete), Some(Enclosed::Signed(b"Hello".to_vec())));
        let pieces = element(0x24, &[element(4, b"Hel"), element(4, b"lo")].concat());
        assert_eq!(
            open(&signed(&pieces)),
            Some(Enclosed::Signed(b"Hello".to_vec()))
        );
        let unsized_pieces = [
            &[0x24, 0x80][..],
            &element(4, b"Hel"),
            &element(4, b"lo"),
            &[0, 0],
        ]
        .concat();
        assert_eq!(
            open(&signed(&unsized_pieces)),
            Some(Enclosed::Signed(b"Hello".to_vec()))
        );
        let encrypted = element(0x30, &element(6, ENVELOPED_DATA));
        assert_eq!(open(&encrypted), Some(Enclosed::Encrypted));
        assert_eq!(open(b"0"), None);
        assert_eq!(open(&[0x30, 0x80].repeat(100_000)), None);
    }
}
