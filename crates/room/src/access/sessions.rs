//! Sessions: a random token in a cookie, of which the database keeps the hash.

use super::users::{Account, Role};
use crate::error::Result;
use axum::http::{HeaderMap, HeaderValue, header};
use hilum_store::Db;
use sqlx::Row;

/// Name of the cookie.
pub(crate) const COOKIE: &str = "hilum_session";
/// Name of the cookie of an attempt to log in by a provider.
const ATTEMPT: &str = "hilum_oidc";

/// How long a session lasts without a request.
const LASTS_MS: i64 = 12 * 3600 * 1000;
/// How often the end of a session is moved.
const MOVE_MS: i64 = 10 * 60 * 1000;

/// Whose request it is. In local mode there are no accounts and everybody on this machine is `local`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CurrentUser {
    pub(crate) account: Account,
    /// Token that requests which change something must repeat.
    pub(crate) csrf: String,
}

/// The sessions of a room.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    db: Db,
    secret: String,
    local: bool,
}

impl Sessions {
    pub(crate) fn new(db: Db, secret: String, local: bool) -> Self {
        Sessions { db, secret, local }
    }

    /// No accounts: one user on this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.local
    }

    /// The CSRF token that goes with a session's token.
    pub(crate) fn csrf(&self, token: &str) -> String {
        super::digest(&["csrf", &self.secret, token])
    }

    /// The user of a request, if there is one.
    pub(crate) async fn user(&self, headers: &HeaderMap) -> Result<Option<CurrentUser>> {
        if self.local {
            return Ok(Some(CurrentUser {
                account: Account {
                    name: "local".to_owned(),
                    role: Role::Admin,
                },
                csrf: self.csrf("local"),
            }));
        }
        let Some(token) = cookie_of(headers) else {
            return Ok(None);
        };
        let hash = self.hash(&token);
        let row = sqlx::query(
            "SELECT u.name, u.role, s.expires FROM room_sessions s JOIN room_users u ON u.name = s.name WHERE s.token = $1",
        )
        .bind(hash.as_str())
        .fetch_optional(self.db.read())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let (now, expires) = (hilum_store::now(), row.try_get::<i64, _>(2)?);
        if expires <= now {
            return Ok(None);
        }
        if expires < now + LASTS_MS - MOVE_MS {
            sqlx::query("UPDATE room_sessions SET expires = $1 WHERE token = $2")
                .bind(now + LASTS_MS)
                .bind(hash.as_str())
                .execute(self.db.write())
                .await?;
        }
        let role: String = row.try_get(1)?;
        let role = role.parse().map_err(crate::RoomError::Internal)?;
        Ok(Some(CurrentUser {
            account: Account {
                name: row.try_get(0)?,
                role,
            },
            csrf: self.csrf(&token),
        }))
    }

    /// A new session; its token.
    pub(crate) async fn open(&self, account: &Account) -> Result<String> {
        let token = super::token()?;
        let now = hilum_store::now();
        sqlx::query("DELETE FROM room_sessions WHERE expires <= $1")
            .bind(now)
            .execute(self.db.keep())
            .await?;
        sqlx::query(
            "INSERT INTO room_sessions (token, name, created, expires) VALUES ($1, $2, $3, $4)",
        )
        .bind(self.hash(&token))
        .bind(account.name.as_str())
        .bind(now)
        .bind(now + LASTS_MS)
        .execute(self.db.keep())
        .await?;
        Ok(token)
    }

    /// Ends the session of a request.
    pub(crate) async fn close(&self, headers: &HeaderMap) -> Result<()> {
        if let Some(token) = cookie_of(headers) {
            sqlx::query("DELETE FROM room_sessions WHERE token = $1")
                .bind(self.hash(&token))
                .execute(self.db.keep())
                .await?;
        }
        Ok(())
    }

    fn hash(&self, token: &str) -> String {
        super::digest(&["session", token])
    }
}

/// The session's token in a request.
pub(crate) fn cookie_of(headers: &HeaderMap) -> Option<String> {
    named(headers, COOKIE)
}

/// What a browser is known by between leaving for a provider and coming back.
pub(crate) fn attempt_of(headers: &HeaderMap) -> Option<String> {
    let good = |v: &String| v.len() == 64 && v.bytes().all(|b| b.is_ascii_hexdigit());
    named(headers, ATTEMPT).filter(good)
}

fn named(headers: &HeaderMap, wanted: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter();
    let texts = all.filter_map(|v| v.to_str().ok());
    texts
        .flat_map(|t| t.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == wanted && !value.is_empty())
        .map(|(_, value)| value.to_owned())
}

/// The header that sets the cookie of an attempt. `Lax`: it comes back from another site.
pub(crate) fn attempt_cookie(browser: &str, secure: bool) -> Option<HeaderValue> {
    let end = if secure { "; Secure" } else { "" };
    let text =
        format!("{ATTEMPT}={browser}; Path=/api/oidc; HttpOnly; SameSite=Lax; Max-Age=600{end}");
    HeaderValue::from_str(&text).ok()
}

/// The header that sets the cookie. `secure` when the browser came over TLS.
pub(crate) fn set_cookie(token: &str, secure: bool) -> Option<HeaderValue> {
    let end = if secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=86400{end}");
    HeaderValue::from_str(&text).ok()
}

/// The header that takes the cookie away.
pub(crate) fn unset_cookie() -> HeaderValue {
    HeaderValue::from_static("hilum_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.insert("cookie", "a=b; hilum_session=abc; c".parse().unwrap());
        assert_eq!(cookie_of(&headers).as_deref(), Some("abc"));
        let browser = "0a".repeat(32);
        for (cookie, expected) in [
            (
                format!("hilum_session=abc; hilum_oidc={browser}"),
                Some(browser.as_str()),
            ),
            ("hilum_oidc=short".to_owned(), None),
        ] {
            headers.insert("cookie", cookie.parse().unwrap());
            assert_eq!(attempt_of(&headers).as_deref(), expected);
        }
        headers.insert("cookie", "xhilum_session=abc".parse().unwrap());
        assert_eq!(cookie_of(&headers), None);
    }
}
