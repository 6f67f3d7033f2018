//! Logging in by an OpenID provider: a small one on loopback, with keys and signatures of its own, and everything a wrong one could answer.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hilum_node::audit::Audit;
use hilum_node::config::{Config, OidcConfig, OidcRoles};
use hilum_room::access::{Role, add};
use hilum_room::{Room, RoomOptions, router};
use hilum_store::{Options, Store};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tower::ServiceExt;
use url::Url;

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A signing key and its number.
struct Key {
    pair: EcdsaKeyPair,
    id: String,
}

impl Key {
    fn new(id: &str) -> Self {
        let random = SystemRandom::new();
        let by = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let bytes = EcdsaKeyPair::generate_pkcs8(by, &random).unwrap();
        Key {
            pair: EcdsaKeyPair::from_pkcs8(by, bytes.as_ref(), &random).unwrap(),
            id: id.to_owned(),
        }
    }

    fn public(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id,
                "x": b64(&point[1..33]), "y": b64(&point[33..65]) })
    }

    fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "ES256", "kid": self.id, "typ": "JWT" });
        let body = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), body.as_bytes());
        format!("{body}.{}", b64(signature.unwrap()))
    }
}

/// What the provider was told about an attempt when the browser came by.
struct Grant {
    challenge: String,
    redirect: String,
    token: String,
}

struct Inner {
    key: Mutex<Key>,
    grants: Mutex<HashMap<String, Grant>>,
}

#[derive(Clone)]
struct Provider {
    issuer: String,
    inner: Arc<Inner>,
}

impl Provider {
    async fn start() -> Self {
        let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = Provider {
            issuer: format!("http://{}", tcp.local_addr().unwrap()),
            inner: Arc::new(Inner {
                key: Mutex::new(Key::new("one")),
                grants: Mutex::default(),
            }),
        };
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(tcp, app).await });
        provider
    }

    fn claims(&self, nonce: &str) -> Value {
        let now = hilum_store::now() / 1000;
        json!({ "iss": self.issuer, "aud": "hilum", "sub": "u-1", "exp": now + 300, "iat": now, "nonce": nonce,
                "preferred_username": "grace", "groups": ["staff", "radiology"] })
    }

    fn sign(&self, claims: &Value) -> String {
        self.inner.key.lock().unwrap().sign(claims)
    }

    /// A person logs in at the provider: a code for a token.
    fn grant(&self, to: &Url, token: String) -> String {
        let asked = query(to);
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], "hilum");
        assert_eq!(asked["scope"], "openid profile");
        assert_eq!(asked["code_challenge_method"], "S256");
        let mut grants = self.inner.grants.lock().unwrap();
        let code = format!("code {}&", grants.len());
        let grant = Grant {
            challenge: asked["code_challenge"].clone(),
            redirect: asked["redirect_uri"].clone(),
            token,
        };
        grants.insert(code.clone(), grant);
        code
    }
}

async fn discovery(State(provider): State<Provider>) -> Json<Value> {
    let at = |path: &str| format!("{}{path}", provider.issuer);
    Json(
        json!({ "issuer": provider.issuer, "authorization_endpoint": at("/authorize?tenant=a"),
                 "token_endpoint": at("/token"), "jwks_uri": at("/keys"), "more": [1] }),
    )
}

async fn keys(State(provider): State<Provider>) -> Json<Value> {
    let key = provider.inner.key.lock().unwrap().public();
    Json(json!({ "keys": [{ "kty": "unheard of", "kid": "x" }, key] }))
}

async fn token(
    State(provider): State<Provider>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, StatusCode> {
    let form: HashMap<String, String> = url::form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect();
    let basic = format!("Basic {}", STANDARD.encode("hilum:a+secret%3A"));
    let grant = provider.inner.grants.lock().unwrap().remove(&form["code"]);
    let grant = grant.ok_or(StatusCode::BAD_REQUEST)?;
    let right = headers["authorization"] == basic.as_str()
        && form["grant_type"] == "authorization_code"
        && form["redirect_uri"] == grant.redirect
        && b64(Sha256::digest(&form["code_verifier"])) == grant.challenge;
    if !right {
        return Err(StatusCode::BAD_REQUEST);
    }
    Ok(Json(
        json!({ "access_token": "a", "token_type": "Bearer", "id_token": grant.token }),
    ))
}

fn query(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}

struct Site {
    app: Router,
    provider: Provider,
    _dir: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    location: String,
    cookies: Vec<String>,
    body: Value,
}

/// A browser that was sent to the provider.
struct Away {
    to: Url,
    cookie: String,
}

impl Site {
    async fn start() -> Self {
        let provider = Provider::start().await;
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), "a secret:\n").unwrap();
        let (store, _) = Store::open(dir.path(), Options::default(), |_, _| None)
            .await
            .unwrap();
        add(store.db(), "ada", Role::Admin, "a long password")
            .await
            .unwrap();
        let config = Config {
            oidc: Some(OidcConfig {
                issuer: provider.issuer.clone(),
                client_id: "hilum".into(),
                client_secret_file: Some(dir.path().join("secret")),
                client_secret_env: None,
                url: "https://room.example/".into(),
                name: "Hospital".into(),
                scopes: vec!["profile".into()],
                name_claim: "preferred_username".into(),
                role_claim: "groups".into(),
                roles: OidcRoles {
                    reader: vec!["staff".into()],
                    editor: vec!["radiology".into()],
                    admin: vec!["it".into()],
                },
                ca: None,
            }),
            ..Config::default()
        };
        // Not on loopback, and no word of accounts: the provider has them.
        let (room, _) = Room::open(store, config, Audit::none(), RoomOptions::default())
            .await
            .unwrap();
        Site {
            app: router(&room, Audit::none()).unwrap(),
            provider,
            _dir: dir,
        }
    }

    async fn get(&self, path: &str, cookie: &str) -> Answer {
        let request = Request::builder().uri(path).header("cookie", cookie);
        let request = request.body(Body::empty()).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let text = |v: &axum::http::HeaderValue| v.to_str().unwrap().to_owned();
        let headers = response.headers().clone();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await;
        Answer {
            status,
            location: headers.get("location").map_or(String::new(), text),
            cookies: headers.get_all("set-cookie").iter().map(text).collect(),
            body: serde_json::from_slice(&bytes.unwrap()).unwrap_or_default(),
        }
    }

    async fn leave(&self, next: &str) -> Away {
        let left = self.get(&format!("/api/oidc/login?next={next}"), "").await;
        assert_eq!(left.status, StatusCode::SEE_OTHER);
        assert!(left.cookies[0].contains("HttpOnly; SameSite=Lax"));
        let to = Url::parse(&left.location).unwrap();
        assert!(left.location.starts_with(&self.provider.issuer));
        assert_eq!(query(&to)["tenant"], "a");
        Away {
            to,
            cookie: pair(&left.cookies[0]),
        }
    }

    async fn back(&self, away: &Away, code: &str) -> Answer {
        let state = &query(&away.to)["state"];
        let pairs = [("code", code), ("state", state.as_str())];
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        self.get(&format!("/api/oidc/callback?{query}"), &away.cookie)
            .await
    }

    /// A whole attempt, with a token made of the claims that the provider would give.
    async fn attempt(&self, make: impl FnOnce(Value) -> String) -> Answer {
        let away = self.leave("/study/1.2").await;
        let token = make(self.provider.claims(&query(&away.to)["nonce"]));
        let code = self.provider.grant(&away.to, token);
        self.back(&away, &code).await
    }

    async fn with(&self, change: impl FnOnce(&mut Value)) -> Answer {
        self.attempt(|mut claims| {
            change(&mut claims);
            self.provider.sign(&claims)
        })
        .await
    }
}

fn pair(cookie: &str) -> String {
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_provider_vouches_for_has_a_session() {
    let site = Site::start().await;
    let session = site.get("/api/session", "").await.body;
    assert_eq!(session["provider"], "Hospital");
    assert!(session["user"].is_null() && session["local"] == false);
    let away = site.leave("/study/1.2%3Fa%3Db").await;
    assert_eq!(
        query(&away.to)["redirect_uri"],
        "https://room.example/api/oidc/callback"
    );
    let token = site
        .provider
        .sign(&site.provider.claims(&query(&away.to)["nonce"]));
    let code = site.provider.grant(&away.to, token.clone());
    let back = site.back(&away, &code).await;
    assert_eq!(
        (back.status, &*back.location),
        (StatusCode::SEE_OTHER, "/study/1.2?a=b")
    );
    assert!(back.cookies[0].contains("HttpOnly; SameSite=Strict"));
    let cookie = pair(&back.cookies[0]);
    let session = site.get("/api/session", &cookie).await.body;
    assert_eq!(
        session["user"],
        json!({ "name": "grace", "role": "editor" })
    );
    assert_eq!(
        site.get("/api/worklist", &cookie).await.status,
        StatusCode::OK
    );
    assert_eq!(
        site.get("/api/audit", &cookie).await.status,
        StatusCode::FORBIDDEN
    );
    // The same answer once more, whatever the provider says to it.
    let code = site.provider.grant(&away.to, token);
    assert_eq!(site.back(&away, &code).await.location, "/?login=expired");
    // The groups of the next time count.
    let again = site.with(|c| c["groups"] = json!("it")).await;
    let session = site
        .get("/api/session", &pair(&again.cookies[0]))
        .await
        .body;
    assert_eq!(session["user"]["role"], "admin");
    // The provider took a new key.
    *site.provider.inner.key.lock().unwrap() = Key::new("two");
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(site.with(|_| ()).await.location, "/study/1.2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_right_lets_nobody_in() {
    let site = Site::start().await;
    let elsewhere = Key::new("one");
    let secret = {
        let header = b64(json!({ "alg": "HS256", "kid": "one" }).to_string());
        move |claims: &Value| {
            let body = format!("{header}.{}", b64(claims.to_string()));
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"a secret:");
            format!("{body}.{}", b64(ring::hmac::sign(&key, body.as_bytes())))
        }
    };
    let unsigned = |claims: &Value| {
        let header = b64(json!({ "alg": "none" }).to_string());
        format!("{header}.{}.", b64(claims.to_string()))
    };
    let answers = [
        ("another key", site.attempt(|c| elsewhere.sign(&c)).await),
        ("the secret", site.attempt(|c| secret(&c)).await),
        ("no signature", site.attempt(|c| unsigned(&c)).await),
        ("no token", site.attempt(|_| "a.b".to_owned()).await),
        ("nonce", site.with(|c| c["nonce"] = json!("other")).await),
        ("no nonce", site.with(|c| c["nonce"] = Value::Null).await),
        (
            "issuer",
            site.with(|c| c["iss"] = json!("https://evil")).await,
        ),
        ("audience", site.with(|c| c["aud"] = json!("other")).await),
        ("party", site.with(|c| c["azp"] = json!("other")).await),
        (
            "no party",
            site.with(|c| c["aud"] = json!(["hilum", "b"])).await,
        ),
        ("over", site.with(|c| c["exp"] = json!(1_700_000_000)).await),
        ("no end", site.with(|c| c["exp"] = Value::Null).await),
        ("subject", site.with(|c| c["sub"] = json!("")).await),
        (
            "name",
            site.with(|c| c["preferred_username"] = json!(7)).await,
        ),
    ];
    for (what, answer) in &answers {
        assert_eq!(answer.location, "/?login=failed", "{what}");
        assert!(answer.cookies.is_empty(), "{what}");
    }
    let several = site
        .with(|c| {
            c["aud"] = json!(["hilum", "b"]);
            c["azp"] = json!("hilum");
        })
        .await;
    assert_eq!(several.location, "/study/1.2");
    let stranger = site.with(|c| c["groups"] = json!(["visitors"])).await;
    assert_eq!(stranger.location, "/?login=no_role");
    let taken = site.with(|c| c["preferred_username"] = json!("ada")).await;
    assert_eq!(taken.location, "/?login=name_taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_belongs_to_the_browser_that_began_it() {
    let site = Site::start().await;
    let mut away = site.leave("//evil.example").await;
    let token = site
        .provider
        .sign(&site.provider.claims(&query(&away.to)["nonce"]));
    let code = site.provider.grant(&away.to, token);
    let cookie = std::mem::take(&mut away.cookie);
    assert_eq!(site.back(&away, &code).await.location, "/?login=expired");
    // It was not used up by that, and it ends here.
    away.cookie = cookie;
    assert_eq!(site.back(&away, &code).await.location, "/");
    // Refused at the provider, and an answer that was never asked for.
    let refused = "/api/oidc/callback?error=access_denied&state=x";
    let refused = site.get(refused, "").await;
    assert_eq!(refused.location, "/?login=refused");
    let invented = site
        .get("/api/oidc/callback?code=a&state=b", &away.cookie)
        .await;
    assert_eq!(invented.location, "/?login=expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_not_there_is_told() {
    let site = Site::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path(), Options::default(), |_, _| None)
        .await
        .unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let text = |issuer: &str| {
        format!(
            "[oidc]\nissuer = \"{issuer}\"\nclient_id = \"h\"\nurl = \"http://room\"\n[oidc.roles]\nreader = [\"*\"]\n"
        )
    };
    // The second one is there under another name than it has.
    let renamed = site.provider.issuer.replace("127.0.0.1", "localhost");
    for (issuer, expected) in [(nobody, "/?login=no_provider"), (renamed, "/?login=failed")] {
        let config = Config::parse(&text(&issuer)).unwrap();
        let (room, _) = Room::open(store.clone(), config, Audit::none(), RoomOptions::default())
            .await
            .unwrap();
        let request = Request::builder()
            .uri("/api/oidc/login")
            .body(Body::empty());
        let app = router(&room, Audit::none()).unwrap();
        let answer = app.oneshot(request.unwrap()).await.unwrap();
        assert_eq!(answer.headers()["location"], expected);
    }
    let broken = "client_secret_file = \"/nowhere\"\n[oidc.roles]";
    let config = Config::parse(&text("http://127.0.0.1:1").replace("[oidc.roles]", broken));
    let opened = Room::open(
        store,
        config.unwrap(),
        Audit::none(),
        RoomOptions::default(),
    )
    .await;
    assert!(
        opened
            .err()
            .unwrap()
            .to_string()
            .contains("client_secret_file")
    );
}
