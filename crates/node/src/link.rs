//! Protocol data units over a connection (PS3.8, section 9), with limits on their length and time.

use crate::error::{NodeError, Result};
use dicom_ul::pdu::{AbortRQServiceProviderReason, AbortRQSource};
use dicom_ul::{Pdu, read_pdu, write_pdu};
use hilum_image::guard;
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// A connection, plain or TLS.
pub trait Stream: Read + Write + Send {
    /// The TCP connection under it.
    fn tcp(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Stream for rustls::StreamOwned<rustls::ServerConnection, TcpStream> {
    fn tcp(&self) -> &TcpStream {
        &self.sock
    }
}

impl Stream for rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    fn tcp(&self) -> &TcpStream {
        &self.sock
    }
}

/// Limits on what comes in.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most bytes of a data unit, as negotiated.
    pub max_pdu: u32,
    /// How long may be silence between two units.
    pub idle: Duration,
    /// How long one unit may take.
    pub unit: Duration,
}

/// Most bytes of an association request: 128 contexts with many transfer syntaxes each.
const MAX_ASSOCIATE: u32 = 512 * 1024;
/// Most bytes of the other units.
const MAX_OTHER: u32 = 1024;
const DATA: u8 = 0x04;

/// One fragment of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Presentation context.
    pub context: u8,
    /// Of the command set, or else of the data set.
    pub command: bool,
    /// The last one of it.
    pub last: bool,
    /// The bytes.
    pub data: &'a [u8],
}

/// What came in.
#[derive(Debug)]
pub enum Unit {
    /// Data; its fragments are [`Link::fragments`].
    Data,
    /// Anything else.
    Other(Box<Pdu>),
}

/// A connection on which units come and go.
pub struct Link {
    stream: BufReader<Box<dyn Stream>>,
    limits: Limits,
    body: Vec<u8>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Link {
    /// Takes over a connection.
    ///
    /// # Errors
    /// [`NodeError::Io`] when its timeouts cannot be set.
    pub fn new(stream: Box<dyn Stream>, limits: Limits) -> Result<Self> {
        stream.tcp().set_write_timeout(Some(limits.unit))?;
        stream.tcp().set_nodelay(true)?;
        Ok(Link {
            stream: BufReader::with_capacity(64 * 1024, stream),
            limits,
            body: Vec::new(),
        })
    }

    /// Other limits from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Waits for the next unit.
    ///
    /// # Errors
    /// [`NodeError::Closed`] and [`NodeError::TimedOut`] between two units; [`NodeError::Malformed`],
    /// [`NodeError::TooLong`], [`NodeError::Io`].
    pub fn receive(&mut self) -> Result<Unit> {
        let mut head = [0u8; 6];
        let idle = Instant::now() + self.limits.idle;
        if self.fill(&mut head[..1], idle, self.limits.idle)? == 0 {
            return Err(NodeError::Closed);
        }
        let deadline = Instant::now() + self.limits.unit;
        self.exactly(&mut head[1..], deadline)?;
        let length = u32::from_be_bytes([head[2], head[3], head[4], head[5]]);
        let (what, limit) = match head[0] {
            0x01 | 0x02 => ("an association unit", MAX_ASSOCIATE),
            DATA => ("a data unit", self.limits.max_pdu),
            0x03 | 0x05..=0x07 => ("a unit", MAX_OTHER),
            other => return Err(NodeError::malformed(format!("type {other:#04X}"))),
        };
        if length > limit {
            return Err(NodeError::TooLong {
                what,
                bytes: u64::from(length),
                limit: u64::from(limit),
            });
        }
        let mut body = std::mem::take(&mut self.body);
        body.resize(length as usize, 0);
        let read = self.exactly(&mut body, deadline);
        self.body = body;
        read?;
        if head[0] == DATA {
            check_fragments(&self.body)?;
            return Ok(Unit::Data);
        }
        parse(&head, &self.body).map(|pdu| Unit::Other(Box::new(pdu)))
    }

    /// Fragments of the data unit that [`Link::receive`] returned last.
    pub fn fragments(&self) -> impl Iterator<Item = Fragment<'_>> {
        Fragments { rest: &self.body }
    }

    /// Reads until `buffer` is full.
    fn exactly(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            match self.fill(&mut buffer[done..], deadline, self.limits.unit)? {
                0 => return Err(NodeError::malformed("the connection ended inside a unit")),
                n => done += n,
            }
        }
        Ok(())
    }

    /// Reads some bytes; 0 at the end of the connection.
    fn fill(&mut self, buffer: &mut [u8], deadline: Instant, allowed: Duration) -> Result<usize> {
        let timed_out = NodeError::TimedOut {
            seconds: allowed.as_secs(),
        };
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(timed_out);
            }
            self.stream.get_ref().tcp().set_read_timeout(Some(left))?;
            match self.stream.read(buffer) {
                Ok(n) => return Ok(n),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // A TLS peer that closes without saying so.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    return Err(timed_out);
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Sends a unit that carries no data.
    ///
    /// # Errors
    /// [`NodeError::Io`], [`NodeError::Malformed`] when it cannot be encoded.
    pub fn send(&mut self, pdu: &Pdu) -> Result<()> {
        let mut bytes = Vec::new();
        write_pdu(&mut bytes, pdu).map_err(|e| NodeError::malformed(e.to_string()))?;
        self.write(&bytes)
    }

    /// Sends a command set or data set in units of at most `max_pdu` bytes.
    ///
    /// # Errors
    /// [`NodeError::Io`].
    pub fn send_message(
        &mut self,
        context: u8,
        command: bool,
        data: &[u8],
        max_pdu: u32,
    ) -> Result<()> {
        let room = (max_pdu.clamp(MIN_PDU, MAX_SENT_PDU) - 6) as usize;
        let mut chunks = data.chunks(room).peekable();
        let mut unit = Vec::with_capacity(room.min(data.len()) + 12);
        while let Some(chunk) = chunks.next() {
            let last = chunks.peek().is_none();
            unit.clear();
            let length = u32::try_from(chunk.len()).unwrap_or(0);
            unit.extend([DATA, 0]);
            unit.extend((length + 6).to_be_bytes());
            unit.extend((length + 2).to_be_bytes());
            unit.extend([context, u8::from(command) | u8::from(last) << 1]);
            unit.extend(chunk);
            self.write(&unit)?;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes)?;
        stream.flush()?;
        Ok(())
    }

    /// Tells the other side that the association ends now, and closes the connection.
    pub fn abort(&mut self, reason: AbortRQServiceProviderReason) {
        let pdu = Pdu::AbortRQ {
            source: AbortRQSource::ServiceProvider(reason),
        };
        // The connection goes either way.
        let _ = self.send(&pdu);
        self.drain();
        self.close();
    }

    /// Takes in what is still coming, for a moment. A connection that is closed with bytes unread is reset, and the other side
    /// then never sees why.
    fn drain(&mut self) {
        const MOST: usize = 1 << 20;
        let deadline = Instant::now() + Duration::from_millis(300);
        let _ = self.stream.get_ref().tcp().shutdown(Shutdown::Write);
        let (mut buffer, mut taken) = ([0u8; 4096], 0);
        while taken < MOST {
            match self.fill(&mut buffer, deadline, Duration::from_millis(300)) {
                Ok(n) if n > 0 => taken += n,
                _ => return,
            }
        }
    }

    /// Closes the connection.
    pub fn close(&mut self) {
        // It may be closed already.
        let _ = self.stream.get_ref().tcp().shutdown(Shutdown::Both);
    }
}

/// Smallest and largest data unit that is sent, whatever the other side says (PS3.8, annex D.1.1, has no smallest).
const MIN_PDU: u32 = 1024;
const MAX_SENT_PDU: u32 = 256 * 1024;

/// A unit that carries no data.
fn parse(head: &[u8; 6], body: &[u8]) -> Result<Pdu> {
    let mut bytes = Vec::with_capacity(body.len() + 6);
    bytes.extend(head);
    bytes.extend(body);
    let read = guard::catch(|| read_pdu(bytes.as_slice(), MAX_ASSOCIATE, true));
    match read {
        Ok(Ok(Some(Pdu::Unknown { pdu_type, .. }))) => {
            Err(NodeError::malformed(format!("type {pdu_type:#04X}")))
        }
        Ok(Ok(Some(pdu))) => Ok(pdu),
        Ok(Ok(None)) => Err(NodeError::malformed("shorter than it says")),
        Ok(Err(error)) => Err(NodeError::malformed(error.to_string())),
        Err(reason) => Err(NodeError::malformed(reason)),
    }
}

struct Fragments<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fragments<'a> {
    type Item = Fragment<'a>;

    fn next(&mut self) -> Option<Fragment<'a>> {
        let (head, rest) = self.rest.split_at_checked(4)?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let (value, rest) = rest.split_at_checked(length)?;
        let (head, data) = value.split_at_checked(2)?;
        self.rest = rest;
        Some(Fragment {
            context: head[0],
            command: head[1] & 1 == 1,
            last: head[1] & 2 == 2,
            data,
        })
    }
}

fn check_fragments(body: &[u8]) -> Result<()> {
    let mut fragments = Fragments { rest: body };
    let count = fragments.by_ref().count();
    if count == 0 || !fragments.rest.is_empty() {
        return Err(NodeError::malformed(
            "data fragments that do not fill their unit",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fragments_must_fill_their_unit() {
        let good = [0, 0, 0, 4, 1, 3, 0xAA, 0xBB];
        check_fragments(&good).unwrap();
        let found: Vec<_> = Fragments { rest: &good }.collect();
        assert_eq!(found.len(), 1);
        assert!(found[0].command && found[0].last && found[0].data == [0xAA, 0xBB]);
        assert!(check_fragments(&good[..7]).is_err());
        assert!(check_fragments(&[0, 0, 0, 1, 1]).is_err());
        assert!(check_fragments(&[]).is_err());
    }

    proptest! {
        #[test]
        fn no_unit_makes_it_panic(kind in 1u8..8, body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let length = u32::try_from(body.len()).unwrap().to_be_bytes();
            let head = [kind, 0, length[0], length[1], length[2], length[3]];
            let _ = parse(&head, &body);
            let _ = check_fragments(&body);
        }

        #[test]
        fn no_damaged_association_request_makes_it_panic(at in 0usize..300, value: u8, cut in 0usize..300) {
            let mut bytes = association_request();
            let at = at % bytes.len();
            bytes[at] = value;
            bytes.truncate(bytes.len() - cut % bytes.len());
            if bytes.len() > 6 {
                let head: [u8; 6] = bytes[..6].try_into().unwrap();
                let _ = parse(&head, &bytes[6..]);
            }
        }
    }

    fn association_request() -> Vec<u8> {
        use dicom_ul::pdu::{AssociationRQ, PresentationContextProposed, UserVariableItem};
        let pdu = Pdu::AssociationRQ(AssociationRQ {
            protocol_version: 1,
            calling_ae_title: "A".into(),
            called_ae_title: "B".into(),
            application_context_name: "1.2.840.10008.3.1.1.1".into(),
            presentation_contexts: vec![PresentationContextProposed {
                id: 1,
                abstract_syntax: "1.2.840.10008.1.1".into(),
                transfer_syntaxes: vec!["1.2.840.10008.1.2".into()],
            }],
            user_variables: vec![
                UserVariableItem::MaxLength(16384),
                UserVariableItem::ImplementationVersionName("X".into()),
            ],
        });
        let mut bytes = Vec::new();
        write_pdu(&mut bytes, &pdu).unwrap();
        bytes
    }
}
