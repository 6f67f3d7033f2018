//! Where the other side is, and making an association with it.

use crate::config::Entity;
use crate::error::{NodeError, Result};
use crate::link::{Limits, Link, Stream, Unit};
use crate::scp::accept::{APPLICATION_CONTEXT, Context, user_variables};
use crate::scu::session::{Proposed, Session};
use crate::tls;
use dicom_ul::Pdu;
use dicom_ul::pdu::{
    AbortRQServiceProviderReason, AssociationAC, AssociationRJResult, AssociationRQ,
    PresentationContextProposed, PresentationContextResultReason, RequestorRoles, UserVariableItem,
};
use std::collections::BTreeMap;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

/// An application entity that is called.
#[derive(Debug, Clone)]
pub struct Remote {
    host: String,
    port: u16,
    called: String,
    calling: String,
    tls: Option<Arc<rustls::ClientConfig>>,
    connect: Duration,
    answer: Duration,
}

/// Most bytes of a data unit that is accepted from the other side.
const MAX_PDU: u32 = 128 * 1024;

impl Remote {
    /// An application entity of the configuration.
    ///
    /// # Errors
    /// [`NodeError::Tls`].
    pub fn new(entity: &Entity, calling: &str) -> Result<Self> {
        let tls = entity.tls.as_ref().map(tls::client).transpose()?;
        let mut remote = Remote::plain(&entity.host, entity.port, &entity.aet, calling);
        remote.tls = tls;
        Ok(remote)
    }

    /// An application entity without TLS.
    pub fn plain(host: &str, port: u16, called: &str, calling: &str) -> Self {
        Remote {
            host: host.to_owned(),
            port,
            called: called.to_owned(),
            calling: calling.to_owned(),
            tls: None,
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(60),
        }
    }

    /// With TLS.
    #[must_use]
    pub fn with_tls(mut self, tls: Arc<rustls::ClientConfig>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// How long is waited for an answer.
    #[must_use]
    pub fn with_timeout(mut self, answer: Duration) -> Self {
        self.answer = answer;
        self.connect = self.connect.min(answer);
        self
    }

    fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn connect(&self) -> Result<Box<dyn Stream>> {
        let fail = |source| NodeError::Connect {
            address: self.address(),
            source,
        };
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        let addresses = (self.host.as_str(), self.port)
            .to_socket_addrs()
            .map_err(fail)?;
        for address in addresses {
            match TcpStream::connect_timeout(&address, self.connect) {
                Ok(tcp) => {
                    return Ok(match &self.tls {
                        Some(tls) => Box::new(tls::connect(tls, &self.host, tcp)?),
                        None => Box::new(tcp),
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(fail(last))
    }

    /// Makes an association. Of the contexts proposed, those that were accepted are usable.
    ///
    /// # Errors
    /// [`NodeError::Connect`], [`NodeError::Rejected`], [`NodeError::TimedOut`] and the others of a connection.
    pub fn associate(&self, proposed: &[Proposed]) -> Result<Session> {
        self.associate_as(proposed, &[])
    }

    /// Makes an association in which this side also receives objects of the SOP classes `received` (C-GET).
    ///
    /// # Errors
    /// As [`Remote::associate`].
    pub fn associate_as(&self, proposed: &[Proposed], received: &[&str]) -> Result<Session> {
        let limits = Limits {
            max_pdu: MAX_PDU,
            idle: self.answer,
            unit: self.answer,
        };
        let mut link = Link::new(self.connect()?, limits)?;
        link.send(&self.request(proposed, received))?;
        let answer = match link.receive()? {
            Unit::Other(pdu) => *pdu,
            Unit::Data => {
                link.abort(AbortRQServiceProviderReason::UnexpectedPdu);
                return Err(NodeError::Unexpected {
                    what: "data before an association".to_owned(),
                });
            }
        };
        match answer {
            Pdu::AssociationAC(answer) => {
                let (contexts, max_pdu) = agreed(&answer, proposed);
                Ok(Session::new(link, contexts, max_pdu).receiving(roles(&answer)))
            }
            Pdu::AssociationRJ(rejection) => Err(NodeError::Rejected {
                reason: rejection.source.to_string(),
                transient: rejection.result == AssociationRJResult::Transient,
            }),
            Pdu::AbortRQ { .. } => Err(NodeError::Aborted),
            pdu => {
                link.abort(AbortRQServiceProviderReason::UnexpectedPdu);
                Err(NodeError::Unexpected {
                    what: pdu.short_description().to_string(),
                })
            }
        }
    }

    fn request(&self, proposed: &[Proposed], received: &[&str]) -> Pdu {
        let role = RequestorRoles {
            scu: false,
            scp: true,
        };
        let roles = received
            .iter()
            .map(|uid| UserVariableItem::ScuScpRoleSelectionSubItem((*uid).to_owned(), role));
        let mut variables = user_variables(MAX_PDU);
        variables.extend(roles);
        let contexts = proposed
            .iter()
            .zip(ids())
            .map(|(p, id)| PresentationContextProposed {
                id,
                abstract_syntax: p.sop_class.clone(),
                transfer_syntaxes: p.transfer_syntaxes.clone(),
            });
        Pdu::AssociationRQ(AssociationRQ {
            protocol_version: 1,
            calling_ae_title: self.calling.clone(),
            called_ae_title: self.called.clone(),
            application_context_name: APPLICATION_CONTEXT.to_owned(),
            presentation_contexts: contexts.collect(),
            user_variables: variables,
        })
    }
}

/// IDs of presentation contexts: the odd numbers, in order of proposal.
fn ids() -> impl Iterator<Item = u8> {
    (1..=255u8).step_by(2)
}

/// SOP classes whose objects the other side agrees to send on this association.
fn roles(answer: &AssociationAC) -> Vec<String> {
    let accepted = answer.user_variables.iter().filter_map(|v| match v {
        UserVariableItem::ScuScpRoleSelectionSubItem(uid, roles) if roles.scp => Some(uid),
        _ => None,
    });
    accepted
        .map(|uid| uid.trim_end_matches(['\0', ' ']).to_owned())
        .collect()
}

fn agreed(answer: &AssociationAC, proposed: &[Proposed]) -> (BTreeMap<u8, Context>, u32) {
    let asked: BTreeMap<u8, &Proposed> = ids().zip(proposed).collect();
    let accepted = answer
        .presentation_contexts
        .iter()
        .filter(|c| c.reason == PresentationContextResultReason::Acceptance);
    let contexts = accepted.filter_map(|c| {
        let proposed = asked.get(&c.id)?;
        let context = Context {
            sop_class: proposed.sop_class.clone(),
            transfer_syntax: c.transfer_syntax.trim_end_matches(['\0', ' ']).to_owned(),
        };
        Some((c.id, context))
    });
    let max_pdu = answer.user_variables.iter().find_map(|v| match v {
        UserVariableItem::MaxLength(length) => Some(*length),
        _ => None,
    });
    (
        contexts.collect(),
        max_pdu.filter(|&m| m > 0).unwrap_or(u32::MAX),
    )
}
