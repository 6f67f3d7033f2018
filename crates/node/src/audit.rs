//! The audit log: audit messages as in PS3.15, A.5, one XML document a line.
//!
//! Messages name application entities, addresses and Study Instance UIDs, never patients.

use crate::error::{NodeError, Result};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::error;

/// Where messages go. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Audit {
    file: Option<Arc<Mutex<File>>>,
}

impl Audit {
    /// Appends to a file that only its owner can read.
    ///
    /// # Errors
    /// [`NodeError::File`].
    pub fn open(path: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let file = options.open(path).map_err(|source| NodeError::File {
            path: path.display().to_string(),
            source,
        })?;
        Ok(Audit {
            file: Some(Arc::new(Mutex::new(file))),
        })
    }

    /// Keeps nothing.
    pub fn none() -> Self {
        Audit::default()
    }

    /// Appends a message. That it cannot be written is logged; the work goes on.
    pub fn write(&self, message: &Message) {
        let Some(file) = &self.file else { return };
        let mut line = message.xml();
        line.push('\n');
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(line.as_bytes()) {
            error!(%error, "audit message not written");
        }
    }
}

/// A code of DCM (PS3.16, annex D).
type Code = (&'static str, &'static str);

const APPLICATION_ACTIVITY: Code = ("110100", "Application Activity");
const BEGIN_TRANSFERRING: Code = ("110102", "Begin Transferring DICOM Instances");
const ACCESSED: Code = ("110103", "DICOM Instances Accessed");
const TRANSFERRED: Code = ("110104", "DICOM Instances Transferred");
const DELETED: Code = ("110105", "DICOM Study Deleted");
const QUERY: Code = ("110112", "Query");
const SECURITY_ALERT: Code = ("110113", "Security Alert");
const START: Code = ("110120", "Application Start");
const STOP: Code = ("110121", "Application Stop");
const NODE_AUTHENTICATION: Code = ("110126", "Node Authentication");
const APPLICATION: Code = ("110150", "Application");
const DESTINATION: Code = ("110152", "Destination Role ID");
const SOURCE: Code = ("110153", "Source Role ID");
const STUDY_UID: Code = ("110180", "Study Instance UID");
const SOP_CLASS_UID: Code = ("110181", "SOP Class UID");
const NODE_ID: Code = ("110182", "Node ID");

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Success,
    /// Not done, and tried again.
    Minor,
    /// Not done.
    Serious,
}

/// One message.
#[derive(Debug, Clone)]
pub struct Message {
    event: Code,
    kind: Option<Code>,
    action: char,
    outcome: Outcome,
    participants: Vec<Participant>,
    source: String,
    objects: Vec<Object>,
}

/// What it was about.
#[derive(Debug, Clone)]
struct Object {
    id: String,
    kind: Code,
    /// ParticipantObjectTypeCodeRole: 3 report (studies), 13 security resource, 24 query.
    role: u8,
    detail: Option<String>,
}

#[derive(Debug, Clone)]
struct Participant {
    user: String,
    requestor: bool,
    address: Option<String>,
    role: Code,
}

impl Message {
    fn new(event: Code, action: char, source: &str) -> Self {
        Message {
            event,
            kind: None,
            action,
            outcome: Outcome::Success,
            participants: Vec::new(),
            source: source.to_owned(),
            objects: Vec::new(),
        }
    }

    fn kind(mut self, kind: Code) -> Self {
        self.kind = Some(kind);
        self
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    fn participant(
        mut self,
        user: &str,
        requestor: bool,
        address: Option<&str>,
        role: Code,
    ) -> Self {
        self.participants.push(Participant {
            user: user.to_owned(),
            requestor,
            address: address.map(str::to_owned),
            role,
        });
        self
    }

    fn object(mut self, id: &str, kind: Code, role: u8, detail: Option<String>) -> Self {
        self.objects.push(Object {
            id: id.to_owned(),
            kind,
            role,
            detail,
        });
        self
    }

    fn study(self, uid: &str, detail: Option<String>) -> Self {
        self.object(uid, STUDY_UID, 3, detail)
    }

    /// The XML document.
    pub fn xml(&self) -> String {
        let mut xml = String::from("<AuditMessage>");
        let outcome = match self.outcome {
            Outcome::Success => 0,
            Outcome::Minor => 4,
            Outcome::Serious => 8,
        };
        let _ = write!(
            xml,
            "<EventIdentification EventActionCode=\"{}\" EventDateTime=\"{}\" EventOutcomeIndicator=\"{outcome}\">{}",
            self.action,
            date_time(hilum_store::now()),
            code("EventID", self.event),
        );
        if let Some(kind) = self.kind {
            xml.push_str(&code("EventTypeCode", kind));
        }
        xml.push_str("</EventIdentification>");
        for p in &self.participants {
            let _ = write!(
                xml,
                "<ActiveParticipant UserID=\"{}\" UserIsRequestor=\"{}\"",
                escape(&p.user),
                p.requestor
            );
            if let Some(address) = &p.address {
                let kind = if address.parse::<IpAddr>().is_ok() {
                    2
                } else {
                    1
                };
                let _ = write!(
                    xml,
                    " NetworkAccessPointID=\"{}\" NetworkAccessPointTypeCode=\"{kind}\"",
                    escape(address)
                );
            }
            let _ = write!(xml, ">{}</ActiveParticipant>", code("RoleIDCode", p.role));
        }
        let _ = write!(
            xml,
            "<AuditSourceIdentification AuditSourceID=\"{}\"/>",
            escape(&self.source)
        );
        for about in &self.objects {
            object(&mut xml, about);
        }
        xml.push_str("</AuditMessage>");
        xml
    }
}

fn object(xml: &mut String, about: &Object) {
    let _ = write!(
        xml,
        "<ParticipantObjectIdentification ParticipantObjectID=\"{}\" ParticipantObjectTypeCode=\"2\" \
         ParticipantObjectTypeCodeRole=\"{}\">{}",
        escape(&about.id),
        about.role,
        code("ParticipantObjectIDTypeCode", about.kind)
    );
    if let Some(detail) = &about.detail {
        let _ = write!(
            xml,
            "<ParticipantObjectDescription>{}</ParticipantObjectDescription>",
            escape(detail)
        );
    }
    xml.push_str("</ParticipantObjectIdentification>");
}

fn code(element: &str, (value, meaning): Code) -> String {
    format!("<{element} csd-code=\"{value}\" codeSystemName=\"DCM\" originalText=\"{meaning}\"/>")
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// `2026-01-02T03:04:05.678Z` of milliseconds since 1970.
pub fn date_time(ms: i64) -> String {
    let (days, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // Days since 1 March of the year 0, in eras of 400 years.
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (h, m, s, milli) = (
        rest / 3_600_000,
        rest / 60_000 % 60,
        rest / 1000 % 60,
        rest % 1000,
    );
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{milli:03}Z")
}

/// The program started to listen.
pub fn started(aet: &str) -> Message {
    activity(aet, START)
}

/// The program stopped listening.
pub fn stopped(aet: &str) -> Message {
    activity(aet, STOP)
}

fn activity(aet: &str, kind: Code) -> Message {
    Message::new(APPLICATION_ACTIVITY, 'E', aet)
        .kind(kind)
        .participant(aet, false, None, APPLICATION)
}

/// An association was rejected.
pub fn rejected(from: IpAddr, reason: &str) -> Message {
    let from = from.to_string();
    Message::new(SECURITY_ALERT, 'E', "HILUM")
        .kind(NODE_AUTHENTICATION)
        .outcome(Outcome::Minor)
        .participant("unknown", true, Some(&from), SOURCE)
        .object(
            &from,
            NODE_ID,
            13,
            Some(format!("association rejected: {reason}")),
        )
}

/// A request without the right token, or with none, was refused.
pub fn let_in_refused(aet: &str, from: Option<IpAddr>) -> Message {
    let from = from.map(|a| a.to_string());
    let message = Message::new(SECURITY_ALERT, 'E', aet)
        .kind(NODE_AUTHENTICATION)
        .outcome(Outcome::Minor)
        .participant("unknown", true, from.as_deref(), SOURCE);
    let detail = "DICOMweb request refused: no right token".to_owned();
    message.object(
        from.as_deref().unwrap_or("unknown"),
        NODE_ID,
        13,
        Some(detail),
    )
}

/// A search by DICOMweb was answered, of a study or over all.
pub fn searched(
    aet: &str,
    user: &str,
    from: Option<IpAddr>,
    study: Option<&str>,
    level: &str,
) -> Message {
    // The information model that QIDO-RS searches (PS3.18, 10.6) is that of the study root.
    const STUDY_ROOT: &str = "1.2.840.10008.5.1.4.1.2.2.1";
    let from = from.map(|a| a.to_string());
    let detail = format!("QIDO-RS, level {level}");
    let message = Message::new(QUERY, 'E', aet)
        .participant(user, true, from.as_deref(), SOURCE)
        .participant(aet, false, None, DESTINATION)
        .object(STUDY_ROOT, SOP_CLASS_UID, 24, Some(detail));
    match study {
        Some(study) => message.study(study, None),
        None => message,
    }
}

/// Something of a study was given by DICOMweb.
pub fn served(aet: &str, user: &str, from: Option<IpAddr>, study: &str, what: &str) -> Message {
    let from = from.map(|a| a.to_string());
    Message::new(TRANSFERRED, 'R', aet)
        .participant(aet, false, None, SOURCE)
        .participant(user, true, from.as_deref(), DESTINATION)
        .study(study, Some(format!("DICOMweb: {what}")))
}

/// Objects of a study were received by the DICOM network.
pub fn received(calling: &str, from: IpAddr, aet: &str, study: &str, count: u64) -> Message {
    stored(calling, Some(from), aet, study, count)
}

/// Objects of a study were received.
pub fn stored(calling: &str, from: Option<IpAddr>, aet: &str, study: &str, count: u64) -> Message {
    let from = from.map(|a| a.to_string());
    Message::new(TRANSFERRED, 'C', aet)
        .participant(calling, true, from.as_deref(), SOURCE)
        .participant(aet, false, None, DESTINATION)
        .study(study, Some(format!("{count} instances")))
}

/// A search in a model was answered.
pub fn query(calling: &str, from: IpAddr, aet: &str, model: &str, level: &str) -> Message {
    Message::new(QUERY, 'E', aet)
        .participant(calling, true, Some(&from.to_string()), SOURCE)
        .participant(aet, false, None, DESTINATION)
        .object(model, SOP_CLASS_UID, 24, Some(format!("level {level}")))
}

/// A destination was asked for what belongs to a study.
pub fn asked(
    aet: &str,
    to: &str,
    host: &str,
    study: &str,
    outcome: Outcome,
    detail: &str,
) -> Message {
    Message::new(QUERY, 'E', aet)
        .outcome(outcome)
        .participant(aet, true, None, SOURCE)
        .participant(to, false, Some(host), DESTINATION)
        .study(study, Some(detail.to_owned()))
}

/// Objects of a study were fetched from a destination.
pub fn fetched(
    aet: &str,
    from: &str,
    host: &str,
    study: &str,
    outcome: Outcome,
    detail: &str,
) -> Message {
    Message::new(TRANSFERRED, 'C', aet)
        .outcome(outcome)
        .participant(from, false, Some(host), SOURCE)
        .participant(aet, true, None, DESTINATION)
        .study(study, Some(detail.to_owned()))
}

/// Objects of studies were sent.
pub fn sent(
    aet: &str,
    to: &str,
    host: &str,
    studies: &[String],
    done: usize,
    failed: usize,
) -> Message {
    let outcome = if failed == 0 {
        Outcome::Success
    } else {
        Outcome::Minor
    };
    let message = Message::new(TRANSFERRED, 'R', aet)
        .outcome(outcome)
        .participant(aet, true, None, SOURCE)
        .participant(to, false, Some(host), DESTINATION);
    studies.iter().fold(message, |m, study| {
        m.study(
            study,
            Some(format!("{done} instances sent, {failed} failed")),
        )
    })
}

/// Sending begins.
pub fn sending(aet: &str, to: &str, host: &str, study: &str) -> Message {
    Message::new(BEGIN_TRANSFERRING, 'E', aet)
        .participant(aet, true, None, SOURCE)
        .participant(to, false, Some(host), DESTINATION)
        .study(study, None)
}

/// A study was read, or reading it failed.
pub fn read(aet: &str, worker: &str, study: &str, outcome: Outcome, detail: &str) -> Message {
    Message::new(ACCESSED, 'R', aet)
        .outcome(outcome)
        .participant(worker, true, None, APPLICATION)
        .study(study, Some(detail.to_owned()))
}

/// A study or part of it was deleted.
pub fn deleted(aet: &str, user: &str, study: &str, count: usize) -> Message {
    Message::new(DELETED, 'D', aet)
        .participant(user, true, None, APPLICATION)
        .study(study, Some(format!("{count} instances")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date_time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(date_time(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(date_time(1_798_761_599_999), "2026-12-31T23:59:59.999Z");
    }

    #[test]
    fn a_message_is_one_line_and_what_others_say_is_escaped() {
        let xml = received("A\"<B>\n&", IpAddr::from([10, 0, 0, 1]), "HILUM", "1.2", 3).xml();
        assert!(!xml.contains('\n'));
        assert!(xml.contains("UserID=\"A&quot;&lt;B&gt; &amp;\""));
        assert!(xml.contains("csd-code=\"110104\"") && xml.contains("3 instances"));
    }
}
