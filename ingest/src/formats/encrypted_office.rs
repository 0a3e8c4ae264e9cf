//! Office files with a password (MS-OFFCRYPTO): standard encryption, which Office 2007 writes, and
//! agile encryption, which later versions write. The passwords of the collection are tried.

use super::common::ole;
use super::common::xml::{XmlHandler, XmlTag, parse_xml};
use super::{Failure, Format, ReadOptions, Sink, Source, detect_format};
use crate::wire::Refusal;
use aes::cipher::{Array, BlockCipherDecrypt, KeyInit};
use base64::Engine;

/// The number of rounds that a password may take. Office writes 100,000.
const MAX_ROUNDS: u32 = 2_000_000;
/// The same for all passwords together.
const MAX_ALL_ROUNDS: u32 = 12_000_000;
/// Rounds of standard encryption.
const STANDARD_ROUNDS: u32 = 50_000;
/// Maximum number of passwords that are tried.
const MAX_PASSWORDS: usize = 50;
/// Bytes of a segment of agile encryption.
const SEGMENT: usize = 4096;
/// Bytes of a block of AES.
const BLOCK: usize = 16;

/// Office files with a password.
pub const FORMAT: Format = Format {
    name: "encrypted-office",
    label: "Office files with a password",
    matches: |source| ole::has_stream(source, "EncryptedPackage"),
    extract,
    render_page: None,
};

fn extract(source: &Source, options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let bytes = decrypt(source)?;
    let inner = Source {
        bytes,
        name: source.name.clone(),
        passwords: Vec::new(),
        hidden_cells: source.hidden_cells,
    };
    let format = detect_format(&inner)?;
    (format.extract)(&inner, options, sink)
}

/// Decrypts the file with the first password that opens it. Files that are only write-protected have
/// a password of the program.
fn decrypt(source: &Source) -> Result<Vec<u8>, Failure> {
    let mut file = ole::open(source).ok_or_else(broken)?;
    let info = ole::read_stream(&mut file, "/EncryptionInfo").ok_or_else(broken)?;
    let package = ole::read_stream(&mut file, "/EncryptedPackage").ok_or_else(broken)?;
    let scheme = Scheme::parse(&info).ok_or_else(|| {
        Failure::Refused(Refusal::NotRead(
            "an Office file in an encryption that is not read".to_owned(),
        ))
    })?;
    // Rounds take time, so a file with many of them is tried with fewer passwords.
    let most = usize::try_from(MAX_ALL_ROUNDS / scheme.rounds().max(1)).unwrap_or(1);
    let passwords = source
        .passwords
        .iter()
        .map(String::as_str)
        .take(MAX_PASSWORDS.min(most));
    for password in std::iter::once("VelvetSweatshop").chain(passwords) {
        if let Some(key) = scheme.key(password) {
            return scheme.decrypt_package(&key, &package).ok_or_else(broken);
        }
    }
    Err(Refusal::Encrypted.into())
}

/// The error of a file whose encryption is damaged.
fn broken() -> Failure {
    Failure::damaged("its encryption cannot be read")
}

/// A hash function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum HashFunction {
    #[default]
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl HashFunction {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "SHA1" | "SHA-1" => Self::Sha1,
            "SHA256" | "SHA-256" => Self::Sha256,
            "SHA384" | "SHA-384" => Self::Sha384,
            "SHA512" | "SHA-512" => Self::Sha512,
            _ => return None,
        })
    }

    fn hash(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => {
                use sha1::Digest;
                sha1::Sha1::digest(bytes).to_vec()
            }
            Self::Sha256 => {
                use sha2::Digest;
                sha2::Sha256::digest(bytes).to_vec()
            }
            Self::Sha384 => {
                use sha2::Digest;
                sha2::Sha384::digest(bytes).to_vec()
            }
            Self::Sha512 => {
                use sha2::Digest;
                sha2::Sha512::digest(bytes).to_vec()
            }
        }
    }

    /// Hashes the password with its salt, and then the hash again and again.
    fn spin(self, salt: &[u8], password: &str, rounds: u32) -> Vec<u8> {
        let mut first = salt.to_vec();
        first.extend(password.encode_utf16().flat_map(u16::to_le_bytes));
        let mut hash = self.hash(&first);
        let mut buffer = Vec::with_capacity(hash.len() + 4);
        for round in 0..rounds {
            buffer.clear();
            buffer.extend_from_slice(&round.to_le_bytes());
            buffer.extend_from_slice(&hash);
            hash = self.hash(&buffer);
        }
        hash
    }
}

/// How a file is encrypted.
#[derive(Debug)]
enum Scheme {
    Standard(StandardScheme),
    Agile(Box<AgileScheme>),
}

#[derive(Debug)]
struct StandardScheme {
    key_bytes: usize,
    salt: Vec<u8>,
    verifier: Vec<u8>,
    verifier_hash: Vec<u8>,
}

#[derive(Debug, Default)]
struct AgileScheme {
    data_salt: Vec<u8>,
    data_hash: HashFunction,
    salt: Vec<u8>,
    hash: HashFunction,
    key_bytes: usize,
    rounds: u32,
    verifier_input: Vec<u8>,
    verifier_value: Vec<u8>,
    key_value: Vec<u8>,
    is_supported: bool,
}

impl Scheme {
    fn parse(info: &[u8]) -> Option<Self> {
        match info.get(..4)? {
            [4, 0, 4, 0] => {
                let xml = std::str::from_utf8(info.get(8..)?).ok()?;
                let mut scheme = AgileScheme {
                    is_supported: true,
                    ..AgileScheme::default()
                };
                parse_xml(xml, &mut scheme).ok()?;
                let sound = scheme.is_supported
                    && scheme.rounds <= MAX_ROUNDS
                    && !scheme.key_value.is_empty();
                sound.then(|| Self::Agile(Box::new(scheme)))
            }
            [2..=4, 0, 2, 0] => StandardScheme::parse(info).map(Self::Standard),
            _ => None,
        }
    }

    /// The number of rounds that a password takes.
    fn rounds(&self) -> u32 {
        match self {
            Self::Standard(_) => STANDARD_ROUNDS,
            Self::Agile(scheme) => scheme.rounds,
        }
    }

    /// The key of the content, if the password is right.
    fn key(&self, password: &str) -> Option<Vec<u8>> {
        match self {
            Self::Standard(scheme) => scheme.key(password),
            Self::Agile(scheme) => scheme.key(password),
        }
    }

    fn decrypt_package(&self, key: &[u8], package: &[u8]) -> Option<Vec<u8>> {
        let (size, content) = package.split_first_chunk::<8>()?;
        let size = usize::try_from(u64::from_le_bytes(*size)).ok()?;
        let mut plain = match self {
            Self::Standard(_) => decrypt_blocks(key, None, content)?,
            Self::Agile(scheme) => {
                let mut plain = Vec::with_capacity(content.len());
                for (index, segment) in (0_u32..).zip(content.chunks(SEGMENT)) {
                    let mut seed = scheme.data_salt.clone();
                    seed.extend(index.to_le_bytes());
                    let start = scheme.data_hash.hash(&seed);
                    plain.extend(decrypt_blocks(key, Some(&start), segment)?);
                }
                plain
            }
        };
        plain.truncate(size);
        Some(plain)
    }
}

impl StandardScheme {
    fn parse(info: &[u8]) -> Option<Self> {
        let header_size = usize::try_from(ole::read_u32(info, 8)?).ok()?;
        let header = info.get(12..12_usize.checked_add(header_size)?)?;
        let key_bits = usize::try_from(ole::read_u32(header, 16)?).ok()?;
        let verifier = info.get(12 + header_size..)?;
        Some(Self {
            key_bytes: if key_bits == 0 { 16 } else { key_bits / 8 },
            salt: verifier.get(4..20)?.to_vec(),
            verifier: verifier.get(20..36)?.to_vec(),
            verifier_hash: verifier.get(40..72)?.to_vec(),
        })
    }

    fn key(&self, password: &str) -> Option<Vec<u8>> {
        let hash = HashFunction::Sha1;
        let mut last = hash.spin(&self.salt, password, STANDARD_ROUNDS);
        last.extend(0_u32.to_le_bytes());
        let last = hash.hash(&last);
        let mut key = derive_half(0x36, hash, &last);
        key.extend(derive_half(0x5C, hash, &last));
        key.truncate(self.key_bytes);
        let verifier = decrypt_blocks(&key, None, &self.verifier)?;
        let expected = decrypt_blocks(&key, None, &self.verifier_hash)?;
        (hash.hash(&verifier).as_slice() == expected.get(..20)?).then_some(key)
    }
}

/// One half of a key: the hash of a block of `filler` combined with a hash (MS-OFFCRYPTO 2.3.4.7).
fn derive_half(filler: u8, hash: HashFunction, last: &[u8]) -> Vec<u8> {
    let mut buffer = [filler; 64];
    buffer
        .iter_mut()
        .zip(last)
        .for_each(|(byte, own)| *byte ^= own);
    hash.hash(&buffer)
}

/// What the parts of an agile key are for.
const VERIFIER_INPUT: [u8; 8] = [0xFE, 0xA7, 0xD2, 0x76, 0x3B, 0x4B, 0x9E, 0x79];
const VERIFIER_VALUE: [u8; 8] = [0xD7, 0xAA, 0x0F, 0x6D, 0x30, 0x61, 0x34, 0x4E];
const KEY_VALUE: [u8; 8] = [0x14, 0x6E, 0x0B, 0xE7, 0xAB, 0xAC, 0xD0, 0xD6];

impl AgileScheme {
    fn key(&self, password: &str) -> Option<Vec<u8>> {
        let spun = self.hash.spin(&self.salt, password, self.rounds);
        let open = |purpose: [u8; 8], content: &[u8]| {
            let mut seed = spun.clone();
            seed.extend(purpose);
            let mut key = self.hash.hash(&seed);
            key.resize(self.key_bytes, 0x36);
            decrypt_blocks(&key, Some(&self.salt), content)
        };
        let input = open(VERIFIER_INPUT, &self.verifier_input)?;
        let value = open(VERIFIER_VALUE, &self.verifier_value)?;
        let input = input.get(..self.salt.len().min(input.len()))?;
        let expected = self.hash.hash(input);
        if value.get(..expected.len())? != expected.as_slice() {
            return None;
        }
        let mut key = open(KEY_VALUE, &self.key_value)?;
        key.truncate(self.key_bytes);
        Some(key)
    }
}

fn decode_base64(tag: &XmlTag<'_>, attribute: &str) -> Vec<u8> {
    let text = tag.attribute(attribute).unwrap_or_default();
    base64::engine::general_purpose::STANDARD
        .decode(text.trim())
        .unwrap_or_default()
}

impl XmlHandler for AgileScheme {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        if !matches!(tag.local(), "keyData" | "encryptedKey") {
            return Ok(());
        }
        let hash = HashFunction::parse(&tag.attribute("hashAlgorithm").unwrap_or_default());
        let is_aes = tag
            .attribute("cipherAlgorithm")
            .is_some_and(|name| name == "AES");
        let is_cbc = tag
            .attribute("cipherChaining")
            .is_none_or(|name| name == "ChainingModeCBC");
        self.is_supported &= hash.is_some() && is_aes && is_cbc;
        if tag.local() == "keyData" {
            self.data_hash = hash.unwrap_or_default();
            self.data_salt = decode_base64(tag, "saltValue");
            return Ok(());
        }
        self.hash = hash.unwrap_or_default();
        self.salt = decode_base64(tag, "saltValue");
        self.key_bytes = tag.parse_attribute("keyBits").unwrap_or(256_usize) / 8;
        self.rounds = tag.parse_attribute("spinCount").unwrap_or(u32::MAX);
        self.verifier_input = decode_base64(tag, "encryptedVerifierHashInput");
        self.verifier_value = decode_base64(tag, "encryptedVerifierHashValue");
        self.key_value = decode_base64(tag, "encryptedKeyValue");
        Ok(())
    }

    fn end(&mut self, _name: &str) -> Result<(), Failure> {
        Ok(())
    }

    fn text(&mut self, _text: &str) {}
}

/// Decrypts whole blocks with AES: each by itself, or chained from a starting value.
fn decrypt_blocks(key: &[u8], start: Option<&[u8]>, content: &[u8]) -> Option<Vec<u8>> {
    match key.len() {
        16 => Some(decrypt_with(
            &aes::Aes128::new_from_slice(key).ok()?,
            start,
            content,
        )),
        24 => Some(decrypt_with(
            &aes::Aes192::new_from_slice(key).ok()?,
            start,
            content,
        )),
        32 => Some(decrypt_with(
            &aes::Aes256::new_from_slice(key).ok()?,
            start,
            content,
        )),
        _ => None,
    }
}

fn decrypt_with<C>(cipher: &C, start: Option<&[u8]>, content: &[u8]) -> Vec<u8>
where
    C: BlockCipherDecrypt<BlockSize = aes::cipher::consts::U16>,
{
    let mut plain = Vec::with_capacity(content.len());
    let mut last = [0_u8; BLOCK];
    if let Some(start) = start {
        // A short starting value is padded.
        last = [0x36; BLOCK];
        last.iter_mut()
            .zip(start)
            .for_each(|(byte, own)| *byte = *own);
    }
    let (blocks, _) = content.as_chunks::<BLOCK>();
    for block in blocks {
        let mut open = Array::from(*block);
        cipher.decrypt_block(&mut open);
        if start.is_some() {
            open.iter_mut()
                .zip(last)
                .for_each(|(byte, before)| *byte ^= before);
            last = *block;
        }
        plain.extend_from_slice(&open);
    }
    plain
}
