//! Time-based one-time passwords (TOTP, RFC 6238), as authenticator apps make them: HMAC-SHA-1, six
//! digits, a new code every 30 seconds. Other parameters are not understood by all apps.

use cloister_domain::entropy::EntropyError;
use cloister_domain::{Entropy, Timestamp};
use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// The length of a secret: that of the hash (RFC 4226, section 4).
pub const SECRET_BYTES: usize = 20;
/// The duration of a time step, in milliseconds.
const STEP_MS: i64 = 30_000;
/// The number of digits, and ten to its power.
const DIGITS: usize = 6;
const MODULUS: u32 = 1_000_000;
/// The clock of a phone may be wrong by this many steps.
const TOLERANCE_STEPS: i64 = 1;

/// A secret that an appliance and an authenticator app share.
pub struct TotpSecret([u8; SECRET_BYTES]);

impl TotpSecret {
    /// A random secret.
    pub fn random(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut bytes = [0; SECRET_BYTES];
        entropy.fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The secret with these bytes. `None` if the length is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes of the secret.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The secret in base32, for people who type it into their app.
    pub fn to_base32(&self) -> String {
        BASE32_NOPAD.encode(&self.0)
    }

    /// The address that authenticator apps read from a QR code (Key URI Format of Google
    /// Authenticator).
    pub fn to_uri(&self, issuer: &str, person: &str) -> String {
        let (issuer, person) = (percent_encode(issuer), percent_encode(person));
        let secret = self.to_base32();
        format!("otpauth://totp/{issuer}:{person}?secret={secret}&issuer={issuer}")
    }

    /// The time step for which this is the code, if it is one of the steps around `now`.
    pub fn step_of(&self, code: &str, now: Timestamp) -> Option<i64> {
        let is_code = code.len() == DIGITS && code.bytes().all(|b| b.is_ascii_digit());
        let typed: u32 = code.parse().ok().filter(|_| is_code)?;
        let step = now.as_millis().div_euclid(STEP_MS);
        // All steps are compared, so that the time says nothing about the code.
        let steps = step.saturating_sub(TOLERANCE_STEPS)..=step.saturating_add(TOLERANCE_STEPS);
        steps
            .filter(|step| self.code(*step) == Some(typed))
            .reduce(|_, later| later)
    }

    /// The code of a time step (RFC 4226, section 5.3).
    fn code(&self, step: i64) -> Option<u32> {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0).ok()?;
        mac.update(&step.to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let offset = usize::from(hash.last()? & 0x0f);
        let four: [u8; 4] = hash.get(offset..offset + 4)?.try_into().ok()?;
        Some((u32::from_be_bytes(four) & 0x7fff_ffff) % MODULUS)
    }
}

fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.extend([format!("%{byte:02X}")]);
        }
    }
    encoded
}

/// The rows of the QR code of a text, each with a `1` for a dark module and a `0` for a light one.
pub fn qr_rows(text: &str) -> Option<Vec<String>> {
    use qrcodegen::{QrCode, QrCodeEcc};
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let row = |y| (0..code.size()).map(move |x| (x, y));
    let module = |(x, y)| if code.get_module(x, y) { '1' } else { '0' };
    Some(
        (0..code.size())
            .map(|y| row(y).map(module).collect())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloister_domain::entropy::CountingEntropy;

    fn rfc_secret() -> TotpSecret {
        TotpSecret::from_bytes(b"12345678901234567890").unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B has eight digits, of which an app shows the last six.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let step = rfc_secret().step_of(code, at(seconds));
            assert_eq!(step, Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn a_code_holds_for_the_steps_around_it_only() {
        let secret = rfc_secret();
        for (seconds, holds) in [
            (0, false),
            (30, true),
            (59, true),
            (89, true),
            (119, true),
            (120, false),
        ] {
            // The code of the second 89, which is step 2.
            let code = format!("{:06}", secret.code(2).unwrap());
            assert_eq!(
                secret.step_of(&code, at(seconds)).is_some(),
                holds,
                "{seconds}"
            );
        }
        for wrong in [
            "", "28708", "2870822", "28708a", "+87082", " 28708", "000000",
        ] {
            assert_eq!(secret.step_of(wrong, at(59)), None, "{wrong}");
        }
    }

    #[test]
    fn an_app_can_read_the_secret() {
        let secret = TotpSecret::random(&CountingEntropy::default()).unwrap();
        assert_eq!(secret.to_base32(), "AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQT");
        let uri = secret.to_uri("Cloister ward.example", "Ada Lovelace");
        let expected = "otpauth://totp/Cloister%20ward.example:Ada%20Lovelace\
                        ?secret=AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQT&issuer=Cloister%20ward.example";
        assert_eq!(uri, expected);
        let rows = qr_rows(&uri).unwrap();
        assert!(rows.len() > 20 && rows.iter().all(|row| row.len() == rows.len()));
        assert!(rows[0].starts_with("1111111"), "the corner of a QR code");
    }
}
