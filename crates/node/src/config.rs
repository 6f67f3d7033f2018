//! The configuration: one TOML file. `docs/config.md` describes every key; a key that is not known is an error.

pub use crate::destination::{Address, Destination, Entity, WebService};
use crate::error::{NodeError, Result};
pub use crate::oidc::{OidcConfig, OidcRoles, is_safe_url};
pub use crate::signed::SignedConfig;
use crate::tls::TlsConfig;
use hilum_store::{Duplicates, Options};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// All of it. Everything has a default; the defaults listen on loopback only and read nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The DICOM listener.
    pub node: NodeConfig,
    /// Where objects are kept.
    pub store: StoreConfig,
    /// The DICOMweb listener.
    pub http: HttpConfig,
    /// Nodes that Hilum sends to and searches.
    pub destination: Vec<Destination>,
    /// Which received studies are read.
    pub rule: Vec<Rule>,
    /// How they are read.
    pub read: ReadConfig,
    /// How long results are tried to be sent.
    pub send: SendConfig,
    /// Which earlier studies are fetched and read too.
    pub priors: PriorsConfig,
    /// What becomes of a signed reading.
    pub signed: SignedConfig,
    /// The audit log.
    pub audit: AuditConfig,
    /// Who vouches for accounts of the reading room, besides its own.
    pub oidc: Option<OidcConfig>,
}

/// The DICOM listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeConfig {
    /// Own application entity title.
    pub aet: String,
    /// Address to listen on.
    pub bind: IpAddr,
    /// Port; 0 takes a free one.
    pub port: u16,
    /// Calling application entities that are let in; empty for all.
    pub allow: Vec<Peer>,
    /// Whether the called title must be `aet`.
    pub check_called: bool,
    /// SOP classes that are accepted for storage: `storage` for all of the standard, `any` for private ones too, or UIDs.
    pub sop_classes: Vec<String>,
    /// Transfer syntaxes that are accepted for storage; empty for all that are known. Data sets are kept as they come.
    pub transfer_syntaxes: Vec<String>,
    /// Whether C-FIND and C-MOVE are answered.
    pub query: bool,
    /// Most associations at a time.
    pub max_associations: usize,
    /// Most bytes of a data unit that is accepted.
    pub max_pdu: u32,
    /// Memory for data sets under way, all associations together, in MB.
    pub memory_mb: u64,
    /// Seconds for the association to be made.
    pub associate_s: u64,
    /// Seconds of silence after which an association ends.
    pub idle_s: u64,
    /// Seconds for one unit.
    pub unit_s: u64,
    /// Seconds that associations get to end by themselves when Hilum is stopped.
    pub grace_s: u64,
    /// TLS; without it connections are plain.
    pub tls: Option<TlsConfig>,
}

impl Default for NodeConfig {
    fn default() -> Self {
        NodeConfig {
            aet: "HILUM".to_owned(),
            bind: IpAddr::from([127, 0, 0, 1]),
            port: 11112,
            allow: Vec::new(),
            check_called: false,
            sop_classes: vec!["storage".to_owned()],
            transfer_syntaxes: Vec::new(),
            query: true,
            max_associations: 64,
            max_pdu: 128 * 1024,
            memory_mb: 2048,
            associate_s: 10,
            idle_s: 60,
            unit_s: 30,
            grace_s: 10,
            tls: None,
        }
    }
}

/// A calling application entity that is let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its title.
    pub aet: String,
    /// The address it must call from; any when not given.
    pub address: Option<IpAddr>,
}

/// Where objects are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// Folder.
    pub dir: Option<PathBuf>,
    /// PostgreSQL URL of the index; SQLite in the folder when not given.
    pub database: Option<String>,
    /// Objects with a known UID and another content: `refuse`, `keep` or `replace`.
    pub duplicates: Duplicates,
    /// Most bytes of one object, in MB.
    pub max_object_mb: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        StoreConfig {
            dir: None,
            database: None,
            duplicates: Duplicates::Refuse,
            max_object_mb: 512,
        }
    }
}

impl StoreConfig {
    /// As the store wants it.
    pub fn options(&self) -> Options {
        Options {
            database: self.database.clone(),
            duplicates: self.duplicates,
            max_object: self.max_object_mb.saturating_mul(1 << 20),
        }
    }
}

/// The DICOMweb listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Address to listen on.
    pub bind: IpAddr,
    /// Port; no HTTP when not given, 0 takes a free one.
    pub port: Option<u16>,
    /// File whose first line is the bearer token that every request must carry.
    pub token_file: Option<PathBuf>,
    /// Whether objects may be stored by STOW-RS.
    pub stow: bool,
    /// Whether objects may be deleted.
    pub delete: bool,
    /// Origin that scripts of another site may ask from, e.g. a viewer; none when not given.
    pub allow_origin: Option<String>,
    /// Most bytes of a STOW-RS request, in MB.
    pub max_body_mb: u64,
    /// TLS; without it connections are plain. With `ca`, callers need a certificate from it.
    pub tls: Option<TlsConfig>,
}

impl HttpConfig {
    /// Refuses a port that everybody who reaches it may use.
    ///
    /// # Errors
    /// [`NodeError::Config`] when it listens on more than loopback and asks for neither a token nor a certificate.
    pub fn check_access(&self) -> Result<()> {
        // With authorities, callers must show a certificate from one of them.
        let asks = self.token_file.is_some() || self.tls.as_ref().is_some_and(|t| t.ca.is_some());
        if asks || is_loopback(self.bind) {
            return Ok(());
        }
        Err(NodeError::Config(format!(
            "DICOMweb on {} would be open to everybody who reaches this machine: set http.token_file, or http.tls with ca, in \
             the configuration, or keep it on loopback (http.bind = \"127.0.0.1\")",
            self.bind
        )))
    }
}

/// Whether only this machine reaches an address.
pub fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V6(v6) => v6.is_loopback() || v6.to_ipv4_mapped().is_some_and(|v| v.is_loopback()),
        IpAddr::V4(v4) => v4.is_loopback(),
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        HttpConfig {
            bind: IpAddr::from([127, 0, 0, 1]),
            port: None,
            token_file: None,
            stow: true,
            delete: false,
            allow_origin: None,
            max_body_mb: 1024,
            tls: None,
        }
    }
}

/// A rule. All conditions that are given must hold; the first rule that holds decides.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Name, for the log.
    pub name: String,
    /// Modalities.
    pub modality: Vec<String>,
    /// Body parts. An object without one fits only a rule without this condition.
    pub body_part: Vec<String>,
    /// View positions, e.g. `PA`, `AP`.
    pub view: Vec<String>,
    /// Titles of the application entities that sent it.
    pub calling_aet: Vec<String>,
    /// What happens: `read` or `ignore`.
    pub action: Action,
    /// Destinations of the results.
    pub send_to: Vec<String>,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The study is read.
    #[default]
    Read,
    /// It is not.
    Ignore,
}

/// How studies are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadConfig {
    /// Seconds without a new object after which a study is taken as complete.
    pub settle_s: u64,
    /// Studies that are read at a time; 0 leaves reading to `hilum worker`.
    pub workers: usize,
    /// Attempts before a study is put aside.
    pub attempts: i64,
    /// Seconds before the second attempt; every further one waits twice as long, up to an hour.
    pub backoff_s: u64,
    /// Seconds that a worker may be silent before its study is given to another.
    pub lease_s: u64,
    /// Objects that are made of a reading: `sr`, `seg`, `gsps`, `sc`, `pdf`, `fhir`. Those of DICOM go to the rule's destinations.
    pub objects: Vec<String>,
    /// Folder with models of your own.
    pub models: Option<PathBuf>,
}

impl Default for ReadConfig {
    fn default() -> Self {
        ReadConfig {
            settle_s: 10,
            workers: 1,
            attempts: 5,
            backoff_s: 30,
            lease_s: 60,
            objects: vec!["sr".to_owned()],
            models: None,
        }
    }
}

/// How long results are tried to be sent. A destination may be away for a night, a weekend or an upgrade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SendConfig {
    /// Days after which an object that could not be sent is put aside.
    pub days: u32,
    /// Seconds before the second attempt; every further one waits twice as long.
    pub backoff_s: u64,
    /// Longest wait between two attempts, in seconds.
    pub max_backoff_s: u64,
}

impl Default for SendConfig {
    fn default() -> Self {
        SendConfig {
            days: 7,
            backoff_s: 30,
            max_backoff_s: 600,
        }
    }
}

impl SendConfig {
    /// Milliseconds after which an object is put aside.
    pub fn longest_ms(&self) -> i64 {
        i64::from(self.days) * 86_400_000
    }
}

/// Earlier studies of a patient whose study is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PriorsConfig {
    /// Names of destinations that are asked; none are fetched when empty.
    pub from: Vec<String>,
    /// Most of them, the latest ones.
    pub max: usize,
    /// Not older than so many years before the study.
    pub years: u32,
    /// Whether the objects made of their readings go to the rules' destinations too.
    pub send: bool,
}

impl Default for PriorsConfig {
    fn default() -> Self {
        PriorsConfig {
            from: Vec::new(),
            max: 3,
            years: 10,
            send: false,
        }
    }
}

impl PriorsConfig {
    /// Whether any are fetched.
    pub fn are_wanted(&self) -> bool {
        !self.from.is_empty()
    }
}

/// The audit log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// File that audit messages are appended to, one XML document a line; `audit.xml` in the store's folder when not given.
    pub file: Option<PathBuf>,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`NodeError::File`], [`NodeError::Config`] with the place of the mistake.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|source| NodeError::File {
            path: path.display().to_string(),
            source,
        })?;
        Config::parse(&text)
    }

    /// Reads and checks a text.
    ///
    /// # Errors
    /// [`NodeError::Config`].
    pub fn parse(text: &str) -> Result<Self> {
        let config: Config =
            toml::from_str(text).map_err(|e| NodeError::Config(e.to_string().trim().to_owned()))?;
        config.validate()?;
        Ok(config)
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// [`NodeError::Config`].
    pub fn validate(&self) -> Result<()> {
        let fail = |text: String| Err(NodeError::Config(text));
        check_aet("node.aet", &self.node.aet)?;
        for peer in &self.node.allow {
            check_aet("node.allow.aet", &peer.aet)?;
        }
        if !(4096..=16 << 20).contains(&self.node.max_pdu) {
            return fail("node.max_pdu: from 4096 to 16777216".to_owned());
        }
        if self.node.max_associations == 0 || self.node.max_associations > 1024 {
            return fail("node.max_associations: from 1 to 1024".to_owned());
        }
        if self.store.max_object_mb == 0 || self.node.memory_mb < self.store.max_object_mb {
            return fail(
                "node.memory_mb must hold at least one object of store.max_object_mb".to_owned(),
            );
        }
        for (i, destination) in self.destination.iter().enumerate() {
            destination.check()?;
            let twice = self.destination[..i]
                .iter()
                .any(|d| d.name == destination.name);
            if destination.name.is_empty() || twice {
                return fail(format!(
                    "destination {:?}: names must be there and differ",
                    destination.name
                ));
            }
        }
        for rule in &self.rule {
            for name in &rule.send_to {
                if self.find_destination(name).is_none() {
                    return fail(format!(
                        "rule {:?} sends to {name:?}, which is no destination",
                        rule.name
                    ));
                }
            }
        }
        for name in &self.priors.from {
            if self.find_destination(name).is_none() {
                return fail(format!("priors.from: {name:?} is no destination"));
            }
        }
        if !(1..=100).contains(&self.priors.max) || !(1..=150).contains(&self.priors.years) {
            return fail("priors.max is from 1 to 100 and priors.years from 1 to 150".to_owned());
        }
        self.signed.check(self)?;
        if let Some(oidc) = &self.oidc {
            oidc.check()?;
        }
        if !(1..=365).contains(&self.send.days)
            || self.send.max_backoff_s < self.send.backoff_s.max(1)
        {
            return fail(
                "send.days is from 1 to 365, and send.max_backoff_s at least 1 and send.backoff_s"
                    .to_owned(),
            );
        }
        if self.read.lease_s < 10 || self.read.attempts < 1 {
            return fail("read.lease_s is at least 10 and read.attempts at least 1".to_owned());
        }
        Ok(())
    }

    /// The destination of a name.
    pub fn find_destination(&self, name: &str) -> Option<&Destination> {
        self.destination.iter().find(|d| d.name == name)
    }
}

pub(crate) fn check_aet(what: &str, aet: &str) -> Result<()> {
    let good = !aet.trim().is_empty()
        && aet.len() <= 16
        && aet.bytes().all(|b| (0x20..0x7F).contains(&b) && b != b'\\');
    if good {
        Ok(())
    } else {
        Err(NodeError::Config(format!(
            "{what}: {aet:?} is no application entity title (1 to 16 ASCII characters)"
        )))
    }
}

/// Seconds as a duration.
pub(crate) fn seconds(s: u64) -> Duration {
    Duration::from_secs(s.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_defaults_and_listens_on_loopback() {
        let config = Config::parse("").unwrap();
        assert_eq!(config, Config::default());
        assert!(config.node.bind.is_loopback() && config.http.bind.is_loopback());
        assert!(config.rule.is_empty() && config.http.port.is_none());
    }

    #[test]
    fn dicomweb_for_others_asks_who_they_are() {
        let check = |text: &str| Config::parse(text).unwrap().http.check_access();
        assert!(check("").is_ok() && check("[http]\nbind = \"::1\"").is_ok());
        for open in [
            "[http]\nbind = \"0.0.0.0\"",
            "[http]\nbind = \"::\"",
            "[http]\nbind = \"10.0.0.1\"\ntls = { cert = \"a\", key = \"b\" }",
        ] {
            let error = check(open).unwrap_err().to_string();
            assert!(error.contains("http.token_file"), "{error}");
        }
        assert!(check("[http]\nbind = \"0.0.0.0\"\ntoken_file = \"t\"").is_ok());
        let mutual = "[http]\nbind = \"::\"\ntls = { cert = \"a\", key = \"b\", ca = \"c\" }";
        assert!(check(mutual).is_ok());
    }

    #[test]
    fn mistakes_are_named() {
        for (text, word) in [
            ("[node]\naett = \"X\"", "aett"),
            ("[node]\naet = \"SEVENTEEN CHARACTERS\"", "node.aet"),
            ("[[rule]]\nsend_to = [\"pacs\"]", "pacs"),
            ("[read]\nattempts = 0", "read.attempts"),
            ("[send]\ndays = 0", "send.days"),
            ("[send]\nbackoff_s = 9\nmax_backoff_s = 8", "max_backoff_s"),
            ("[priors]\nfrom = [\"pacs\"]", "pacs"),
            ("[priors]\nmax = 0", "priors.max"),
            (
                "[[destination]]\nname = \"a\"\naet = \"A\"\nhost = \"h\"",
                "port",
            ),
            (
                "[[destination]]\nname = \"a\"\nurl = \"https://h\"\nport = 4",
                "url",
            ),
            (
                "[[destination]]\nname = \"a\"\nurl = \"https://me:word@h\"",
                "token_file",
            ),
            (
                "[[destination]]\nname = \"a\"\nurl = \"h/dicom-web\"",
                "http",
            ),
            ("[store]\nduplicates = \"perhaps\"", "perhaps"),
        ] {
            let error = Config::parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
