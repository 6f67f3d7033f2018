//! The paths of PS3.18, chapter 10, and what stands before all of them: token and cross-origin headers.

use crate::error::WebError;
use crate::state::{WebState, hash};
use crate::{account, qido, rendered, stow, wado};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// All services, to be mounted under a prefix such as `/dicom-web`.
pub fn router(state: WebState) -> Router {
    let limit = usize::try_from(state.http.max_body_mb.saturating_mul(MIB)).unwrap_or(usize::MAX);
    const STUDY: &str = "/studies/{study}";
    const SERIES: &str = "/studies/{study}/series/{series}";
    const INSTANCE: &str = "/studies/{study}/series/{series}/instances/{instance}";
    let at = |base: &str, rest: &str| format!("{base}{rest}");
    Router::new()
        .route("/studies", get(qido::studies).post(stow::store))
        .route("/series", get(qido::series))
        .route("/instances", get(qido::instances))
        .route(&at(STUDY, "/series"), get(qido::series_of_study))
        .route(&at(STUDY, "/instances"), get(qido::instances_of_study))
        .route(&at(SERIES, "/instances"), get(qido::instances_of_series))
        .route(
            STUDY,
            get(wado::study)
                .post(stow::store_in_study)
                .delete(wado::delete_study),
        )
        .route(SERIES, get(wado::series).delete(wado::delete_series))
        .route(INSTANCE, get(wado::instance).delete(wado::delete_instance))
        .route(&at(STUDY, "/metadata"), get(wado::study_metadata))
        .route(&at(SERIES, "/metadata"), get(wado::series_metadata))
        .route(&at(INSTANCE, "/metadata"), get(wado::instance_metadata))
        .route(&at(INSTANCE, "/bulkdata/{tag}"), get(wado::bulk))
        .route(&at(INSTANCE, "/frames/{frames}"), get(wado::frames))
        .route(
            &at(INSTANCE, "/frames/{frame}/rendered"),
            get(rendered::frame),
        )
        .route(
            &at(INSTANCE, "/frames/{frame}/thumbnail"),
            get(rendered::frame_thumbnail),
        )
        .route(&at(INSTANCE, "/rendered"), get(rendered::instance))
        .route(
            &at(INSTANCE, "/thumbnail"),
            get(rendered::instance_thumbnail),
        )
        .route(&at(SERIES, "/thumbnail"), get(rendered::series_thumbnail))
        .route(&at(STUDY, "/thumbnail"), get(rendered::study_thumbnail))
        .layer(DefaultBodyLimit::max(limit))
        .layer(middleware::from_fn_with_state(state.clone(), room_for_body))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            account::account,
        ))
        .layer(middleware::from_fn_with_state(state.clone(), guard))
        .with_state(state)
}

const MIB: u64 = 1 << 20;

/// Waits until there is memory for the body of a request: all that are under way together hold no more than `node.memory_mb`. One that does
/// not tell its length may be as long as the longest.
async fn room_for_body(State(state): State<WebState>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let told = request.headers().get(header::CONTENT_LENGTH);
    let told = told.and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let most = state.http.max_body_mb;
    let wanted = told.map_or(most, |bytes| bytes.div_ceil(MIB));
    if wanted > most {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    let _held = state.bodies.hold(wanted).await;
    next.run(request).await
}

/// Lets in who has the token, and tells browsers which other site may ask.
async fn guard(State(state): State<WebState>, request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let mut response = if preflight && state.http.allow_origin.is_some() {
        StatusCode::NO_CONTENT.into_response()
    } else if is_let_in(&state, request.headers()) {
        next.run(request).await
    } else {
        state.refused(&account::Caller::of(request.extensions()));
        WebError::Unauthorized.into_response()
    };
    let origin = state
        .http
        .allow_origin
        .as_deref()
        .and_then(|o| HeaderValue::from_str(o).ok());
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        if preflight {
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static("authorization, accept, content-type"),
            );
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static("GET, POST, DELETE"),
            );
        }
    }
    response
}

fn is_let_in(state: &WebState, headers: &HeaderMap) -> bool {
    let Some(token) = &state.token else {
        return true;
    };
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.strip_prefix("Bearer "));
    given.is_some_and(|g| hash(g.trim()) == *token)
}
