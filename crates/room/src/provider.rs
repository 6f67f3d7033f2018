//! The two pages of logging in by a provider. A browser is sent from one to the other, so what goes wrong is told on the page on which it
//! ends, and not as JSON.

use crate::access::{self, attempt_cookie, attempt_of};
use crate::error::{ErrorBody, Result, RoomError};
use crate::routes::{Asked, address, is_secure, opened};
use crate::state::Room;
use axum::extract::{ConnectInfo, Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::net::SocketAddr;

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct LeaveQuery {
    /// A path of this room.
    next: String,
}

fn to(place: &str) -> Result<Response> {
    let place = HeaderValue::from_str(place)
        .map_err(|_| RoomError::Internal("an address that is no header".to_owned()))?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response())
}

fn told(room: &Room, error: &RoomError, address: &str) -> Result<Response> {
    tracing::warn!(%error, "login by a provider");
    room.log().note("", "login_failed", "", address);
    match error {
        RoomError::LogIn { kind, .. } => to(&format!("/?login={kind}")),
        _ => to("/?login=failed"),
    }
}

/// Leave for the provider to log in
#[utoipa::path(get, path = "/api/oidc/login", params(LeaveQuery), responses(
    (status = 303, description = "to the provider, or back with `?login=` and why not"), (status = 404, body = ErrorBody)))]
pub(crate) async fn leave(
    State(room): State<Room>,
    from: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    Asked(query): Asked<LeaveQuery>,
) -> Result<Response> {
    let provider = room.oidc().ok_or(RoomError::NotFound("provider"))?;
    let begun = match provider.begin(&query.next, attempt_of(&headers)).await {
        Ok(begun) => begun,
        Err(error) => return told(&room, &error, &address(from)),
    };
    let mut response = to(&begun.to)?;
    if let Some(cookie) = attempt_cookie(&begun.browser, is_secure(&room, &headers)) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// What the provider says of an attempt (OpenID Connect Core 1.0, sections 3.1.2.5 and 3.1.2.6).
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct BackQuery {
    /// Stands for the token.
    code: Option<String>,
    /// The state that it was sent with.
    state: String,
    /// Why there is no code.
    error: Option<String>,
}

/// Come back from the provider
#[utoipa::path(get, path = "/api/oidc/callback", params(BackQuery), responses(
    (status = 303, description = "into the room, or to its login with `?login=` and why not"), (status = 404, body = ErrorBody)))]
pub(crate) async fn come_back(
    State(room): State<Room>,
    from: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    Asked(query): Asked<BackQuery>,
) -> Result<Response> {
    let provider = room.oidc().ok_or(RoomError::NotFound("provider"))?;
    let address = address(from);
    let Some(code) = &query.code else {
        let why: String = query.error.unwrap_or_default().chars().take(100).collect();
        return told(&room, &RoomError::log_in("refused", why), &address);
    };
    let browser = attempt_of(&headers);
    let found = provider
        .finish(code, &query.state, browser.as_deref())
        .await;
    let (person, next) = match found {
        Ok(found) => found,
        Err(error) => return told(&room, &error, &address),
    };
    let account = access::vouched(room.db(), &person.name, person.role, &person.subject).await;
    let account = match account {
        Ok(account) => account,
        Err(error) => return told(&room, &error, &address),
    };
    let (_, cookie) = opened(&room, &account, &address, &headers).await?;
    let mut response = to(&next)?;
    response.headers_mut().extend(cookie);
    Ok(response)
}
