//! The paths of the API. [`api`] is the one list of them: each with what it needs, so that no route can be without a guard.

use crate::access::{self, Account, CurrentUser, Needs, Role, needs, set_cookie, unset_cookie};
use crate::annotations::{self, Annotation};
use crate::audit::{self, SeenRow};
use crate::compare::{self, Comparison};
use crate::edits::{self, Edit, Edited, NewEdit, Op};
use crate::error::{ErrorBody, Result, RoomError};
use crate::labels::{self, LabelQuery};
use crate::list::{self, ListQuery, Page};
use crate::runs::{self, Run};
use crate::sign::{self, Format, Shown, Signed};
use crate::state::{Room, blocking};
use crate::study::{self, Study};
use crate::upload::{self, UploadAnswer, UploadForm};
use axum::body::Body;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{
    ConnectInfo, DefaultBodyLimit, Extension, FromRequest, FromRequestParts, Multipart, Path,
    Query, Request, State,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use hilum_node::auto::READ;
use hilum_store::{NewJob, Target};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::net::SocketAddr;
use utoipa::openapi::{Info, OpenApi, OpenApiBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

/// Most bytes of a JSON body.
const MAX_JSON: usize = 1 << 20;

/// JSON of a request; what is wrong with it is told as any other error is.
struct In<T>(T);

impl<T: DeserializeOwned> FromRequest<Room> for In<T> {
    type Rejection = RoomError;

    async fn from_request(request: Request, room: &Room) -> Result<Self> {
        let parsed = Json::from_request(request, room).await;
        parsed
            .map(|Json(value)| In(value))
            .map_err(|e: JsonRejection| match e.status() {
                StatusCode::PAYLOAD_TOO_LARGE => RoomError::TooLarge(e.body_text()),
                _ => RoomError::BadRequest(e.body_text()),
            })
    }
}

/// Parameters of a request.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Room> for Asked<T> {
    type Rejection = RoomError;

    async fn from_request_parts(parts: &mut Parts, room: &Room) -> Result<Self> {
        let parsed = Query::from_request_parts(parts, room).await;
        parsed
            .map(|Query(value)| Asked(value))
            .map_err(|e: QueryRejection| RoomError::BadRequest(e.body_text()))
    }
}

/// Parts of a path.
struct At<T>(T);

impl<T: DeserializeOwned + Send> FromRequestParts<Room> for At<T> {
    type Rejection = RoomError;

    async fn from_request_parts(parts: &mut Parts, room: &Room) -> Result<Self> {
        let parsed = Path::from_request_parts(parts, room).await;
        parsed
            .map(|Path(value)| At(value))
            .map_err(|_: PathRejection| RoomError::NotFound("such page"))
    }
}

/// All of the API, and its description.
pub(crate) fn api(room: &Room) -> (Router<Room>, OpenApi) {
    use Needs::{Nothing, Role as At};
    let list: Vec<(Needs, UtoipaMethodRouter<Room>)> = vec![
        (Nothing, routes!(get_session, log_in, log_out)),
        (Nothing, routes!(crate::provider::leave)),
        (Nothing, routes!(crate::provider::come_back)),
        (At(Role::Reader), routes!(worklist)),
        (At(Role::Reader), routes!(get_study)),
        (At(Role::Admin), routes!(delete_study)),
        (At(Role::Reader), routes!(pixels)),
        (At(Role::Reader), routes!(thumbnail)),
        (At(Role::Reader), routes!(overlay)),
        (At(Role::Reader), routes!(compare_studies)),
        (At(Role::Editor), routes!(add_edit)),
        (At(Role::Editor), routes!(sign_study)),
        (At(Role::Reader), routes!(export)),
        (At(Role::Editor), routes!(read_again)),
        (At(Role::Editor), unlimited(routes!(uploads))),
        (At(Role::Reader), routes!(events)),
        (At(Role::Reader), routes!(export_labels)),
        (At(Role::Reader), routes!(export_annotations)),
        (At(Role::Reader), routes!(methods)),
        (At(Role::Reader), routes!(models)),
        (At(Role::Reader), routes!(list_runs)),
        (At(Role::Admin), routes!(audit_log)),
    ];
    let mut info = Info::new("Hilum reading room", env!("CARGO_PKG_VERSION"));
    info.description = Some(hilum_reading::RESEARCH_NOTICE.to_owned());
    let base = OpenApiBuilder::new().info(info).build();
    let mut router = OpenApiRouter::with_openapi(base);
    for (what, (schemas, paths, methods)) in list {
        router = router.routes((schemas, paths, needs(room, what, methods)));
    }
    router.split_for_parts()
}

/// Uploads are measured while they come, file by file.
fn unlimited((schemas, paths, methods): UtoipaMethodRouter<Room>) -> UtoipaMethodRouter<Room> {
    (schemas, paths, methods.layer(DefaultBodyLimit::disable()))
}

/// Who is logged in.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct SessionAnswer {
    /// Null before logging in.
    user: Option<Account>,
    /// What requests that change something carry in the header `X-Hilum-Csrf`.
    csrf: String,
    /// No accounts: one user on this machine.
    local: bool,
    /// What the button says that logs in by a provider; null without one.
    provider: Option<String>,
    /// Shows samples.
    demo: bool,
    /// Version of the program.
    version: &'static str,
    /// Language of dates and numbers; that of the browser when null.
    locale: Option<String>,
    /// Said wherever a result is shown.
    notice: &'static str,
}

fn session_answer(room: &Room, user: Option<CurrentUser>) -> SessionAnswer {
    let csrf = match &user {
        Some(user) => user.csrf.clone(),
        None => room.sessions().csrf("nobody"),
    };
    SessionAnswer {
        user: user.map(|u| u.account),
        csrf,
        local: room.sessions().is_local(),
        provider: room.oidc().map(|o| o.name().to_owned()),
        demo: room.options().demo,
        version: env!("CARGO_PKG_VERSION"),
        locale: room.options().locale.clone(),
        notice: hilum_reading::RESEARCH_NOTICE,
    }
}

/// Who is logged in
#[utoipa::path(get, path = "/api/session", responses((status = 200, body = SessionAnswer)))]
async fn get_session(
    State(room): State<Room>,
    user: Option<Extension<CurrentUser>>,
) -> Json<SessionAnswer> {
    Json(session_answer(&room, user.map(|u| u.0)))
}

/// Name and password.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct LogIn {
    name: String,
    password: String,
}

/// Log in
#[utoipa::path(post, path = "/api/session", request_body = LogIn, responses(
    (status = 200, body = SessionAnswer),
    (status = 401, body = ErrorBody), (status = 429, body = ErrorBody)))]
async fn log_in(
    State(room): State<Room>,
    from: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    In(given): In<LogIn>,
) -> Result<Response> {
    if room.sessions().is_local() {
        return Err(RoomError::BadRequest(
            "there are no accounts here; everybody on this machine is let in".to_owned(),
        ));
    }
    let address = address(from);
    let keys = [format!("name:{}", given.name), format!("from:{address}")];
    room.attempts().begin(&keys)?;
    let account = match access::verify(room.db(), &given.name, &given.password).await {
        Ok(account) => account,
        Err(error) => {
            let name: String = given.name.chars().take(64).collect();
            room.log().note(&name, "login_failed", "", &address);
            return Err(error);
        }
    };
    room.attempts().succeeded(&keys);
    let (token, cookie) = opened(&room, &account, &address, &headers).await?;
    let csrf = room.sessions().csrf(&token);
    let user = CurrentUser { account, csrf };
    let mut response = Json(session_answer(&room, Some(user))).into_response();
    response.headers_mut().extend(cookie);
    Ok(response)
}

/// Where a request comes from, for the log.
pub(crate) fn address(from: Option<Extension<ConnectInfo<SocketAddr>>>) -> String {
    from.map_or("unknown".to_owned(), |c| c.0.0.ip().to_string())
}

/// A session for an account: its token, and the header that tells the browser.
pub(crate) async fn opened(
    room: &Room,
    account: &Account,
    address: &str,
    headers: &HeaderMap,
) -> Result<(String, Option<(HeaderName, HeaderValue)>)> {
    let token = room.sessions().open(account).await?;
    room.log().note(&account.name, "logged_in", "", address);
    let cookie = set_cookie(&token, is_secure(room, headers));
    Ok((token, cookie.map(|c| (header::SET_COOKIE, c))))
}

/// Whether the browser came over TLS, here or at a proxy.
pub(crate) fn is_secure(room: &Room, headers: &HeaderMap) -> bool {
    let proto = headers.get("x-forwarded-proto");
    room.config().http.tls.is_some() || proto.is_some_and(|p| p.as_bytes() == b"https")
}

/// Log out
#[utoipa::path(delete, path = "/api/session", responses((status = 204)))]
async fn log_out(
    State(room): State<Room>,
    user: Option<Extension<CurrentUser>>,
    headers: HeaderMap,
) -> Result<Response> {
    room.sessions().close(&headers).await?;
    if let Some(Extension(user)) = user {
        room.log().note(&user.account.name, "logged_out", "", "");
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::SET_COOKIE, unset_cookie());
    Ok(response)
}

/// Work list
#[utoipa::path(get, path = "/api/worklist", params(ListQuery), responses(
    (status = 200, body = Page), (status = 400, body = ErrorBody)))]
async fn worklist(State(room): State<Room>, Asked(query): Asked<ListQuery>) -> Result<Json<Page>> {
    Ok(Json(list::page(&room, &query).await?))
}

/// A study
#[utoipa::path(get, path = "/api/studies/{uid}", params(("uid" = String, Path,)), responses(
    (status = 200, body = Study), (status = 404, body = ErrorBody)))]
async fn get_study(
    State(room): State<Room>,
    Extension(user): Extension<CurrentUser>,
    At(uid): At<String>,
) -> Result<Json<Study>> {
    let uid = study::uid(&uid)?;
    let found = study::study(&room, uid.as_str()).await?;
    let name = &user.account.name;
    room.log().note(name, "viewed", uid.as_str(), "");
    Ok(Json(found))
}

/// Delete a study with all that was made of it
#[utoipa::path(delete, path = "/api/studies/{uid}", params(("uid" = String, Path,)), responses(
    (status = 204), (status = 404, body = ErrorBody)))]
async fn delete_study(
    State(room): State<Room>,
    Extension(user): Extension<CurrentUser>,
    At(uid): At<String>,
) -> Result<StatusCode> {
    let uid = study::uid(&uid)?;
    list::one(&room, uid.as_str()).await?;
    let images = study::images(&room, uid.as_str(), None).await?;
    let count = room.store().delete(&Target::Study(uid.clone())).await?;
    edits::delete(room.db(), uid.as_str()).await?;
    let detail = format!("{count} objects");
    let name = &user.account.name;
    room.log().note(name, "deleted", uid.as_str(), &detail);
    let folder = room.folder(uid.as_str());
    let thumbnails: Vec<_> = images
        .iter()
        .flatten()
        .flat_map(|f| SIZES.map(|s| study::thumbnail_file(&room, f, s)))
        .collect();
    blocking(move || {
        for file in thumbnails {
            // Made for few of them.
            let _ = std::fs::remove_file(file);
        }
        match std::fs::remove_dir_all(&folder) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(RoomError::io("reading")(e)),
            _ => Ok(()),
        }
    })
    .await?;
    list::refresh(&room, uid.as_str()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn not_modified(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get(header::IF_NONE_MATCH);
    known.is_some_and(|k| k.as_bytes() == tag.as_bytes())
}

/// An answer that may be kept: the address changes when the content does.
fn kept(kind: &'static str, tag: &str, body: impl Into<Body>, seconds: u32) -> Response {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let cache = match seconds {
        0 => "private, no-cache".to_owned(),
        s => format!("private, max-age={s}, immutable"),
    };
    for (name, value) in [(header::CACHE_CONTROL, cache.as_str()), (header::ETAG, tag)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    response
}

/// Seconds of a year.
const YEAR: u32 = 31_536_000;

/// At which size pixels are wanted.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct PixelsQuery {
    /// How often both sides are halved: 0 (default) to 6. A side is rounded up; each pixel is the mean of four.
    level: u32,
    /// Version of the content, as `pixels_url` has it.
    #[serde(rename = "v")]
    _version: Option<String>,
}

/// Pixels: little-endian unsigned 16-bit, row by row, larger is brighter
#[utoipa::path(get, path = "/api/studies/{uid}/images/{n}/pixels", params(("uid" = String, Path,), ("n" = usize, Path,), PixelsQuery),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
async fn pixels(
    State(room): State<Room>,
    At((uid, n)): At<(String, usize)>,
    Asked(query): Asked<PixelsQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    let uid = study::uid(&uid)?;
    let level = query.level;
    if level > MOST_HALVED {
        return Err(RoomError::BadRequest(format!(
            "level is from 0 to {MOST_HALVED}"
        )));
    }
    let found = study::image(&room, uid.as_str(), n).await?;
    let tag = format!("\"p1-{level}-{}\"", found.key());
    if not_modified(&headers, &tag) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    let bytes = study::pixels(&room, found, level).await?;
    Ok(kept("application/octet-stream", &tag, bytes, YEAR))
}

/// How often pixels are halved at most.
const MOST_HALVED: u32 = 6;

/// Sizes of small pictures that are made; others are rounded up.
const SIZES: [usize; 3] = [128, 256, 512];

/// Size of a small picture.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct ThumbnailQuery {
    /// Longer side: 128, 256 (default) or 512.
    size: Option<usize>,
    /// Version of the content, as `thumbnail_url` has it.
    #[serde(rename = "v")]
    _version: Option<String>,
}

/// Small picture
#[utoipa::path(get, path = "/api/studies/{uid}/images/{n}/thumbnail", params(("uid" = String, Path,), ("n" = usize, Path,), ThumbnailQuery),
    responses((status = 200, content_type = "image/png", body = Vec<u8>), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
async fn thumbnail(
    State(room): State<Room>,
    At((uid, n)): At<(String, usize)>,
    Asked(query): Asked<ThumbnailQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    let uid = study::uid(&uid)?;
    let found = study::image(&room, uid.as_str(), n).await?;
    let wanted = query.size.unwrap_or(256);
    let size = SIZES.into_iter().find(|s| *s >= wanted).unwrap_or(512);
    let tag = format!("\"t1-{size}-{}\"", found.key());
    if not_modified(&headers, &tag) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    let bytes = study::thumbnail(&room, found, size).await?;
    Ok(kept("image/png", &tag, bytes, YEAR))
}

/// Mask or map over an image
#[utoipa::path(get, path = "/api/studies/{uid}/images/{n}/overlays/{id}", params(("uid" = String, Path,), ("n" = usize, Path,), ("id" = String, Path,)),
    responses((status = 200, content_type = "image/png", body = Vec<u8>), (status = 404, body = ErrorBody)))]
async fn overlay(
    State(room): State<Room>,
    At((uid, n, id)): At<(String, usize, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    let uid = study::uid(&uid)?;
    let file = study::overlay(&room, uid.as_str(), n, &id).await?;
    let bytes = blocking(move || std::fs::read(file).map_err(RoomError::io("overlay"))).await?;
    // A new reading may bring another one under the same name.
    let tag = format!("\"{}\"", digest(&bytes));
    if not_modified(&headers, &tag) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    Ok(kept("image/png", &tag, bytes, 0))
}

fn digest(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    access::hex(&Sha256::digest(bytes)[..16])
}

/// With which study to compare.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct CompareQuery {
    /// Study Instance UID of the earlier study.
    prior: String,
}

/// A study beside an earlier one
#[utoipa::path(get, path = "/api/studies/{uid}/compare", params(("uid" = String, Path,), CompareQuery), responses(
    (status = 200, body = Comparison), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
async fn compare_studies(
    State(room): State<Room>,
    Extension(user): Extension<CurrentUser>,
    At(uid): At<String>,
    Asked(query): Asked<CompareQuery>,
) -> Result<Json<Comparison>> {
    let (uid, prior) = (study::uid(&uid)?, study::uid(&query.prior)?);
    let found = compare::compare(&room, uid.as_str(), prior.as_str()).await?;
    let name = &user.account.name;
    room.log()
        .note(name, "compared", uid.as_str(), prior.as_str());
    Ok(Json(found))
}

/// An edit that is to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct EditRequest {
    /// Revision of the study that the page shows.
    base_revision: i64,
    /// `reading_hash` of the study that the page shows.
    reading_hash: Option<String>,
    /// The edit.
    op: Op,
}

/// Edit a reading
#[utoipa::path(post, path = "/api/studies/{uid}/edits", params(("uid" = String, Path,)), request_body = EditRequest, responses(
    (status = 201, body = Edit), (status = 400, body = ErrorBody), (status = 409, body = ErrorBody)))]
async fn add_edit(
    State(room): State<Room>,
    Extension(user): Extension<CurrentUser>,
    At(uid): At<String>,
    In(request): In<EditRequest>,
) -> Result<Response> {
    let uid = study::uid(&uid)?;
    let study = uid.as_str();
    list::one(&room, study).await?;
    let reading = room.reading(study).await?.ok_or(RoomError::NotRead)?;
    study::same_reading(&reading, request.reading_hash.as_deref())?;
    let before = edits::list(room.db(), study).await?;
    let context = Edited::of(&reading, &before).context(&request.op, &reading);
    let new = NewEdit {
        study,
        base: request.base_revision,
        op: &request.op,
        context: &context,
        by: &user.account.name,
    };
    let check = |edits: &[Edit]| edits::check(&request.op, &reading, edits);
    let edit = edits::add(room.db(), &new, check).await?;
    room.log()
        .dicom(&edit.by, "edited", study, request.op.name());
    room.events().edit(study, &edit);
    list::refresh(&room, study).await?;
    Ok((StatusCode::CREATED, Json(edit)).into_response())
}

/// What is signed.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct SignRequest {
    /// Revision of the study that the page shows.
    base_revision: i64,
    /// `reading_hash` of the study that the page shows.
    reading_hash: Option<String>,
}

/// Sign a study
#[utoipa::path(post, path = "/api/studies/{uid}/sign", params(("uid" = String, Path,)), request_body = SignRequest, responses(
    (status = 200, body = Signed), (status = 409, body = ErrorBody)))]
async fn sign_study(
    State(room): State<Room>,
    Extension(user): Extension<CurrentUser>,
    At(uid): At<String>,
    In(request): In<SignRequest>,
) -> Result<Json<Signed>> {
    let uid = study::uid(&uid)?;
    let name = &user.account.name;
    let shown = Shown {
        revision: request.base_revision,
        reading: request.reading_hash,
    };
    let signed = sign::sign(&room, uid.as_str(), &shown, name).await?;
    let told = serde_json::to_value(&signed).map_err(|e| RoomError::Internal(e.to_string()))?;
    room.events().signed(uid.as_str(), &told);
    list::refresh(&room, uid.as_str()).await?;
    Ok(Json(signed))
}

/// A study as a file: `sr`, `pdf`, `fhir` or `json`; preliminary unless signed
#[utoipa::path(get, path = "/api/studies/{uid}/export/{format}", params(("uid" = String, Path,), ("format" = String, Path,)), responses(
    (status = 200, content_type = "application/octet-stream", body = Vec<u8>), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
async fn export(
    State(room): State<Room>,
    Extension(user): Extension<CurrentUser>,
    At((uid, format)): At<(String, String)>,
) -> Result<Response> {
    let uid = study::uid(&uid)?;
    let format: Format = format.parse()?;
    let (bytes, signed) = sign::export(&room, uid.as_str(), format).await?;
    let (file, kind) = format.names();
    let state = if signed { "signed" } else { "preliminary" };
    let detail = format!("{file} {state}");
    let name = &user.account.name;
    room.log().note(name, "exported", uid.as_str(), &detail);
    let attachment = format!("attachment; filename=\"{uid}-{state}-{file}\"");
    let mut response = ([(header::CONTENT_TYPE, kind)], bytes).into_response();
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&attachment) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    headers.insert("x-hilum-status", HeaderValue::from_static(state));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Read a study again
#[utoipa::path(post, path = "/api/studies/{uid}/read", params(("uid" = String, Path,)), responses(
    (status = 202), (status = 404, body = ErrorBody)))]
async fn read_again(
    State(room): State<Room>,
    Extension(user): Extension<CurrentUser>,
    At(uid): At<String>,
) -> Result<StatusCode> {
    let uid = study::uid(&uid)?;
    list::one(&room, uid.as_str()).await?;
    let job = NewJob {
        kind: READ.to_owned(),
        subject: uid.to_string(),
        wait_ms: 0,
    };
    room.store().request(&job).await?;
    let name = &user.account.name;
    room.log().note(name, "read_again", uid.as_str(), "");
    Ok(StatusCode::ACCEPTED)
}

/// Upload images
#[utoipa::path(post, path = "/api/uploads", request_body(content = UploadForm, content_type = "multipart/form-data"), responses(
    (status = 200, body = UploadAnswer), (status = 400, body = ErrorBody), (status = 507, body = ErrorBody)))]
async fn uploads(
    State(room): State<Room>,
    Extension(user): Extension<CurrentUser>,
    form: Multipart,
) -> Result<Response> {
    let answer = upload::receive(&room, form, &user.account.name).await?;
    if !upload::disk_full(&answer) {
        return Ok(Json(answer).into_response());
    }
    let error = RoomError::DiskFull;
    let body = json!({
        "error": { "kind": error.kind(), "message": error.message() },
        "files": answer.files,
    });
    Ok((error.status(), Json(body)).into_response())
}

/// Server-sent events: `worklist`, `edit`, `signed`, `reload`
#[utoipa::path(get, path = "/api/events", responses((status = 200, content_type = "text/event-stream", body = String)))]
async fn events(State(room): State<Room>, headers: HeaderMap) -> Response {
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok());
    room.events().listen(last).into_response()
}

/// Readers' decisions as labels
#[utoipa::path(get, path = "/api/labels", params(LabelQuery), responses(
    (status = 200, content_type = "text/csv", body = String), (status = 400, body = ErrorBody)))]
async fn export_labels(
    State(room): State<Room>,
    Extension(user): Extension<CurrentUser>,
    Asked(query): Asked<LabelQuery>,
) -> Result<Response> {
    let rows = labels::all(&room).await?;
    let (text, kind, left_out) = labels::text(rows, &query)?;
    room.log()
        .note(&user.account.name, "labels_exported", "", "");
    let ending = if kind.starts_with("text/csv") {
        "csv"
    } else {
        "jsonl"
    };
    let attachment = format!("attachment; filename=\"labels.{ending}\"");
    let mut response = ([(header::CONTENT_TYPE, kind)], text).into_response();
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&attachment) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    headers.insert("x-hilum-left-out", HeaderValue::from(left_out));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// All that readers said, drew, measured and wrote, one JSON object a line
#[utoipa::path(get, path = "/api/labels.jsonl", responses(
    (status = 200, content_type = "application/x-ndjson", body = Annotation)))]
async fn export_annotations(
    State(room): State<Room>,
    Extension(user): Extension<CurrentUser>,
) -> Result<Response> {
    let text = annotations::text(&annotations::all(&room).await?)?;
    room.log()
        .note(&user.account.name, "labels_exported", "", "all kinds");
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"labels.jsonl\"",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, text).into_response())
}

/// Methods with their claims and results
#[utoipa::path(get, path = "/api/methods", responses((status = 200, body = Vec<Object>)))]
async fn methods(State(room): State<Room>) -> Json<Value> {
    Json(room.options().methods.clone())
}

/// Models with their cards
#[utoipa::path(get, path = "/api/models", responses((status = 200, body = Vec<Object>)))]
async fn models(State(room): State<Room>) -> Json<Value> {
    Json(room.options().models.clone())
}

/// Trainings below the folder of runs
#[utoipa::path(get, path = "/api/runs", responses((status = 200, body = Vec<Run>)))]
async fn list_runs(State(room): State<Room>) -> Result<Json<Vec<Run>>> {
    let Some(folder) = room.options().runs.clone() else {
        return Ok(Json(Vec::new()));
    };
    Ok(Json(blocking(move || runs::list(&folder)).await?))
}

/// Which part of the audit log.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// Study Instance UID; all studies without one.
    study: Option<String>,
    /// Rows at most, up to 5000; 500 by default.
    limit: Option<i64>,
}

/// Who saw, changed, signed and exported what
#[utoipa::path(get, path = "/api/audit", params(AuditQuery), responses(
    (status = 200, body = Vec<SeenRow>), (status = 403, body = ErrorBody)))]
async fn audit_log(
    State(room): State<Room>,
    Extension(user): Extension<CurrentUser>,
    Asked(query): Asked<AuditQuery>,
) -> Result<Json<Vec<SeenRow>>> {
    let limit = query.limit.unwrap_or(500).clamp(1, 5000);
    let rows = audit::list(room.db(), query.study.as_deref(), limit).await?;
    room.log().note(&user.account.name, "audit_viewed", "", "");
    Ok(Json(rows))
}

/// The API with its limits, and its description under `/api/openapi.json`.
pub(crate) fn router(room: &Room) -> Router<Room> {
    let (api, description) = api(room);
    let openapi = axum::routing::get(move || {
        let description = description.clone();
        async move { Json(description) }
    });
    api.layer(DefaultBodyLimit::max(MAX_JSON))
        .route("/api/openapi.json", openapi)
        .route("/healthz", axum::routing::get(|| async { "ok" }))
}
