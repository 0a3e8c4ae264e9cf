//! The PROXY protocol, version 2: the first bytes of a connection from a proxy name the client.
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>

use ppp::v2::{Addresses, Command, Header};
use std::net::IpAddr;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The part of the header that every version 2 header has. Its last two bytes are the length of the
/// rest.
const FIXED_BYTES: usize = 16;
/// A longer header is refused. Addresses take up to 216 bytes, and the rest is optional.
const MAX_BYTES: usize = 1024;

/// Why a header was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ProxyHeaderError {
    /// There is none.
    #[error(
        "it has no PROXY protocol header (version 2), which the setting `server.proxy_protocol` \
         requires"
    )]
    Missing,
    /// It is not valid.
    #[error("its PROXY protocol header is not valid: {0}")]
    Invalid(String),
    /// It names no address of the internet protocol.
    #[error("its PROXY protocol header has no IP address")]
    NoAddress,
}

/// Reads the header and returns the address of the client. `None` if the proxy itself connects, for
/// example to check that the appliance is alive.
pub async fn read_client_address(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<IpAddr>, ProxyHeaderError> {
    let mut header = vec![0; FIXED_BYTES];
    let read = stream.read_exact(&mut header).await;
    let is_header = read.is_ok() && header.starts_with(ppp::v2::PROTOCOL_PREFIX);
    let [.., high, low] = header.as_slice() else {
        return Err(ProxyHeaderError::Missing);
    };
    let total = FIXED_BYTES + usize::from(u16::from_be_bytes([*high, *low]));
    if !is_header {
        return Err(ProxyHeaderError::Missing);
    }
    if total > MAX_BYTES {
        return Err(ProxyHeaderError::Invalid("it is too long".into()));
    }
    header.resize(total, 0);
    let rest = header.get_mut(FIXED_BYTES..).unwrap_or_default();
    let read = stream.read_exact(rest).await;
    read.map_err(|cause| ProxyHeaderError::Invalid(cause.to_string()))?;
    parse(&header)
}

fn parse(header: &[u8]) -> Result<Option<IpAddr>, ProxyHeaderError> {
    let parsed =
        Header::try_from(header).map_err(|cause| ProxyHeaderError::Invalid(cause.to_string()))?;
    if parsed.command == Command::Local {
        return Ok(None);
    }
    match parsed.addresses {
        Addresses::IPv4(addresses) => Ok(Some(addresses.source_address.into())),
        Addresses::IPv6(addresses) => Ok(Some(addresses.source_address.into())),
        Addresses::Unspecified | Addresses::Unix(_) => Err(ProxyHeaderError::NoAddress),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Result<Option<IpAddr>, ProxyHeaderError> {
        let mut stream = bytes;
        read_client_address(&mut stream).await
    }

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut header = ppp::v2::PROTOCOL_PREFIX.to_vec();
        header.extend([0x20 | command, family]);
        header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        header.extend(rest);
        header
    }

    #[tokio::test]
    async fn the_client_of_a_proxy_is_read() {
        let v4 = [192, 0, 2, 7, 127, 0, 0, 1, 0x30, 0x39, 0x20, 0xfb];
        let address = read(&header(1, 0x11, &v4)).await.unwrap().unwrap();
        assert_eq!(address.to_string(), "192.0.2.7");
        let mut v6 = [0; 36];
        v6[..2].copy_from_slice(&[0x20, 0x01]);
        let address = read(&header(1, 0x21, &v6)).await.unwrap().unwrap();
        assert_eq!(address.to_string(), "2001::");
        // With an optional field (TLV) behind the addresses.
        let mut with_field = v4.to_vec();
        with_field.extend([0x04, 0, 1, 0]);
        assert!(read(&header(1, 0x11, &with_field)).await.unwrap().is_some());
        assert!(
            read(&header(0, 0, &[])).await.unwrap().is_none(),
            "a health check"
        );
    }

    #[tokio::test]
    async fn other_bytes_are_refused() {
        assert!(read(b"").await.is_err());
        assert!(read(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.is_err());
        assert!(
            read(b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n")
                .await
                .is_err()
        );
        assert!(
            read(&header(1, 0x11, &[1, 2, 3])).await.is_err(),
            "too short"
        );
        assert!(
            read(&header(1, 0x31, &[0; 216])).await.is_err(),
            "no IP address"
        );
        assert!(read(&header(1, 0, &[])).await.is_err(), "no address");
        assert!(
            read(&header(1, 0x11, &[0; 2000])).await.is_err(),
            "too long"
        );
    }
}
