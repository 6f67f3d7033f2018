//! Nodes that Hilum calls: by the DICOM network or by DICOMweb.

use crate::config::check_aet;
use crate::error::{NodeError, Result};
use crate::tls::TlsConfig;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A node that Hilum sends to and searches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Table", into = "Table")]
pub struct Destination {
    /// Name that rules and commands use.
    pub name: String,
    /// Where it is and how it is spoken to.
    pub at: Address,
}

/// Where a node is and how it is spoken to.
#[derive(Debug, Clone, PartialEq)]
pub enum Address {
    /// By the DICOM network.
    Dicom(Entity),
    /// By DICOMweb.
    Web(WebService),
}

/// An application entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity {
    /// Its title.
    pub aet: String,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS; without it the connection is plain.
    pub tls: Option<TlsConfig>,
}

/// The services of a DICOMweb server.
#[derive(Debug, Clone, PartialEq)]
pub struct WebService {
    /// What stands before `/studies`, e.g. `https://pacs.example/dicom-web`.
    pub url: String,
    /// File whose first line is sent as bearer token.
    pub token_file: Option<PathBuf>,
    /// Authorities and own certificate; without it, the certificate must come from a public authority.
    pub tls: Option<TlsConfig>,
}

impl Destination {
    /// A node of the DICOM network.
    pub fn dicom(name: &str, aet: &str, host: &str, port: u16) -> Self {
        Destination {
            name: name.to_owned(),
            at: Address::Dicom(Entity {
                aet: aet.to_owned(),
                host: host.to_owned(),
                port,
                tls: None,
            }),
        }
    }

    /// A DICOMweb server.
    pub fn web(name: &str, url: &str) -> Self {
        Destination {
            name: name.to_owned(),
            at: Address::Web(WebService {
                url: url.to_owned(),
                token_file: None,
                tls: None,
            }),
        }
    }

    /// The application entity.
    ///
    /// # Errors
    /// [`NodeError::Config`] when it is a DICOMweb server.
    pub fn entity(&self) -> Result<&Entity> {
        match &self.at {
            Address::Dicom(entity) => Ok(entity),
            Address::Web(_) => Err(NodeError::Config(format!(
                "destination {:?} is a DICOMweb server, an application entity is needed",
                self.name
            ))),
        }
    }

    /// What the audit log calls it: its title or URL.
    pub fn user(&self) -> &str {
        match &self.at {
            Address::Dicom(entity) => &entity.aet,
            Address::Web(service) => &service.url,
        }
    }

    /// Its host name or address.
    pub fn host(&self) -> &str {
        match &self.at {
            Address::Dicom(entity) => &entity.host,
            Address::Web(service) => service.host(),
        }
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// [`NodeError::Config`].
    pub(crate) fn check(&self) -> Result<()> {
        match &self.at {
            Address::Dicom(entity) => check_aet("destination.aet", &entity.aet),
            Address::Web(service) => service.check(&self.name),
        }
    }
}

impl WebService {
    /// Host name or address without port.
    pub fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        match authority.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        }
    }

    fn check(&self, name: &str) -> Result<()> {
        let fail = |why: &str| Err(NodeError::Config(format!("destination {name:?}: {why}")));
        let scheme = self.url.split_once("://").map(|(scheme, _)| scheme);
        if !matches!(scheme, Some("http" | "https")) || self.host().is_empty() {
            return fail("url must be http://... or https://...");
        }
        if self.url.contains('@') {
            return fail("no user and password in url; use token_file");
        }
        if self.url.contains(['?', '#', ' ']) {
            return fail("url must be a base without query");
        }
        if scheme == Some("http") && self.tls.is_some() {
            return fail("ca and tls need an https url");
        }
        Ok(())
    }
}

/// As it stands in the file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Table {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    aet: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<TlsConfig>,
}

impl TryFrom<Table> for Destination {
    type Error = String;

    fn try_from(table: Table) -> Result<Self, String> {
        let name = table.name;
        let at = match (table.url, table.aet, table.host, table.port) {
            (Some(url), None, None, None) => {
                let tls = match (table.ca, table.tls) {
                    (Some(_), Some(_)) => {
                        return Err(format!("destination {name:?}: ca stands in tls already"));
                    }
                    (Some(ca), None) => Some(TlsConfig {
                        cert: None,
                        key: None,
                        ca: Some(ca),
                    }),
                    (None, tls) => tls,
                };
                Address::Web(WebService {
                    url: url.trim_end_matches('/').to_owned(),
                    token_file: table.token_file,
                    tls,
                })
            }
            (None, Some(aet), Some(host), Some(port))
                if table.token_file.is_none() && table.ca.is_none() =>
            {
                Address::Dicom(Entity {
                    aet,
                    host,
                    port,
                    tls: table.tls,
                })
            }
            _ => {
                return Err(format!(
                    "destination {name:?}: either aet, host, port and perhaps tls, or url and perhaps token_file, ca or tls"
                ));
            }
        };
        Ok(Destination { name, at })
    }
}

impl From<Destination> for Table {
    fn from(destination: Destination) -> Self {
        let name = destination.name;
        match destination.at {
            Address::Dicom(entity) => Table {
                name,
                aet: Some(entity.aet),
                host: Some(entity.host),
                port: Some(entity.port),
                tls: entity.tls,
                ..Table::default()
            },
            Address::Web(service) => Table {
                name,
                url: Some(service.url),
                token_file: service.token_file,
                tls: service.tls,
                ..Table::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Address, Config};

    #[test]
    fn both_kinds_are_read_and_written() {
        let config = Config::parse(
            "[[destination]]\nname = \"pacs\"\naet = \"PACS\"\nhost = \"10.0.0.2\"\nport = 104\n\
             [[destination]]\nname = \"web\"\nurl = \"https://pacs.example:8443/dicom-web/\"\nca = \"ca.pem\"\n",
        )
        .unwrap();
        let [pacs, web] = config.destination.as_slice() else {
            panic!("two are there");
        };
        assert_eq!((pacs.user(), pacs.host()), ("PACS", "10.0.0.2"));
        assert_eq!(web.host(), "pacs.example");
        assert_eq!(web.user(), "https://pacs.example:8443/dicom-web");
        assert!(pacs.entity().is_ok() && web.entity().is_err());
        assert!(
            matches!(&web.at, Address::Web(w) if w.tls.as_ref().is_some_and(|t| t.ca.is_some()))
        );
        let text = toml::to_string(&config).unwrap();
        assert_eq!(Config::parse(&text).unwrap(), config);
    }
}
