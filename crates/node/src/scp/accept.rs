//! Making an association (PS3.8, section 7.1): who is let in, and which presentation contexts are accepted.

use crate::config::{NodeConfig, Peer, seconds};
use crate::error::{NodeError, Result};
use crate::link::{Limits, Link, Unit};
use dicom_dictionary_std::uids;
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use dicom_ul::Pdu;
use dicom_ul::pdu::{
    AbortRQServiceProviderReason, AssociationAC, AssociationRJ, AssociationRJResult,
    AssociationRJServiceProviderPresentationReason, AssociationRJServiceUserReason,
    AssociationRJSource, AssociationRQ, PresentationContextProposed, PresentationContextResult,
    PresentationContextResultReason, UserVariableItem,
};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// An association that was made.
#[derive(Debug)]
pub(crate) struct Association {
    /// Title of the other side.
    pub(crate) calling: String,
    /// Accepted contexts by their ID.
    pub(crate) contexts: BTreeMap<u8, Context>,
    /// Most bytes of a data unit that the other side takes.
    pub(crate) max_pdu: u32,
}

/// An accepted presentation context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) sop_class: String,
    pub(crate) transfer_syntax: String,
}

pub(crate) const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";
/// Root of dicom-rs' own UIDs is for dicom-rs; this one is derived from a UUID (PS3.5, B.2).
pub(crate) const IMPLEMENTATION_UID: &str = "2.25.163735026925407163116246212404731215218";
pub(crate) const IMPLEMENTATION_NAME: &str = concat!("HILUM_", env!("CARGO_PKG_VERSION"));

/// What is accepted.
pub(crate) struct Policy<'a> {
    pub(crate) config: &'a NodeConfig,
    /// The address that calls.
    pub(crate) from: IpAddr,
    /// Whether there is room for one more association.
    pub(crate) room: bool,
}

/// Waits for the request and answers it.
pub(crate) fn accept(link: &mut Link, policy: &Policy<'_>) -> Result<Association> {
    let request = match link.receive()? {
        Unit::Other(pdu) => match *pdu {
            Pdu::AssociationRQ(request) => request,
            Pdu::AbortRQ { .. } => return Err(NodeError::Aborted),
            pdu => {
                link.abort(AbortRQServiceProviderReason::UnexpectedPdu);
                return Err(NodeError::Unexpected {
                    what: pdu.short_description().to_string(),
                });
            }
        },
        Unit::Data => {
            link.abort(AbortRQServiceProviderReason::UnexpectedPdu);
            return Err(NodeError::Unexpected {
                what: "data before an association".to_owned(),
            });
        }
    };
    if let Some(rejection) = reject(&request, policy) {
        let reason = rejection.source.to_string();
        let transient = rejection.result == AssociationRJResult::Transient;
        link.send(&Pdu::AssociationRJ(rejection))?;
        return Err(NodeError::Rejected { reason, transient });
    }
    let (association, answer) = agree(request, policy.config);
    link.send(&answer)?;
    link.set_limits(Limits {
        max_pdu: policy.config.max_pdu,
        idle: seconds(policy.config.idle_s),
        unit: seconds(policy.config.unit_s),
    });
    Ok(association)
}

fn reject(request: &AssociationRQ, policy: &Policy<'_>) -> Option<AssociationRJ> {
    use AssociationRJServiceUserReason as Reason;
    let permanent = |reason| {
        Some(AssociationRJ {
            result: AssociationRJResult::Permanent,
            source: AssociationRJSource::ServiceUser(reason),
        })
    };
    if !policy.room {
        return Some(AssociationRJ {
            result: AssociationRJResult::Transient,
            source: AssociationRJSource::ServiceProviderPresentation(
                AssociationRJServiceProviderPresentationReason::LocalLimitExceeded,
            ),
        });
    }
    let config = policy.config;
    if request.protocol_version & 1 == 0 {
        return permanent(Reason::NoReasonGiven);
    }
    if trimmed(&request.application_context_name) != APPLICATION_CONTEXT {
        return permanent(Reason::ApplicationContextNameNotSupported);
    }
    if config.check_called && request.called_ae_title.trim() != config.aet.trim() {
        return permanent(Reason::CalledAETitleNotRecognized);
    }
    if !allowed(&config.allow, request.calling_ae_title.trim(), policy.from) {
        return permanent(Reason::CallingAETitleNotRecognized);
    }
    None
}

fn allowed(list: &[Peer], calling: &str, from: IpAddr) -> bool {
    let fits = |peer: &Peer| {
        peer.aet.trim() == calling
            && peer
                .address
                .is_none_or(|a| a.to_canonical() == from.to_canonical())
    };
    list.is_empty() || list.iter().any(fits)
}

fn trimmed(uid: &str) -> &str {
    uid.trim_end_matches(['\0', ' '])
}

fn agree(request: AssociationRQ, config: &NodeConfig) -> (Association, Pdu) {
    let mut contexts = BTreeMap::new();
    let mut results = Vec::new();
    for proposed in &request.presentation_contexts {
        let (reason, syntax) = match choose(proposed, config) {
            Ok(context) => {
                let syntax = context.transfer_syntax.clone();
                contexts.insert(proposed.id, context);
                (PresentationContextResultReason::Acceptance, syntax)
            }
            Err(reason) => (reason, uids::IMPLICIT_VR_LITTLE_ENDIAN.to_owned()),
        };
        results.push(PresentationContextResult {
            id: proposed.id,
            reason,
            transfer_syntax: syntax,
        });
    }
    let max_pdu = request.user_variables.iter().find_map(|v| match v {
        UserVariableItem::MaxLength(length) => Some(*length),
        _ => None,
    });
    let calling = request.calling_ae_title.trim().to_owned();
    let answer = Pdu::AssociationAC(AssociationAC {
        protocol_version: 1,
        called_ae_title: request.called_ae_title,
        calling_ae_title: request.calling_ae_title,
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: results,
        user_variables: user_variables(config.max_pdu),
    });
    let association = Association {
        calling,
        contexts,
        // 0 means no limit; what is sent has one of its own.
        max_pdu: max_pdu.filter(|&m| m > 0).unwrap_or(u32::MAX),
    };
    (association, answer)
}

/// What either side says of itself.
pub(crate) fn user_variables(max_pdu: u32) -> Vec<UserVariableItem> {
    vec![
        UserVariableItem::MaxLength(max_pdu),
        UserVariableItem::ImplementationClassUID(IMPLEMENTATION_UID.to_owned()),
        UserVariableItem::ImplementationVersionName(IMPLEMENTATION_NAME.to_owned()),
    ]
}

fn choose(
    proposed: &PresentationContextProposed,
    config: &NodeConfig,
) -> Result<Context, PresentationContextResultReason> {
    use PresentationContextResultReason::{
        AbstractSyntaxNotSupported, TransferSyntaxesNotSupported,
    };
    let sop_class = trimmed(&proposed.abstract_syntax);
    let syntaxes = || proposed.transfer_syntaxes.iter().map(|s| trimmed(s));
    let found = if is_service(sop_class, config) {
        let native = [
            uids::EXPLICIT_VR_LITTLE_ENDIAN,
            uids::IMPLICIT_VR_LITTLE_ENDIAN,
        ];
        syntaxes().find(|s| native.contains(s))
    } else if is_storage(sop_class, config) {
        syntaxes().find(|s| is_kept(s, config))
    } else {
        return Err(AbstractSyntaxNotSupported);
    };
    Ok(Context {
        sop_class: sop_class.to_owned(),
        transfer_syntax: found.ok_or(TransferSyntaxesNotSupported)?.to_owned(),
    })
}

/// Verification and, where they are answered, searches and moves.
fn is_service(sop_class: &str, config: &NodeConfig) -> bool {
    const QUERY: [&str; 4] = [
        uids::PATIENT_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND,
        uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND,
        uids::PATIENT_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_MOVE,
        uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_MOVE,
    ];
    sop_class == uids::VERIFICATION || (config.query && QUERY.contains(&sop_class))
}

/// UIDs of the standard's storage SOP classes begin so; other services do not.
const STORAGE_ROOTS: [&str; 3] = [
    "1.2.840.10008.5.1.4.1.1.",
    "1.2.840.10008.5.1.4.34.7",
    "1.2.840.10008.5.1.4.34.10",
];

fn is_storage(sop_class: &str, config: &NodeConfig) -> bool {
    let standard = STORAGE_ROOTS.iter().any(|r| sop_class.starts_with(r));
    config
        .sop_classes
        .iter()
        .any(|wanted| match wanted.as_str() {
            "storage" => standard,
            // Query, worklist, storage commitment and the like are services of the standard, not objects.
            "any" => standard || !sop_class.starts_with("1.2.840.10008."),
            uid => uid == sop_class,
        })
}

fn is_kept(syntax: &str, config: &NodeConfig) -> bool {
    let known = TransferSyntaxRegistry
        .get(syntax)
        .is_some_and(|s| !s.is_unsupported());
    known
        && (config.transfer_syntaxes.is_empty()
            || config.transfer_syntaxes.iter().any(|s| s == syntax))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposed(sop_class: &str, syntaxes: &[&str]) -> PresentationContextProposed {
        PresentationContextProposed {
            id: 1,
            abstract_syntax: sop_class.to_owned(),
            transfer_syntaxes: syntaxes.iter().map(|s| (*s).to_owned()).collect(),
        }
    }

    #[test]
    fn the_senders_first_syntax_is_taken_for_objects() {
        let config = NodeConfig::default();
        let dx = uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION;
        let context = choose(
            &proposed(dx, &[uids::JPEG2000_LOSSLESS, "1.2.840.10008.1.2"]),
            &config,
        );
        assert_eq!(context.unwrap().transfer_syntax, uids::JPEG2000_LOSSLESS);
        let only = NodeConfig {
            transfer_syntaxes: vec!["1.2.840.10008.1.2".to_owned()],
            ..NodeConfig::default()
        };
        let context = choose(
            &proposed(dx, &[uids::JPEG2000_LOSSLESS, "1.2.840.10008.1.2\0"]),
            &only,
        );
        assert_eq!(context.unwrap().transfer_syntax, "1.2.840.10008.1.2");
        assert!(choose(&proposed(dx, &["1.2.3"]), &config).is_err());
    }

    #[test]
    fn services_that_are_not_answered_are_no_storage() {
        let all = NodeConfig {
            sop_classes: vec!["any".to_owned()],
            query: false,
            ..NodeConfig::default()
        };
        for uid in [
            uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND,
            uids::STORAGE_COMMITMENT_PUSH_MODEL,
            uids::MODALITY_WORKLIST_INFORMATION_MODEL_FIND,
        ] {
            assert!(
                choose(&proposed(uid, &["1.2.840.10008.1.2"]), &all).is_err(),
                "{uid}"
            );
        }
        assert!(choose(&proposed("1.3.6.1.4.1.9", &["1.2.840.10008.1.2"]), &all).is_ok());
        assert!(
            choose(
                &proposed("1.3.6.1.4.1.9", &["1.2.840.10008.1.2"]),
                &NodeConfig::default()
            )
            .is_err()
        );
    }

    #[test]
    fn the_list_of_callers_may_name_an_address() {
        let here = IpAddr::from([127, 0, 0, 1]);
        let peer = |address| Peer {
            aet: "CR1".to_owned(),
            address,
        };
        assert!(allowed(&[], "X", here));
        assert!(allowed(&[peer(None)], "CR1", here));
        assert!(!allowed(&[peer(None)], "X", here));
        assert!(!allowed(
            &[peer(Some(IpAddr::from([10, 0, 0, 1])))],
            "CR1",
            here
        ));
    }
}
