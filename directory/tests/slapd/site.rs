//! A site with a directory: people, groups, and a server that answers on the loopback interface.

use cloister_directory::{DirectorySecurity, DirectorySettings};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use std::fmt::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const SLAPD: &str = "/usr/sbin/slapd";
const BASE: &str = "dc=ward,dc=example";
const SERVICE_PASSWORD: &str = "search only";

/// The entry of a group.
pub fn group(name: &str) -> String {
    format!("cn={name},ou=groups,{BASE}")
}

/// An authority of a site.
pub struct Authority {
    /// Its certificate.
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A new authority.
pub fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    Authority { pem, issuer }
}

/// A running directory.
pub struct Site {
    folder: TempDir,
    authority: Authority,
    ports: [u16; 2],
    server: Option<Child>,
}

impl Site {
    /// Starts a directory. `None`, with a message, if `slapd` is not installed.
    pub fn start() -> Option<Self> {
        if !Path::new(SLAPD).exists() {
            eprintln!("skipped: `slapd` is missing. `deploy/install-tools test` installs it");
            return None;
        }
        let mut site = Self {
            folder: tempfile::tempdir().unwrap(),
            authority: authority(),
            ports: [free_port(), free_port()],
            server: None,
        };
        site.write_certificate();
        site.write_settings();
        site.add_entries();
        site.run();
        Some(site)
    }

    /// The settings of a connector to it.
    pub fn settings(&self, security: DirectorySecurity) -> DirectorySettings {
        let [tls, plain] = self.ports;
        DirectorySettings {
            host: "localhost".into(),
            port: match security {
                DirectorySecurity::Ldaps => tls,
                DirectorySecurity::Starttls => plain,
            },
            security,
            authorities: self.authority.pem.clone(),
            bind_dn: format!("cn=search,{BASE}"),
            bind_password: SERVICE_PASSWORD.into(),
            people_base: format!("ou=people,{BASE}"),
            people_filter: "(objectClass=person)".into(),
            name_attribute: "uid".into(),
            key_attribute: "entryUUID".into(),
            groups_base: format!("ou=groups,{BASE}"),
            member_attribute: "member".into(),
            groups: vec![group("ward nurses"), group("pharmacists")],
        }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn write_certificate(&self) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority.issuer).unwrap();
        std::fs::write(self.file("server.pem"), certificate.pem()).unwrap();
        std::fs::write(self.file("server.key"), key.serialize_pem()).unwrap();
    }

    fn write_settings(&self) {
        std::fs::create_dir(self.file("database")).unwrap();
        let mut text = String::new();
        for schema in ["core", "cosine", "inetorgperson"] {
            writeln!(text, "include /etc/ldap/schema/{schema}.schema").unwrap();
        }
        let certificate = self.file("server.pem");
        let key = self.file("server.key");
        let database = self.file("database");
        write!(
            text,
            "attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl'
  EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.32473.1 NAME 'accountState' AUXILIARY MAY userAccountControl )
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
security simple_bind=128
database mdb
maxsize 16777216
suffix \"{BASE}\"
rootdn \"cn=admin,{BASE}\"
directory {database}
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact=\"cn=search,{BASE}\" read by * none
"
        )
        .unwrap();
        std::fs::write(self.file("slapd.conf"), text).unwrap();
    }

    fn add_entries(&self) {
        let mut ldif = format!(
            "dn: {BASE}\nobjectClass: domain\ndc: ward\n\n\
             dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n\n\
             dn: ou=groups,{BASE}\nobjectClass: organizationalUnit\nou: groups\n\n\
             dn: cn=search,{BASE}\nobjectClass: organizationalRole\n\
             objectClass: simpleSecurityObject\ncn: search\nuserPassword: {SERVICE_PASSWORD}\n\n"
        );
        for (entry, uid, state) in [
            ("sam", "sam", 512),
            ("bob", "bob", 512),
            ("dora", "dora", 514),
            ("one", "twin", 512),
            ("two", "twin", 512),
        ] {
            write!(
                ldif,
                "dn: cn={entry},ou=people,{BASE}\nobjectClass: inetOrgPerson\n\
                 objectClass: accountState\ncn: {entry}\nsn: {entry}\nuid: {uid}\n\
                 userAccountControl: {state}\nuserPassword: {uid}s password\n\n"
            )
            .unwrap();
        }
        // The groups contain each other in a circle, as directories allow.
        for (name, member) in [
            ("night shift", format!("cn=sam,ou=people,{BASE}")),
            ("ward nurses", group("night shift")),
            ("night shift helpers", group("ward nurses")),
            ("pharmacists", format!("cn=dora,ou=people,{BASE}")),
        ] {
            let dn = group(name);
            write!(
                ldif,
                "dn: {dn}\nobjectClass: groupOfNames\ncn: {name}\nmember: {member}\n"
            )
            .unwrap();
            if name == "night shift" {
                writeln!(ldif, "member: {}", group("night shift helpers")).unwrap();
            }
            ldif.push('\n');
        }
        std::fs::write(self.file("entries.ldif"), ldif).unwrap();
        #[expect(clippy::disallowed_methods, reason = "the test fills the directory")]
        let added = Command::new("/usr/sbin/slapadd")
            .args(["-q", "-f", &self.file("slapd.conf")])
            .args(["-l", &self.file("entries.ldif")])
            .output()
            .unwrap();
        assert!(added.status.success(), "{added:?}");
    }

    /// Runs the server until it answers.
    pub fn run(&mut self) {
        let [tls, plain] = self.ports;
        let addresses = format!("ldaps://localhost:{tls} ldap://localhost:{plain}");
        #[expect(clippy::disallowed_methods, reason = "the test runs a directory")]
        let server = Command::new(SLAPD)
            .args(["-d", "0", "-h", &addresses, "-f", &self.file("slapd.conf")])
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        self.server = Some(server);
        for _ in 0..100 {
            if TcpStream::connect(("localhost", plain)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the directory did not start");
    }

    /// Stops the server.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
