//! The room on a port of its own.

use crate::access::{Needs, guard};
use crate::error::{Result, RoomError};
use crate::state::Room;
use crate::{assets, list, routes};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use hilum_dicomweb::{Access, WebLimits, WebListener, WebState};
use hilum_node::audit::Audit;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What pages may load and run: their own files alone.
const CSP: &str = "default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; \
     script-src 'self' 'wasm-unsafe-eval'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Seconds that requests under way get when the room stops.
const GRACE: Duration = Duration::from_secs(5);

/// All of it: API, DICOMweb, application; every answer with the same headers.
///
/// # Errors
/// [`RoomError::Setup`] for a DICOMweb configuration that does not do.
pub fn router(room: &Room, audit: Audit) -> Result<Router> {
    // The room's guard stands before DICOMweb and knows its token.
    let mut config = room.config().clone();
    config.http.token_file = None;
    let web = WebState::new(&config, room.store().clone(), audit)
        .map_err(|e| RoomError::Setup(format!("http: {e}")))?;
    let log = room.log().clone();
    let web = web.observed_by(Arc::new(move |access: &Access| {
        log.row(&access.by, "dicomweb", &access.study, &access.what);
    }));
    let dicomweb = hilum_dicomweb::router(web).layer(middleware::from_fn_with_state(
        (room.clone(), Needs::DicomWeb),
        guard,
    ));
    Ok(routes::router(room)
        .nest_service("/dicom-web", dicomweb)
        .fallback(assets::serve)
        .layer(middleware::from_fn_with_state(room.clone(), outermost))
        .with_state(room.clone()))
}

/// Host, and the headers of every answer.
async fn outermost(State(room): State<Room>, request: Request, next: Next) -> Response {
    let mut response = match host_is_ours(&room, &request) {
        true => next.run(request).await,
        false => RoomError::NotOurs("this is no name of this server").into_response(),
    };
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A page of another site can make its own name stand for this machine's address; its requests carry that name.
fn host_is_ours(room: &Room, request: &Request) -> bool {
    let options = room.options();
    if !options.loopback && options.hosts.is_empty() {
        return true;
    }
    let host = request.headers().get(header::HOST);
    let Some(host) = host.and_then(|h| h.to_str().ok()) else {
        return false;
    };
    let name = without_port(host);
    is_this_machine(name) && options.loopback
        || options.hosts.iter().any(|h| h.eq_ignore_ascii_case(name))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_this_machine(name: &str) -> bool {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// A room that is served.
pub struct Server {
    address: SocketAddr,
    secure: bool,
    room: Room,
    served: tokio::task::JoinHandle<()>,
    list: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Binds `address` and serves the room, over TLS where the configuration says so.
    ///
    /// # Errors
    /// [`RoomError::Setup`] for an address that cannot be bound, and for certificates that cannot be used.
    pub async fn start(address: SocketAddr, room: Room, audit: Audit) -> Result<Self> {
        let app = router(&room, audit)?;
        let limits = WebLimits::default();
        let tcp = WebListener::bind(address, &room.config().http, limits)
            .await
            .map_err(|e| RoomError::Setup(format!("cannot listen on {address}: {e}")))?;
        let (address, secure) = (tcp.address(), tcp.is_secure());
        let mut stopped = room.stopped();
        let list = tokio::spawn(list::keep_in_step(room.clone()));
        let served = tokio::spawn(hilum_dicomweb::serve(tcp, app, async move {
            // An error means that the room is gone.
            let _ = stopped.changed().await;
        }));
        Ok(Server {
            address,
            secure,
            room,
            served,
            list,
        })
    }

    /// The address that a browser is given.
    pub fn url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}/", self.address)
    }

    /// Accepts no more, ends event streams, and gives what is under way a few seconds.
    pub async fn stop(self) {
        self.room.stopping();
        let abort = self.served.abort_handle();
        if tokio::time::timeout(GRACE, self.served).await.is_err() {
            abort.abort();
        }
        let abort = self.list.abort_handle();
        if tokio::time::timeout(GRACE, self.list).await.is_err() {
            abort.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine() {
        for host in ["localhost:8080", "127.0.0.1", "127.1.2.3:80", "[::1]:8080"] {
            assert!(is_this_machine(without_port(host)), "{host}");
        }
        for host in [
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "",
        ] {
            assert!(!is_this_machine(without_port(host)), "{host}");
        }
    }
}
