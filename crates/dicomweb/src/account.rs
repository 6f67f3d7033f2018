//! Who asked for what: a message in the audit log for every search and for everything about a study that goes out, and whoever mounts
//! the services is told too.

use crate::state::WebState;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Extensions, Method};
use axum::middleware::Next;
use axum::response::Response;
use hilum_node::audit;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Who asks. Whoever mounts the services may put it into the extensions of a request; [`crate::serve`] knows the address alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Name of an account, or that of the service where programs have none.
    pub user: String,
    /// Where the request came from; null when nobody says.
    pub address: Option<IpAddr>,
}

impl Default for Caller {
    fn default() -> Self {
        Caller {
            user: "DICOMweb".to_owned(),
            address: None,
        }
    }
}

impl Caller {
    /// Who is known to ask.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        if let Some(caller) = extensions.get::<Caller>() {
            return caller.clone();
        }
        let remote = extensions.get::<ConnectInfo<SocketAddr>>();
        Caller {
            address: remote.map(|r| r.0.ip()),
            ..Caller::default()
        }
    }
}

/// Something about a study that was given, taken or deleted; a search that names no study has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Who.
    pub by: String,
    /// Study Instance UID, empty for a search over studies.
    pub study: String,
    /// What, in words.
    pub what: String,
}

/// Is told of every access.
pub type Observer = Arc<dyn Fn(&Access) + Send + Sync>;

/// A viewer asks for frame after frame: the same caller, study and kind make one message in this time.
const AGAIN: Duration = Duration::from_secs(60);
/// Most accesses that are remembered for that.
const REMEMBERED: usize = 10_000;

/// Accesses of the last moments.
#[derive(Default)]
pub(crate) struct Recent(Mutex<HashMap<String, Instant>>);

impl Recent {
    /// Whether an access is the first of its kind for a while.
    fn is_first(&self, caller: &Caller, study: &str, what: &str) -> bool {
        let key = format!("{}\n{:?}\n{study}\n{what}", caller.user, caller.address);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(&key).is_some_and(|at| at.elapsed() < AGAIN) {
            return false;
        }
        known.retain(|_, at| at.elapsed() < AGAIN);
        if known.len() >= REMEMBERED {
            // One message too many is better than one that is missing.
            known.clear();
        }
        known.insert(key, Instant::now());
        true
    }
}

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked<'a> {
    /// A search at a level.
    Search(Option<&'a str>, &'static str),
    /// Something of a study.
    Of(&'a str, &'static str),
}

fn asked<'a>(method: &Method, path: &'a str) -> Option<Asked<'a>> {
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    if *method == Method::DELETE {
        return Some(Asked::Of(parts.get(1)?, "deleted"));
    }
    // What is stored is told with the objects' own studies.
    if *method != Method::GET {
        return None;
    }
    Some(match parts.as_slice() {
        ["studies"] => Asked::Search(None, "STUDY"),
        ["series"] => Asked::Search(None, "SERIES"),
        ["instances"] => Asked::Search(None, "IMAGE"),
        ["studies", study, "series"] => Asked::Search(Some(study), "SERIES"),
        ["studies", study, "instances"] | ["studies", study, "series", _, "instances"] => {
            Asked::Search(Some(study), "IMAGE")
        }
        ["studies", study, rest @ ..] => Asked::Of(study, kind(rest)),
        _ => return None,
    })
}

fn kind(rest: &[&str]) -> &'static str {
    match rest {
        [.., "metadata"] => "metadata",
        [.., "rendered" | "thumbnail"] => "pictures",
        [.., "frames", _] => "frames",
        [.., "bulkdata", _] => "bulk data",
        _ => "objects",
    }
}

/// Notes what was answered.
pub(crate) async fn account(
    State(state): State<WebState>,
    request: Request,
    next: Next,
) -> Response {
    let caller = Caller::of(request.extensions());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    if response.status().is_success()
        && let Some(asked) = asked(&method, &path)
    {
        state.note(&caller, asked);
    }
    response
}

impl WebState {
    fn note(&self, caller: &Caller, asked: Asked<'_>) {
        let (study, what, message) = match asked {
            Asked::Search(study, level) => (
                study.unwrap_or_default(),
                format!("search, level {level}"),
                audit::searched(&self.aet, &caller.user, caller.address, study, level),
            ),
            // The one who deletes has the number of objects, and tells.
            Asked::Of(study, "deleted") => {
                return self.tell(caller, study, "deleted");
            }
            Asked::Of(study, what) => {
                if !self.recent.is_first(caller, study, what) {
                    return;
                }
                let message = audit::served(&self.aet, &caller.user, caller.address, study, what);
                (study, what.to_owned(), message)
            }
        };
        self.audit.write(&message);
        self.tell(caller, study, &what);
    }

    /// Notes that a caller was not let in.
    pub(crate) fn refused(&self, caller: &Caller) {
        if self.recent.is_first(caller, "", "refused") {
            let message = audit::let_in_refused(&self.aet, caller.address);
            self.audit.write(&message);
        }
    }

    /// Tells who listens.
    pub(crate) fn tell(&self, caller: &Caller, study: &str, what: &str) {
        if let Some(observer) = &self.observer {
            observer(&Access {
                by: caller.user.clone(),
                study: study.to_owned(),
                what: what.to_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_say_what_is_asked_for() {
        let get = |path| asked(&Method::GET, path);
        assert_eq!(get("/studies"), Some(Asked::Search(None, "STUDY")));
        assert_eq!(
            get("/studies/1.2/series"),
            Some(Asked::Search(Some("1.2"), "SERIES"))
        );
        assert_eq!(
            get("/studies/1.2/series/1.3/instances"),
            Some(Asked::Search(Some("1.2"), "IMAGE"))
        );
        for (path, what) in [
            ("/studies/1.2", "objects"),
            ("/studies/1.2/series/1.3", "objects"),
            ("/studies/1.2/series/1.3/instances/1.4", "objects"),
            ("/studies/1.2/metadata", "metadata"),
            ("/studies/1.2/series/1.3/instances/1.4/frames/1", "frames"),
            (
                "/studies/1.2/series/1.3/instances/1.4/frames/1/rendered",
                "pictures",
            ),
            ("/studies/1.2/thumbnail", "pictures"),
            (
                "/studies/1.2/series/1.3/instances/1.4/bulkdata/7FE00010",
                "bulk data",
            ),
        ] {
            assert_eq!(get(path), Some(Asked::Of("1.2", what)), "{path}");
        }
        assert_eq!(
            asked(&Method::DELETE, "/studies/1.2/series/1.3"),
            Some(Asked::Of("1.2", "deleted"))
        );
        assert_eq!(asked(&Method::POST, "/studies"), None);
    }

    #[test]
    fn a_viewers_frames_make_one_message_and_another_callers_one_of_their_own() {
        let recent = Recent::default();
        let (one, other) = (
            Caller::default(),
            Caller {
                user: "ada".to_owned(),
                ..Caller::default()
            },
        );
        assert!(recent.is_first(&one, "1.2", "frames"));
        assert!(!recent.is_first(&one, "1.2", "frames"));
        assert!(recent.is_first(&one, "1.3", "frames"));
        assert!(recent.is_first(&one, "1.2", "objects"));
        assert!(recent.is_first(&other, "1.2", "frames"));
    }
}
