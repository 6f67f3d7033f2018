//! One association from its request to its end.

use crate::audit::{self, Audit};
use crate::auto::Rules;
use crate::command::{Command, element, field, status};
use crate::config::{Config, seconds};
use crate::error::{NodeError, Result};
use crate::link::{Limits, Link, Stream};
use crate::message::{self, Budget, Data, Message, Received};
use crate::scp::accept::{self, Association, Context, Policy};
use crate::scp::{find, move_, store};
use crate::tls;
use dicom_ul::Pdu;
use dicom_ul::pdu::AbortRQServiceProviderReason;
use hilum_store::Store;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::{debug, info, warn};

/// What all associations share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) rules: Rules,
    pub(crate) audit: Audit,
    pub(crate) budget: Arc<Budget>,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    pub(crate) open: AtomicUsize,
    pub(crate) totals: Mutex<Totals>,
}

/// Reasons and how often they came.
pub type Refusals = BTreeMap<String, u64>;

/// What was done so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Associations that were made.
    pub associations: u64,
    /// Associations that were rejected, by reason.
    pub rejected: Refusals,
    /// Associations that ended badly, by reason.
    pub aborted: Refusals,
    /// Objects stored.
    pub stored: u64,
    /// Objects that were stored already.
    pub known: u64,
    /// Objects refused, by reason.
    pub refused: Refusals,
    /// Searches answered.
    pub searches: u64,
    /// Objects moved.
    pub moved: u64,
}

impl Shared {
    pub(crate) fn count(&self, what: impl FnOnce(&mut Totals)) {
        // A panic while counting would leave numbers, nothing worse.
        what(&mut self.totals.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Serves a connection. Nothing that comes in ends more than this connection.
pub(crate) fn serve(shared: &Shared, tcp: TcpStream, from: IpAddr, room: bool) {
    let served = hilum_image::guard::catch(|| run(shared, tcp, from, room));
    match served {
        Ok(Ok(())) | Ok(Err(NodeError::Closed)) => {}
        Ok(Err(NodeError::Rejected { reason, .. })) => {
            warn!(%from, reason, "association rejected");
            shared.count(|t| *t.rejected.entry(reason.clone()).or_default() += 1);
            shared.audit.write(&audit::rejected(from, &reason));
        }
        Ok(Err(error)) => {
            warn!(%from, kind = error.kind(), "association ended badly");
            debug!(%error, "association ended badly");
            shared.count(|t| *t.aborted.entry(reason_of(&error)).or_default() += 1);
        }
        Err(panic) => {
            warn!(%from, panic, "association ended by a defect of this program");
            shared.count(|t| *t.aborted.entry("defect".to_owned()).or_default() += 1);
        }
    }
}

fn reason_of(error: &NodeError) -> String {
    match error {
        NodeError::Malformed { .. } => "malformed",
        NodeError::TooLong { .. } => "too_long",
        NodeError::TimedOut { .. } => "timed_out",
        NodeError::Aborted => "aborted_by_peer",
        NodeError::Unexpected { .. } => "unexpected_unit",
        NodeError::Io(_) => "connection",
        _ => "other",
    }
    .to_owned()
}

fn run(shared: &Shared, tcp: TcpStream, from: IpAddr, room: bool) -> Result<()> {
    let config = &shared.config.node;
    let limits = Limits {
        max_pdu: config.max_pdu,
        idle: seconds(config.associate_s),
        unit: seconds(config.associate_s),
    };
    let stream: Box<dyn Stream> = match &shared.tls {
        Some(tls) => Box::new(tls::accept(tls, tcp)?),
        None => Box::new(tcp),
    };
    let mut link = Link::new(stream, limits)?;
    let policy = Policy { config, from, room };
    let made = accept::accept(&mut link, &policy);
    let association = match made {
        Ok(association) => association,
        Err(error) => {
            end(&mut link, &error);
            return Err(error);
        }
    };
    info!(%from, calling = association.calling, "association");
    shared.count(|t| t.associations += 1);
    let mut session = Session {
        shared,
        link,
        association,
        from,
        received: BTreeMap::new(),
    };
    let ended = session.serve();
    session.account();
    if let Err(error) = &ended {
        end(&mut session.link, error);
    }
    ended
}

/// Ends an association that went wrong in the way the other side expects.
fn end(link: &mut Link, error: &NodeError) {
    use AbortRQServiceProviderReason as Reason;
    match error {
        NodeError::Closed | NodeError::Aborted | NodeError::Io(_) => link.close(),
        // The rejection said it already; the other side closes first (PS3.8, table 9-10), which `shutdown` allows.
        NodeError::Rejected { .. } => link.close(),
        NodeError::Malformed { .. } => link.abort(Reason::InvalidPduParameter),
        NodeError::Unexpected { .. } => link.abort(Reason::UnexpectedPdu),
        _ => link.abort(Reason::ReasonNotSpecified),
    }
}

/// An association being served.
pub(crate) struct Session<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) link: Link,
    pub(crate) association: Association,
    pub(crate) from: IpAddr,
    /// Studies whose objects were stored, and how many.
    pub(crate) received: BTreeMap<String, u64>,
}

impl Session<'_> {
    fn serve(&mut self) -> Result<()> {
        let limit = self.shared.store.max_object();
        loop {
            match message::receive(&mut self.link, limit, &self.shared.budget)? {
                Received::Message(message) => self.answer(*message)?,
                Received::Release => {
                    self.link.send(&Pdu::ReleaseRP)?;
                    self.link.close();
                    return Ok(());
                }
            }
        }
    }

    fn answer(&mut self, message: Message) -> Result<()> {
        let id = message.context;
        let Some(context) = self.association.contexts.get(&id).cloned() else {
            return Err(NodeError::malformed(
                "a presentation context that was not accepted",
            ));
        };
        let command = &message.command;
        debug!(field = command.field(), "message");
        match command.field() {
            field::C_ECHO_RQ => self.respond(id, command, status::SUCCESS, ""),
            field::C_STORE_RQ => {
                let (status, comment) = store::store(self, &context, &message);
                self.respond(id, command, status, &comment)
            }
            field::C_FIND_RQ => find::find(self, &context, &message),
            field::C_MOVE_RQ => move_::move_(self, &context, &message),
            // All answers to what could be cancelled were sent before this was read.
            field::C_CANCEL_RQ => Ok(()),
            other if other & field::RESPONSE != 0 => {
                Err(NodeError::malformed("a response to nothing"))
            }
            _ => self.respond(id, command, status::UNRECOGNIZED_OPERATION, ""),
        }
    }

    /// Sends a response without a data set.
    pub(crate) fn respond(
        &mut self,
        id: u8,
        request: &Command,
        status: u16,
        comment: &str,
    ) -> Result<()> {
        let mut response = Command::response(request, status);
        if !comment.is_empty() {
            let comment: String = comment.chars().filter(char::is_ascii).take(64).collect();
            response = response.with_text(element::ERROR_COMMENT, &comment);
        }
        self.send(id, &response, None)
    }

    pub(crate) fn send(&mut self, id: u8, command: &Command, data: Option<&[u8]>) -> Result<()> {
        message::send(&mut self.link, id, command, data, self.association.max_pdu)
    }

    /// Writes what was received to the audit log.
    fn account(&mut self) {
        for (study, count) in std::mem::take(&mut self.received) {
            let calling = &self.association.calling;
            let aet = &self.shared.config.node.aet;
            self.shared
                .audit
                .write(&audit::received(calling, self.from, aet, &study, count));
        }
    }
}

/// The data set of a message, decoded.
pub(crate) fn identifier(context: &Context, data: &Data) -> Result<dicom_object::InMemDicomObject> {
    match data {
        Data::Whole(held) => crate::dataset::decode(held.bytes(), &context.transfer_syntax),
        _ => Err(NodeError::DataSet("there is none".to_owned())),
    }
}

/// Counts one association as open until it is dropped.
pub(crate) struct Open(pub(crate) Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}
