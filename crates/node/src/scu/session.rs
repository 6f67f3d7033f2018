//! An association that was made from here.

use crate::command::{Command, NO_DATA_SET, element, field, status};
use crate::dataset;
use crate::error::{NodeError, Result};
use crate::link::Link;
use crate::message::{self, Budget, Data, Message, Received};
use crate::scp::accept::Context;
use crate::scu::send::Origin;
use dicom_dictionary_std::uids;
use dicom_object::InMemDicomObject;
use dicom_ul::Pdu;
use dicom_ul::pdu::AbortRQServiceProviderReason;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A presentation context that is proposed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proposed {
    /// SOP class.
    pub sop_class: String,
    /// Transfer syntaxes, the preferred one first.
    pub transfer_syntaxes: Vec<String>,
}

impl Proposed {
    /// A service without pixel data.
    pub fn service(sop_class: &str) -> Self {
        Proposed {
            sop_class: sop_class.to_owned(),
            transfer_syntaxes: vec![
                uids::EXPLICIT_VR_LITTLE_ENDIAN.to_owned(),
                uids::IMPLICIT_VR_LITTLE_ENDIAN.to_owned(),
            ],
        }
    }
}

/// Numbers of a move's sub-operations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Moved {
    /// Objects that arrived.
    pub completed: u16,
    /// Objects that did not.
    pub failed: u16,
    /// Objects that arrived with a warning.
    pub warning: u16,
}

/// An association.
#[derive(Debug)]
pub struct Session {
    link: Link,
    contexts: BTreeMap<u8, Context>,
    max_pdu: u32,
    next_id: u16,
    budget: Arc<Budget>,
    /// SOP classes whose objects the other side may send here.
    received: Vec<String>,
}

/// An object that the other side sends in answer to a C-GET.
#[derive(Debug)]
pub struct Gotten<'a> {
    /// Its SOP Class UID, as announced.
    pub sop_class: &'a str,
    /// Its SOP Instance UID, as announced.
    pub instance: Option<&'a str>,
    /// Transfer syntax of the data set.
    pub transfer_syntax: &'a str,
    /// The data set.
    pub data: &'a [u8],
}

/// Most bytes of one answer.
const MAX_ANSWER: u64 = 16 << 20;

impl Session {
    pub(crate) fn new(link: Link, contexts: BTreeMap<u8, Context>, max_pdu: u32) -> Self {
        Session {
            link,
            contexts,
            max_pdu,
            next_id: 0,
            budget: Budget::new(MAX_ANSWER),
            received: Vec::new(),
        }
    }

    pub(crate) fn receiving(mut self, sop_classes: Vec<String>) -> Self {
        self.received = sop_classes;
        self
    }

    fn id(&mut self) -> u16 {
        self.next_id = self.next_id.wrapping_add(1);
        self.next_id
    }

    /// ID and transfer syntax of an accepted context of a SOP class that `fits`.
    pub(crate) fn context(
        &self,
        sop_class: &str,
        fits: impl Fn(&str) -> bool,
    ) -> Option<(u8, String)> {
        self.contexts
            .iter()
            .find(|(_, c)| c.sop_class == sop_class && fits(&c.transfer_syntax))
            .map(|(id, c)| (*id, c.transfer_syntax.clone()))
    }

    fn service(&self, sop_class: &str) -> Result<(u8, String)> {
        self.context(sop_class, |_| true)
            .ok_or_else(|| NodeError::NotAccepted {
                what: format!("SOP class {sop_class}"),
            })
    }

    fn send(&mut self, context: u8, command: &Command, data: Option<&[u8]>) -> Result<()> {
        message::send(&mut self.link, context, command, data, self.max_pdu)
    }

    /// The response to the message with this ID.
    fn response(&mut self, request: &Command) -> Result<Message> {
        let received = message::receive(&mut self.link, MAX_ANSWER, &self.budget)?;
        let Received::Message(message) = received else {
            return Err(NodeError::Unexpected {
                what: "release".to_owned(),
            });
        };
        self.check(request, &message.command)?;
        Ok(*message)
    }

    /// Whether a message answers a request.
    fn check(&mut self, request: &Command, command: &Command) -> Result<()> {
        let asked = request.number(element::MESSAGE_ID);
        let fits = command.field() == request.field() | field::RESPONSE
            && command.number(element::MESSAGE_ID_RESPONDED_TO) == asked;
        if fits {
            return Ok(());
        }
        self.link.abort(AbortRQServiceProviderReason::UnexpectedPdu);
        Err(NodeError::Unexpected {
            what: "response to another request".to_owned(),
        })
    }

    /// C-ECHO.
    ///
    /// # Errors
    /// [`NodeError::NotAccepted`], [`NodeError::Status`] and those of a connection.
    pub fn echo(&mut self) -> Result<()> {
        let (context, _) = self.service(uids::VERIFICATION)?;
        let request = Command::request(field::C_ECHO_RQ, self.id(), uids::VERIFICATION);
        self.send(context, &request, None)?;
        let response = self.response(&request)?;
        done(&response.command)
    }

    /// C-STORE of an encoded data set in the transfer syntax of `context`.
    pub(crate) fn store(
        &mut self,
        context: u8,
        sop_class: &str,
        instance: &str,
        data: &[u8],
        origin: Option<&Origin>,
    ) -> Result<()> {
        let mut request = Command::request(field::C_STORE_RQ, self.id(), sop_class)
            .with_uid(element::AFFECTED_SOP_INSTANCE_UID, instance)
            .with_number(element::PRIORITY, 0)
            .with_data_set();
        if let Some(origin) = origin {
            request = request
                .with_text(element::MOVE_ORIGINATOR, &origin.aet)
                .with_number(element::MOVE_ORIGINATOR_MESSAGE_ID, origin.message_id);
        }
        self.send(context, &request, Some(data))?;
        let response = self.response(&request)?;
        done(&response.command)
    }

    /// C-FIND: every answer is given to `each`, until it says false, which cancels the search.
    ///
    /// # Errors
    /// [`NodeError::NotAccepted`], [`NodeError::Status`], [`NodeError::DataSet`] and those of a connection.
    pub fn find(
        &mut self,
        model: &str,
        identifier: &InMemDicomObject,
        mut each: impl FnMut(InMemDicomObject) -> bool,
    ) -> Result<()> {
        let (context, syntax) = self.service(model)?;
        let request = Command::request(field::C_FIND_RQ, self.id(), model)
            .with_number(element::PRIORITY, 0)
            .with_data_set();
        let bytes = dataset::encode(identifier, &syntax)?;
        self.send(context, &request, Some(&bytes))?;
        let mut going = true;
        loop {
            let response = self.response(&request)?;
            let found = response.command.status()?;
            if !status::is_pending(found) {
                return match found {
                    status::CANCEL if !going => Ok(()),
                    _ => done(&response.command),
                };
            }
            if let (Data::Whole(held), true) = (&response.data, going) {
                going = each(dataset::decode(held.bytes(), &syntax)?);
                if !going {
                    self.cancel(context, &request)?;
                }
            }
        }
    }

    fn cancel(&mut self, context: u8, request: &Command) -> Result<()> {
        let id = request.number(element::MESSAGE_ID).unwrap_or(0);
        let cancel = Command::default()
            .with_number(element::COMMAND_FIELD, field::C_CANCEL_RQ)
            .with_number(element::MESSAGE_ID_RESPONDED_TO, id)
            .with_number(element::DATA_SET_TYPE, NO_DATA_SET);
        self.send(context, &cancel, None)
    }

    /// C-MOVE to the application entity `to`; `progress` sees the numbers as they come.
    ///
    /// # Errors
    /// As [`Session::find`]. Objects that failed are no error but numbers.
    pub fn move_to(
        &mut self,
        model: &str,
        identifier: &InMemDicomObject,
        to: &str,
        mut progress: impl FnMut(Moved),
    ) -> Result<Moved> {
        let (context, syntax) = self.service(model)?;
        let request = Command::request(field::C_MOVE_RQ, self.id(), model)
            .with_number(element::PRIORITY, 0)
            .with_text(element::MOVE_DESTINATION, to)
            .with_data_set();
        let bytes = dataset::encode(identifier, &syntax)?;
        self.send(context, &request, Some(&bytes))?;
        loop {
            let response = self.response(&request)?;
            let command = &response.command;
            let moved = numbers(command);
            if status::is_pending(command.status()?) {
                progress(moved);
                continue;
            }
            return ended(command, moved);
        }
    }

    /// C-GET: the objects come back on this association, made with [`crate::scu::Remote::associate_as`]. Each is given to
    /// `keep`, which returns the status that is answered. One over `limit` bytes is refused.
    ///
    /// # Errors
    /// [`NodeError::NotAccepted`] when the other side offers no C-GET; otherwise as [`Session::move_to`].
    pub fn get(
        &mut self,
        model: &str,
        identifier: &InMemDicomObject,
        limit: u64,
        mut keep: impl FnMut(&Gotten<'_>) -> u16,
    ) -> Result<Moved> {
        let (context, syntax) = self.service(model)?;
        if self.received.is_empty() {
            return Err(NodeError::NotAccepted {
                what: "objects on the association that asks for them".to_owned(),
            });
        }
        let request = Command::request(field::C_GET_RQ, self.id(), model)
            .with_number(element::PRIORITY, 0)
            .with_data_set();
        let bytes = dataset::encode(identifier, &syntax)?;
        self.send(context, &request, Some(&bytes))?;
        let budget = Budget::new(limit.max(MAX_ANSWER));
        loop {
            let received = message::receive(&mut self.link, limit.max(MAX_ANSWER), &budget)?;
            let Received::Message(message) = received else {
                return Err(NodeError::Unexpected {
                    what: "release".to_owned(),
                });
            };
            if message.command.field() == field::C_STORE_RQ {
                let found = self.keep(&message, &mut keep);
                let response = Command::response(&message.command, found);
                self.send(message.context, &response, None)?;
                continue;
            }
            self.check(&request, &message.command)?;
            let moved = numbers(&message.command);
            if status::is_pending(message.command.status()?) {
                continue;
            }
            return ended(&message.command, moved);
        }
    }

    /// Gives an object to `keep`.
    fn keep(&self, message: &Message, keep: &mut impl FnMut(&Gotten<'_>) -> u16) -> u16 {
        let Some(context) = self.contexts.get(&message.context) else {
            return status::SOP_CLASS_NOT_SUPPORTED;
        };
        match &message.data {
            Data::Whole(held) => keep(&Gotten {
                sop_class: &context.sop_class,
                instance: message.command.text(element::AFFECTED_SOP_INSTANCE_UID),
                transfer_syntax: &context.transfer_syntax,
                data: held.bytes(),
            }),
            Data::TooLong { .. } => status::OUT_OF_RESOURCES,
            Data::None => status::CANNOT_UNDERSTAND,
        }
    }

    /// Ends the association as it should be.
    ///
    /// # Errors
    /// Those of a connection.
    pub fn release(mut self) -> Result<()> {
        self.link.send(&Pdu::ReleaseRQ)?;
        match self.link.receive()? {
            crate::link::Unit::Other(pdu) if matches!(*pdu, Pdu::ReleaseRP) => {
                self.link.close();
                Ok(())
            }
            _ => Err(NodeError::Unexpected {
                what: "answer to a release".to_owned(),
            }),
        }
    }
}

/// The numbers of sub-operations in a response.
fn numbers(command: &Command) -> Moved {
    let number = |e| command.number(e).unwrap_or(0);
    Moved {
        completed: number(element::COMPLETED),
        failed: number(element::FAILED),
        warning: number(element::WARNING),
    }
}

/// The end of a move. B000 and A702: some or all failed, which the numbers say.
fn ended(command: &Command, moved: Moved) -> Result<Moved> {
    match command.status()? {
        0xB000 | 0xA702 if moved.failed > 0 => Ok(moved),
        _ => done(command).map(|()| moved),
    }
}

fn done(response: &Command) -> Result<()> {
    let found = response.status()?;
    if status::is_done(found) {
        return Ok(());
    }
    let comment = response.text(element::ERROR_COMMENT);
    Err(NodeError::Status {
        status: found,
        comment: comment.map(|c| format!(": {c}")).unwrap_or_default(),
    })
}
