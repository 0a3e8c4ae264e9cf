//! Questions to the directory (LDAP version 3, RFC 4511).

use crate::protocol::{Answer, DirectoryPerson, Inquiry};
use crate::settings::{DirectorySecurity, DirectorySettings, normalize_dn};
use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, Scope, SearchEntry, SearchOptions, StdStream,
    ldap_escape,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use url::Url;

/// How long a connection and each operation may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
/// Groups in which a person may be, directly or through other groups.
const MAX_GROUPS: usize = 1000;
/// More characters are no name.
const MAX_NAME_CHARACTERS: usize = 256;
/// The result of a bind with a wrong password (RFC 4511, appendix A).
const INVALID_CREDENTIALS: u32 = 49;
/// The bit of `userAccountControl` of a disabled account (MS-ADTS, section 2.2.16).
const ACCOUNT_DISABLED: u32 = 2;
/// The value of `pwdAccountLockedTime` of an account that is locked for ever.
const LOCKED_FOR_EVER: &str = "000001010000Z";

/// The attributes that say whether an account is disabled: of Active Directory, of `OpenLDAP`, and of
/// 389 Directory Server.
const STATE_ATTRIBUTES: &[&str] = &[
    "userAccountControl",
    "pwdAccountLockedTime",
    "nsAccountLock",
];

/// Why a question has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    Connection(String),
    Ldap(LdapError),
}

impl From<LdapError> for Failure {
    fn from(cause: LdapError) -> Self {
        Self::Ldap(cause)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(cause) => f.write_str(cause),
            Self::Ldap(cause) => cause.fmt(f),
        }
    }
}

pub(crate) type Outcome<T> = Result<T, Failure>;

/// An entry of a person.
pub(crate) struct PersonEntry {
    pub(crate) dn: String,
    key: String,
    name: String,
    pub(crate) is_disabled: bool,
}

/// The directory, as the connector knows it.
pub struct Directory {
    pub(crate) settings: DirectorySettings,
    url: Url,
    tls: Arc<ClientConfig>,
    /// The addresses of the host when the connector started. There is no other connection.
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Directory {
    /// A directory at these addresses.
    pub fn new(settings: DirectorySettings, addresses: Vec<SocketAddr>) -> Result<Self, String> {
        let scheme = match settings.security {
            DirectorySecurity::Ldaps => "ldaps",
            DirectorySecurity::Starttls => "ldap",
        };
        let url = format!("{scheme}://{}:{}", settings.host, settings.port);
        let url = Url::parse(&url).map_err(|cause| format!("`{url}` is no address: {cause}"))?;
        let tls = Arc::new(tls_settings(&settings.authorities)?);
        Ok(Self {
            settings,
            url,
            tls,
            addresses,
        })
    }

    /// Answers a question.
    pub async fn answer(&self, inquiry: Inquiry) -> Answer {
        let answer = match inquiry {
            Inquiry::SignIn { name, password } => self.sign_in(&name, &password).await,
            Inquiry::Lookup { key } => self.look_up(&key).await,
            Inquiry::Check { name } => return Answer::Checked(self.check(name.as_deref()).await),
        };
        answer.unwrap_or_else(|failure| Answer::Unavailable(failure.to_string()))
    }

    async fn sign_in(&self, name: &str, password: &str) -> Outcome<Answer> {
        // A bind without a password is anonymous, and succeeds (RFC 4513, section 5.1.2).
        if password.is_empty() || name.chars().count() > MAX_NAME_CHARACTERS {
            return Ok(Answer::WrongPassword);
        }
        let mut service = self.connect_as_service().await?;
        let filter = self.name_filter(name);
        let Some(entry) = self.find_person(&mut service, &filter).await? else {
            return Ok(Answer::Unknown);
        };
        let mut own = self.connect().await?;
        let bound = own
            .with_timeout(TIMEOUT)
            .simple_bind(&entry.dn, password)
            .await?;
        // Whatever is wrong with the account, the directory says so only here.
        if bound.rc != 0 {
            return Ok(Answer::WrongPassword);
        }
        own.unbind().await?;
        self.describe(service, entry).await
    }

    async fn look_up(&self, key: &str) -> Outcome<Answer> {
        let mut service = self.connect_as_service().await?;
        let filter = self.key_filter(key);
        match self.find_person(&mut service, &filter).await? {
            Some(entry) => self.describe(service, entry).await,
            None => Ok(Answer::Unknown),
        }
    }

    async fn describe(&self, mut service: Ldap, entry: PersonEntry) -> Outcome<Answer> {
        if entry.is_disabled {
            return Ok(Answer::Disabled);
        }
        let groups = self.groups_of(&mut service, &entry.dn).await?;
        service.unbind().await?;
        Ok(Answer::Person(DirectoryPerson {
            key: entry.key,
            name: entry.name,
            groups,
        }))
    }

    /// Opens an encrypted connection.
    pub(crate) async fn connect(&self) -> Outcome<Ldap> {
        let stream = self.open_stream().await?;
        let settings = LdapConnSettings::new()
            .set_conn_timeout(TIMEOUT)
            .set_config(Arc::clone(&self.tls))
            .set_starttls(self.settings.security == DirectorySecurity::Starttls)
            .set_std_stream(StdStream::Tcp(stream));
        let (connection, ldap) = LdapConnAsync::from_url_with_settings(settings, &self.url).await?;
        tokio::spawn(async move {
            // The operation that is in progress reports the error.
            let _reported = connection.drive().await;
        });
        Ok(ldap)
    }

    /// Connects to the first address that accepts.
    pub(crate) async fn open_stream(&self) -> Outcome<std::net::TcpStream> {
        let mut last = "it has no address".to_owned();
        for address in &self.addresses {
            match tokio::time::timeout(TIMEOUT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let stream = stream.into_std();
                    return stream.map_err(|cause| Failure::Connection(cause.to_string()));
                }
                Ok(Err(cause)) => last = format!("{address}: {cause}"),
                Err(_) => last = format!("{address}: no answer"),
            }
        }
        Err(Failure::Connection(last))
    }

    async fn connect_as_service(&self) -> Outcome<Ldap> {
        let mut ldap = self.connect().await?;
        self.bind_service(&mut ldap).await?;
        Ok(ldap)
    }

    pub(crate) async fn bind_service(&self, ldap: &mut Ldap) -> Outcome<()> {
        let DirectorySettings {
            bind_dn,
            bind_password,
            ..
        } = &self.settings;
        let bound = ldap
            .with_timeout(TIMEOUT)
            .simple_bind(bind_dn, bind_password)
            .await?;
        if bound.rc == INVALID_CREDENTIALS {
            let cause = format!("it refuses the password of `{bind_dn}`");
            return Err(Failure::Connection(cause));
        }
        bound.success()?;
        Ok(())
    }

    /// The one person who matches. `None` if nobody does, or several people.
    pub(crate) async fn find_person(
        &self,
        ldap: &mut Ldap,
        filter: &str,
    ) -> Outcome<Option<PersonEntry>> {
        let DirectorySettings {
            name_attribute,
            key_attribute,
            people_base,
            ..
        } = &self.settings;
        let mut attributes = vec![name_attribute.as_str(), key_attribute.as_str()];
        attributes.extend(STATE_ATTRIBUTES);
        let found = self
            .search(ldap, people_base, filter, &attributes, 2)
            .await?;
        let [entry] = found.as_slice() else {
            return Ok(None);
        };
        let key = self.key_of(entry);
        let name = first_text(entry, name_attribute);
        Ok(key.zip(name).map(|(key, name)| PersonEntry {
            dn: entry.dn.clone(),
            key,
            name: name.to_owned(),
            is_disabled: is_disabled(entry),
        }))
    }

    async fn search(
        &self,
        ldap: &mut Ldap,
        base: &str,
        filter: &str,
        attributes: &[&str],
        limit: i32,
    ) -> Outcome<Vec<SearchEntry>> {
        let searched = ldap
            .with_timeout(TIMEOUT)
            .with_search_options(SearchOptions::new().sizelimit(limit))
            .search(base, Scope::Subtree, filter, attributes)
            .await?;
        let (entries, _) = searched.success()?;
        let entries = entries
            .into_iter()
            .filter(|entry| !entry.is_ref() && !entry.is_intermediate());
        Ok(entries.map(SearchEntry::construct).collect())
    }

    /// Those groups of the settings in which the entry is, directly or through other groups.
    pub(crate) async fn groups_of(&self, ldap: &mut Ldap, dn: &str) -> Outcome<Vec<String>> {
        let mut found = BTreeSet::new();
        let mut waiting = VecDeque::from([dn.to_owned()]);
        while let Some(member) = waiting.pop_front() {
            for group in self.groups_with(ldap, &member).await? {
                if found.len() >= MAX_GROUPS {
                    let cause = format!("`{dn}` is in more than {MAX_GROUPS} groups");
                    return Err(Failure::Connection(cause));
                }
                if found.insert(normalize_dn(&group)) {
                    waiting.push_back(group);
                }
            }
        }
        let named = self.settings.groups.iter();
        let named = named.filter(|group| found.contains(&normalize_dn(group)));
        Ok(named.cloned().collect())
    }

    /// The groups with this direct member.
    async fn groups_with(&self, ldap: &mut Ldap, member: &str) -> Outcome<Vec<String>> {
        let DirectorySettings {
            groups_base,
            member_attribute,
            ..
        } = &self.settings;
        let filter = format!("({member_attribute}={})", ldap_escape(member));
        let limit = i32::try_from(MAX_GROUPS).unwrap_or(i32::MAX);
        // 1.1: no attributes (RFC 4511, section 4.5.1.8).
        let found = self
            .search(ldap, groups_base, &filter, &["1.1"], limit)
            .await?;
        Ok(found.into_iter().map(|entry| entry.dn).collect())
    }

    pub(crate) fn name_filter(&self, name: &str) -> String {
        let DirectorySettings {
            people_filter,
            name_attribute,
            ..
        } = &self.settings;
        format!("(&{people_filter}({name_attribute}={}))", ldap_escape(name))
    }

    fn key_filter(&self, key: &str) -> String {
        let DirectorySettings {
            people_filter,
            key_attribute,
            ..
        } = &self.settings;
        let value = match hex::decode(key) {
            Ok(bytes) if self.has_binary_keys() => escape_bytes(&bytes),
            Ok(_) | Err(_) => ldap_escape(key).into_owned(),
        };
        format!("(&{people_filter}({key_attribute}={value}))")
    }

    /// `objectGUID` is binary. Its sixteen bytes may be text by chance.
    fn has_binary_keys(&self) -> bool {
        self.settings
            .key_attribute
            .eq_ignore_ascii_case("objectGUID")
    }

    fn key_of(&self, entry: &SearchEntry) -> Option<String> {
        let attribute = &self.settings.key_attribute;
        let text = first_text(entry, attribute);
        if !self.has_binary_keys() {
            return text.map(str::to_owned);
        }
        let bytes = attribute_values(&entry.bin_attrs, attribute).and_then(|values| values.first());
        bytes.map(hex::encode).or_else(|| text.map(hex::encode))
    }
}

/// TLS that accepts certificates of these authorities only.
fn tls_settings(authorities: &str) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
        let certificate = certificate.map_err(|cause| format!("an authority: {cause}"))?;
        let added = roots.add(certificate);
        added.map_err(|cause| format!("an authority: {cause}"))?;
    }
    if roots.is_empty() {
        return Err("`directory.authorities` has no certificate".into());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| cause.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The values of an attribute, whose name has no case.
fn attribute_values<'a, T>(
    attributes: &'a std::collections::HashMap<String, Vec<T>>,
    name: &str,
) -> Option<&'a Vec<T>> {
    let mut all = attributes.iter();
    let found = all.find(|(attribute, _)| attribute.eq_ignore_ascii_case(name));
    found.map(|(_, values)| values)
}

fn first_text<'a>(entry: &'a SearchEntry, attribute: &str) -> Option<&'a str> {
    let values = attribute_values(&entry.attrs, attribute)?;
    values.first().map(String::as_str)
}

fn is_disabled(entry: &SearchEntry) -> bool {
    let control = first_text(entry, "userAccountControl").and_then(|bits| bits.parse::<u32>().ok());
    control.is_some_and(|bits| bits & ACCOUNT_DISABLED != 0)
        || first_text(entry, "pwdAccountLockedTime") == Some(LOCKED_FOR_EVER)
        || first_text(entry, "nsAccountLock").is_some_and(|lock| lock.eq_ignore_ascii_case("true"))
}

/// Bytes in a filter (RFC 4515, section 3).
fn escape_bytes(bytes: &[u8]) -> String {
    let escaped: Vec<String> = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    escaped.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn entry(attribute: &str, value: &str) -> SearchEntry {
        SearchEntry {
            dn: "uid=sam".into(),
            attrs: HashMap::from([(attribute.to_owned(), vec![value.to_owned()])]),
            bin_attrs: HashMap::new(),
        }
    }

    #[test]
    fn disabled_accounts_are_recognised_in_three_products() {
        for (attribute, value, expected) in [
            ("userAccountControl", "514", true),
            ("useraccountcontrol", "66050", true),
            ("userAccountControl", "512", false),
            ("pwdAccountLockedTime", "000001010000Z", true),
            ("nsAccountLock", "TRUE", true),
            ("nsAccountLock", "false", false),
            ("uid", "sam", false),
        ] {
            assert_eq!(is_disabled(&entry(attribute, value)), expected, "{value}");
        }
    }

    #[test]
    fn binary_keys_are_escaped_byte_by_byte() {
        assert_eq!(escape_bytes(&[0x00, 0x2a, 0xff]), "\\00\\2a\\ff");
    }

    #[test]
    fn without_authorities_no_certificate_is_valid() {
        assert!(tls_settings("").is_err());
        assert!(
            tls_settings("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----").is_err()
        );
    }
}
