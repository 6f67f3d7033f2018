//! Command sets (PS3.7, annex E): group 0000 in implicit VR little endian.

use crate::error::{NodeError, Result};
use std::collections::BTreeMap;

/// Element numbers of group 0000.
pub mod element {
    #![allow(missing_docs)] // The names are the standard's keywords.
    pub const AFFECTED_SOP_CLASS_UID: u16 = 0x0002;
    pub const REQUESTED_SOP_CLASS_UID: u16 = 0x0003;
    pub const COMMAND_FIELD: u16 = 0x0100;
    pub const MESSAGE_ID: u16 = 0x0110;
    pub const MESSAGE_ID_RESPONDED_TO: u16 = 0x0120;
    pub const MOVE_DESTINATION: u16 = 0x0600;
    pub const PRIORITY: u16 = 0x0700;
    pub const DATA_SET_TYPE: u16 = 0x0800;
    pub const STATUS: u16 = 0x0900;
    pub const ERROR_COMMENT: u16 = 0x0902;
    pub const AFFECTED_SOP_INSTANCE_UID: u16 = 0x1000;
    pub const REMAINING: u16 = 0x1020;
    pub const COMPLETED: u16 = 0x1021;
    pub const FAILED: u16 = 0x1022;
    pub const WARNING: u16 = 0x1023;
    pub const MOVE_ORIGINATOR: u16 = 0x1030;
    pub const MOVE_ORIGINATOR_MESSAGE_ID: u16 = 0x1031;
}

/// Values of Command Field.
pub mod field {
    #![allow(missing_docs)]
    pub const C_STORE_RQ: u16 = 0x0001;
    pub const C_GET_RQ: u16 = 0x0010;
    pub const C_FIND_RQ: u16 = 0x0020;
    pub const C_MOVE_RQ: u16 = 0x0021;
    pub const C_ECHO_RQ: u16 = 0x0030;
    pub const C_CANCEL_RQ: u16 = 0x0FFF;
    /// Set in every response.
    pub const RESPONSE: u16 = 0x8000;
}

/// Values of Status (PS3.7, annex C; PS3.4, annexes B and C).
pub mod status {
    #![allow(missing_docs)]
    pub const SUCCESS: u16 = 0x0000;
    pub const CANCEL: u16 = 0xFE00;
    pub const PENDING: u16 = 0xFF00;
    pub const DUPLICATE_SOP_INSTANCE: u16 = 0x0111;
    pub const SOP_CLASS_NOT_SUPPORTED: u16 = 0x0122;
    pub const UNRECOGNIZED_OPERATION: u16 = 0x0211;
    pub const OUT_OF_RESOURCES: u16 = 0xA700;
    pub const MOVE_SOME_FAILED: u16 = 0xB000;
    pub const MOVE_DESTINATION_UNKNOWN: u16 = 0xA801;
    pub const DOES_NOT_MATCH: u16 = 0xA900;
    pub const CANNOT_UNDERSTAND: u16 = 0xC000;

    /// Whether more answers follow.
    pub fn is_pending(status: u16) -> bool {
        matches!(status, 0xFF00 | 0xFF01)
    }

    /// Whether the operation was done, perhaps with a warning.
    pub fn is_done(status: u16) -> bool {
        matches!(status, 0x0000 | 0x0001 | 0x0107 | 0x0116) || status & 0xF000 == 0xB000
    }
}

/// Value of Command Data Set Type that says that no data set follows.
pub const NO_DATA_SET: u16 = 0x0101;

/// Most bytes of a command set; real ones have a few hundred.
pub const MAX_COMMAND: usize = 16 * 1024;

/// A command set: values by element number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    elements: BTreeMap<u16, Vec<u8>>,
}

impl Command {
    /// A request with its message ID.
    pub fn request(field: u16, message_id: u16, sop_class: &str) -> Self {
        Command::default()
            .with_number(element::COMMAND_FIELD, field)
            .with_number(element::MESSAGE_ID, message_id)
            .with_number(element::DATA_SET_TYPE, NO_DATA_SET)
            .with_uid(element::AFFECTED_SOP_CLASS_UID, sop_class)
    }

    /// The response to a request, without a data set.
    pub fn response(request: &Command, status: u16) -> Self {
        let field = request.number(element::COMMAND_FIELD).unwrap_or(0) | field::RESPONSE;
        let id = request.number(element::MESSAGE_ID).unwrap_or(0);
        let mut response = Command::default()
            .with_number(element::COMMAND_FIELD, field)
            .with_number(element::MESSAGE_ID_RESPONDED_TO, id)
            .with_number(element::DATA_SET_TYPE, NO_DATA_SET)
            .with_number(element::STATUS, status);
        for copied in [
            element::AFFECTED_SOP_CLASS_UID,
            element::AFFECTED_SOP_INSTANCE_UID,
        ] {
            if let Some(value) = request.elements.get(&copied) {
                response.elements.insert(copied, value.clone());
            }
        }
        response
    }

    /// Sets a number.
    #[must_use]
    pub fn with_number(mut self, element: u16, value: u16) -> Self {
        self.elements.insert(element, value.to_le_bytes().to_vec());
        self
    }

    /// Sets a UID.
    #[must_use]
    pub fn with_uid(self, element: u16, value: &str) -> Self {
        self.padded(element, value, 0)
    }

    /// Sets text.
    #[must_use]
    pub fn with_text(self, element: u16, value: &str) -> Self {
        self.padded(element, value, b' ')
    }

    /// Says that a data set follows.
    #[must_use]
    pub fn with_data_set(self) -> Self {
        self.with_number(element::DATA_SET_TYPE, 0x0000)
    }

    fn padded(mut self, element: u16, value: &str, pad: u8) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        if bytes.len() % 2 == 1 {
            bytes.push(pad);
        }
        self.elements.insert(element, bytes);
        self
    }

    /// A number, if it is there with two bytes.
    pub fn number(&self, element: u16) -> Option<u16> {
        let bytes = self.elements.get(&element)?;
        Some(u16::from_le_bytes(bytes.as_slice().try_into().ok()?))
    }

    /// Text or a UID without its padding; `None` when missing, empty or not ASCII.
    pub fn text(&self, element: u16) -> Option<&str> {
        let text = std::str::from_utf8(self.elements.get(&element)?).ok()?;
        let text = text.trim_matches([' ', '\0']);
        (!text.is_empty() && text.is_ascii()).then_some(text)
    }

    /// Command Field, 0 when missing.
    pub fn field(&self) -> u16 {
        self.number(element::COMMAND_FIELD).unwrap_or(0)
    }

    /// Whether a data set follows.
    pub fn has_data_set(&self) -> bool {
        self.number(element::DATA_SET_TYPE)
            .is_some_and(|t| t != NO_DATA_SET)
    }

    /// Status of a response.
    ///
    /// # Errors
    /// [`NodeError::Malformed`] when it has none.
    pub fn status(&self) -> Result<u16> {
        self.number(element::STATUS)
            .ok_or_else(|| NodeError::malformed("a response without a status"))
    }

    /// Reads a command set.
    ///
    /// # Errors
    /// [`NodeError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut command = Command::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some((head, after)) = rest.split_at_checked(8) else {
                return Err(NodeError::malformed("a command set cut short"));
            };
            let group = u16::from_le_bytes([head[0], head[1]]);
            let number = u16::from_le_bytes([head[2], head[3]]);
            let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let Some((value, after)) = after.split_at_checked(length) else {
                return Err(NodeError::malformed("a command element cut short"));
            };
            if group != 0 {
                return Err(NodeError::malformed(
                    "an element of another group in a command set",
                ));
            }
            if number != 0 {
                command.elements.insert(number, value.to_vec());
            }
            rest = after;
        }
        if command.field() == 0 {
            return Err(NodeError::malformed("a command set without a command"));
        }
        Ok(command)
    }

    /// Writes the command set with its group length.
    pub fn encode(&self) -> Vec<u8> {
        let length: usize = self.elements.values().map(|v| v.len() + 8).sum();
        let mut bytes = Vec::with_capacity(length + 12);
        let mut put = |number: u16, value: &[u8]| {
            bytes.extend([0, 0]);
            bytes.extend(number.to_le_bytes());
            bytes.extend(u32::try_from(value.len()).unwrap_or(0).to_le_bytes());
            bytes.extend(value);
        };
        put(0, &u32::try_from(length).unwrap_or(0).to_le_bytes());
        for (number, value) in &self.elements {
            put(*number, value);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read_back() {
        let command = Command::request(field::C_STORE_RQ, 7, "1.2.840.10008.1.1")
            .with_uid(element::AFFECTED_SOP_INSTANCE_UID, "1.2.3")
            .with_text(element::MOVE_ORIGINATOR, "ABC")
            .with_data_set();
        let back = Command::decode(&command.encode()).unwrap();
        assert_eq!(back, command);
        assert_eq!(back.text(element::AFFECTED_SOP_INSTANCE_UID), Some("1.2.3"));
        assert_eq!(back.text(element::MOVE_ORIGINATOR), Some("ABC"));
        assert!(back.has_data_set());
        let response = Command::response(&back, status::SUCCESS);
        assert_eq!(response.field(), 0x8001);
        assert_eq!(response.number(element::MESSAGE_ID_RESPONDED_TO), Some(7));
        assert!(!response.has_data_set());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(command) = Command::decode(&bytes) {
                let _ = (command.status(), command.has_data_set(), command.text(0x0002));
                prop_assert_eq!(Command::decode(&command.encode()).ok(), Some(command));
            }
        }
    }
}
