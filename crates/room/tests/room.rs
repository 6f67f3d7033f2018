//! The router as a whole, without a port: every route stands in the description, and none is without a guard.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use hilum_node::audit::Audit;
use hilum_node::config::Config;
use hilum_room::access::{Role, add};
use hilum_room::{Room, RoomOptions, router};
use hilum_store::{Options, Store};
use serde_json::Value;
use std::path::Path;
use tower::ServiceExt;

async fn app(dir: &Path, with_accounts: bool) -> axum::Router {
    let (store, _) = Store::open(dir, Options::default(), |_, _| None)
        .await
        .unwrap();
    if with_accounts {
        add(store.db(), "adm", Role::Admin, "a long password")
            .await
            .unwrap();
    }
    let options = RoomOptions {
        loopback: true,
        ..RoomOptions::default()
    };
    let (room, _) = Room::open(store, Config::default(), Audit::none(), options)
        .await
        .unwrap();
    router(&room, Audit::none()).unwrap()
}

async fn ask(app: &axum::Router, method: &str, path: &str) -> (StatusCode, Vec<u8>) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .body(Body::empty())
        .unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 24)
        .await
        .unwrap();
    (status, body.to_vec())
}

/// Path and method of everything in the description, with parameters filled in.
async fn described(app: &axum::Router) -> Vec<(String, String)> {
    let (status, body) = ask(app, "GET", "/api/openapi.json").await;
    assert_eq!(status, StatusCode::OK);
    let description: Value = serde_json::from_slice(&body).unwrap();
    let mut all = Vec::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        let filled = path.replace("{uid}", "1.2").replace("{n}", "0");
        let filled = filled.replace("{id}", "lungs").replace("{format}", "sr");
        for method in methods.as_object().unwrap().keys() {
            all.push((filled.clone(), method.to_uppercase()));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_contract_is_described_and_answers() {
    let dir = tempfile::tempdir().unwrap();
    let app = app(dir.path(), false).await;
    let described = described(&app).await;
    for (path, method) in [
        ("/api/session", "GET"),
        ("/api/session", "POST"),
        ("/api/session", "DELETE"),
        ("/api/oidc/login", "GET"),
        ("/api/oidc/callback", "GET"),
        ("/api/worklist", "GET"),
        ("/api/studies/1.2", "GET"),
        ("/api/studies/1.2", "DELETE"),
        ("/api/studies/1.2/images/0/pixels", "GET"),
        ("/api/studies/1.2/images/0/thumbnail", "GET"),
        ("/api/studies/1.2/images/0/overlays/lungs", "GET"),
        ("/api/studies/1.2/compare", "GET"),
        ("/api/studies/1.2/edits", "POST"),
        ("/api/studies/1.2/sign", "POST"),
        ("/api/studies/1.2/export/sr", "GET"),
        ("/api/studies/1.2/read", "POST"),
        ("/api/uploads", "POST"),
        ("/api/events", "GET"),
        ("/api/labels", "GET"),
        ("/api/labels.jsonl", "GET"),
        ("/api/methods", "GET"),
        ("/api/models", "GET"),
        ("/api/runs", "GET"),
        ("/api/audit", "GET"),
    ] {
        let there = described.iter().any(|(p, m)| p == path && m == method);
        assert!(there, "{method} {path}");
    }
    for (path, method) in described.iter().filter(|(p, _)| p != "/api/events") {
        let (status, body) = ask(&app, method, path).await;
        assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert!(!status.is_server_error(), "{method} {path}: {status}");
        // Errors are JSON with a kind and words.
        if status.is_client_error() {
            let error: Value = serde_json::from_slice(&body).unwrap();
            assert!(error["error"]["message"].is_string(), "{method} {path}");
        }
        // In local mode, too, nothing changes without the token.
        if method != "GET" {
            assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_accounts_every_route_but_the_session_needs_one() {
    let dir = tempfile::tempdir().unwrap();
    let app = app(dir.path(), true).await;
    for (path, method) in described(&app).await {
        if path == "/api/session" || path.starts_with("/api/oidc/") {
            continue;
        }
        let (status, _) = ask(&app, &method, &path).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
    for (path, method) in [
        ("/dicom-web/studies", "GET"),
        ("/dicom-web/studies", "POST"),
    ] {
        let (status, _) = ask(&app, method, path).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
}
