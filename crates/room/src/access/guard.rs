//! What every request passes, in this order: host, user, role, and the token against forged requests.
//!
//! Roles cannot be forgotten: the list of routes holds for each what it needs, and [`needs`] puts the guard before it.

use super::sessions::CurrentUser;
use super::users::Role;
use crate::error::{Result, RoomError};
use crate::state::Room;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use std::convert::Infallible;
use std::net::SocketAddr;

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing: pages, and what tells who is logged in.
    Nothing,
    /// A user of at least this role.
    Role(Role),
    /// DICOMweb: by method, and open to programs with a token.
    DicomWeb,
}

/// The header that repeats the token.
const CSRF: &str = "x-hilum-csrf";

/// Puts the guard before a route.
pub(crate) fn needs(
    room: &Room,
    what: Needs,
    route: MethodRouter<Room, Infallible>,
) -> MethodRouter<Room, Infallible> {
    let room = room.clone();
    route.layer(middleware::from_fn(move |request: Request, next: Next| {
        let room = room.clone();
        async move { enter(room, what, request, next).await }
    }))
}

/// The same before a whole router.
pub(crate) async fn guard(
    State((room, what)): State<(Room, Needs)>,
    request: Request,
    next: Next,
) -> Response {
    enter(room, what, request, next).await
}

async fn enter(room: Room, what: Needs, mut request: Request, next: Next) -> Response {
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let user = admitted(&room, what, &method, &headers).await;
    if let (Needs::DicomWeb, Ok(user)) = (what, &user) {
        let caller = caller(user.as_ref(), &request);
        request.extensions_mut().insert(caller);
    }
    match user {
        Ok(Some(user)) => {
            request.extensions_mut().insert(user);
            next.run(request).await
        }
        Ok(None) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Who asks, for the audit log of DICOMweb: a program with the token has no account.
fn caller(user: Option<&CurrentUser>, request: &Request) -> hilum_dicomweb::Caller {
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let mut caller = hilum_dicomweb::Caller {
        address: from.map(|c| c.0.ip()),
        ..hilum_dicomweb::Caller::default()
    };
    if let Some(user) = user {
        caller.user.clone_from(&user.account.name);
    }
    caller
}

async fn admitted(
    room: &Room,
    what: Needs,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Option<CurrentUser>> {
    let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if what == Needs::DicomWeb && has_token(room, headers) {
        return Ok(None);
    }
    let user = room.sessions().user(headers).await?;
    let role = match what {
        Needs::Nothing => None,
        Needs::Role(role) => Some(role),
        Needs::DicomWeb => Some(match *method {
            Method::GET | Method::HEAD | Method::OPTIONS => Role::Reader,
            Method::POST => Role::Editor,
            _ => Role::Admin,
        }),
    };
    if let Some(role) = role {
        let user = user.as_ref().ok_or(RoomError::Unauthorized)?;
        if user.account.role < role {
            return Err(RoomError::Forbidden(role.name()));
        }
    }
    if changes {
        let expected = match &user {
            Some(user) => user.csrf.clone(),
            None => room.sessions().csrf("nobody"),
        };
        check_origin(what, headers, &expected)?;
    }
    Ok(user)
}

/// A page of another site can make a browser send a request with the cookie; it cannot read the token, nor set a header of its
/// own without being asked first. Programs that are no browsers store by DICOMweb without the token.
fn check_origin(what: Needs, headers: &HeaderMap, expected: &str) -> Result<()> {
    let browser = headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN);
    if what == Needs::DicomWeb && !browser {
        return Ok(());
    }
    let site = headers.get("sec-fetch-site").and_then(|v| v.to_str().ok());
    if site.is_some_and(|s| s == "cross-site") {
        return Err(RoomError::NotOurs("the request comes from another site"));
    }
    let given = headers.get(CSRF).and_then(|v| v.to_str().ok());
    match given {
        Some(given) if super::digest(&[given]) == super::digest(&[expected]) => Ok(()),
        _ => Err(RoomError::NotOurs(
            "the header X-Hilum-Csrf must hold the token of GET /api/session",
        )),
    }
}

fn has_token(room: &Room, headers: &HeaderMap) -> bool {
    let Some(expected) = room.dicomweb_token() else {
        return false;
    };
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.strip_prefix("Bearer "));
    // Comparing hashes takes as long whatever the first difference.
    given.is_some_and(|g| super::digest(&[g.trim()]) == expected)
}
