//! Accounts: name, role, and an argon2id hash of the password.

use crate::error::{Result, RoomError};
use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use hilum_store::Db;
use serde::{Deserialize, Serialize};
use sqlx::Row;

/// What a person may do; each role may do what those before it may.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look.
    Reader,
    /// Upload, edit, sign.
    Editor,
    /// Delete, and see who saw what.
    Admin,
}

impl Role {
    /// Name on the command line and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Role::Reader => "reader",
            Role::Editor => "editor",
            Role::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let all = [Role::Reader, Role::Editor, Role::Admin];
        let found = all.into_iter().find(|r| r.name() == text);
        found.ok_or_else(|| format!("{text:?} is none of reader, editor, admin"))
    }
}

/// A person with an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Account {
    /// Name.
    pub name: String,
    /// Role.
    pub role: Role,
}

/// Fewest characters of a password.
const PASSWORD: usize = 8;
/// Most bytes of a name or password that are looked at.
const LONGEST: usize = 256;

/// Adds an account, or gives an account another role and password; its sessions end.
///
/// # Errors
/// [`RoomError::BadRequest`] for a name or password that will not do, [`RoomError::Database`].
pub async fn add(db: &Db, name: &str, role: Role, password: &str) -> Result<()> {
    crate::db::migrate(db).await?;
    if !is_name(name) {
        return Err(RoomError::BadRequest(
            "a name has 1 to 64 characters, none of them a control character".to_owned(),
        ));
    }
    if password.chars().count() < PASSWORD || password.len() > LONGEST {
        return Err(RoomError::BadRequest(format!(
            "a password has at least {PASSWORD} characters"
        )));
    }
    let hash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|e| RoomError::Internal(e.to_string()))?
        .to_string();
    let mut tx = db.keep().begin_with(db.begin()).await?;
    sqlx::query(
        "INSERT INTO room_users (name, role, password, created) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (name) DO UPDATE SET role = excluded.role, password = excluded.password",
    )
    .bind(name)
    .bind(role.name())
    .bind(hash)
    .bind(hilum_store::now())
    .execute(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM room_sessions WHERE name = $1")
        .bind(name)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Whether an account may have this name.
pub(crate) fn is_name(name: &str) -> bool {
    name.trim() == name
        && (1..=64).contains(&name.chars().count())
        && !name.chars().any(char::is_control)
}

const VOUCHED: &str = "oidc:";

/// What stands in place of a password's hash where a provider vouches for the account.
fn vouched_by(subject: &str) -> String {
    format!("{VOUCHED}{subject}")
}

/// The account of a person whom a provider vouches for, made when it is not there yet. Its role is what the provider said last.
///
/// # Errors
/// [`RoomError::LogIn`] when the name belongs to somebody else: a provider must not take over an account that has a password, nor one
/// person that of another who has the same name. [`RoomError::Database`].
pub(crate) async fn vouched(db: &Db, name: &str, role: Role, subject: &str) -> Result<Account> {
    let by = vouched_by(subject);
    let mut tx = db.keep().begin_with(db.begin()).await?;
    sqlx::query(
        "INSERT INTO room_users (name, role, password, created) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (name) DO UPDATE SET role = excluded.role WHERE room_users.password = excluded.password",
    )
    .bind(name)
    .bind(role.name())
    .bind(by.as_str())
    .bind(hilum_store::now())
    .execute(&mut *tx)
    .await?;
    let owner: String = sqlx::query_scalar("SELECT password FROM room_users WHERE name = $1")
        .bind(name)
        .fetch_one(&mut *tx)
        .await?;
    tx.commit().await?;
    if owner != by {
        return Err(RoomError::log_in(
            "name_taken",
            "the name belongs to an account with a password, or to another person",
        ));
    }
    Ok(Account {
        name: name.to_owned(),
        role,
    })
}

/// Removes an account and its sessions; false when there is none.
///
/// # Errors
/// [`RoomError::Database`].
pub async fn remove(db: &Db, name: &str) -> Result<bool> {
    crate::db::migrate(db).await?;
    let mut tx = db.keep().begin_with(db.begin()).await?;
    sqlx::query("DELETE FROM room_sessions WHERE name = $1")
        .bind(name)
        .execute(&mut *tx)
        .await?;
    let gone = sqlx::query("DELETE FROM room_users WHERE name = $1")
        .bind(name)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(gone.rows_affected() == 1)
}

/// All accounts, by name.
///
/// # Errors
/// [`RoomError::Database`].
pub async fn list(db: &Db) -> Result<Vec<Account>> {
    crate::db::migrate(db).await?;
    let rows = sqlx::query("SELECT name, role FROM room_users ORDER BY name")
        .fetch_all(db.read())
        .await?;
    rows.iter()
        .map(|row| {
            let role: String = row.try_get(1)?;
            Ok(Account {
                name: row.try_get(0)?,
                role: role.parse().map_err(RoomError::Internal)?,
            })
        })
        .collect()
}

/// How many accounts there are.
pub(crate) async fn count(db: &Db) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT COUNT(*) FROM room_users")
        .fetch_one(db.read())
        .await?)
}

/// A hash that no password has: an unknown name takes as long as a wrong password.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Passwords that are tried at a time: each takes 19 MiB and a core.
static TRIES: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(2);

/// The account with this name and password.
///
/// # Errors
/// [`RoomError::WrongPassword`], [`RoomError::Database`].
pub(crate) async fn verify(db: &Db, name: &str, password: &str) -> Result<Account> {
    let row = sqlx::query("SELECT role, password FROM room_users WHERE name = $1")
        .bind(name)
        .fetch_optional(db.read())
        .await?;
    let (role, hash) = match &row {
        // Where a provider vouches there is no password; it takes as long to find out as a wrong one.
        Some(row) if row.try_get::<&str, _>(1)?.starts_with(VOUCHED) => (None, NOBODY.to_owned()),
        Some(row) => (Some(row.try_get::<String, _>(0)?), row.try_get(1)?),
        None => (None, NOBODY.to_owned()),
    };
    let password: String = password.to_owned();
    // An error would mean that it was closed, which it never is.
    let _turn = TRIES.acquire().await.ok();
    let right = tokio::task::spawn_blocking(move || {
        password.len() <= LONGEST
            && PasswordHash::new(&hash).is_ok_and(|hash| {
                Argon2::default()
                    .verify_password(password.as_bytes(), &hash)
                    .is_ok()
            })
    })
    .await
    .map_err(|e| RoomError::Internal(e.to_string()))?;
    match role {
        Some(role) if right => Ok(Account {
            name: name.to_owned(),
            role: role.parse().map_err(RoomError::Internal)?,
        }),
        _ => Err(RoomError::WrongPassword),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_a_hash_that_takes_its_time_and_no_password() {
        let hash = PasswordHash::new(NOBODY).unwrap();
        for password in ["", "a", "a long password"] {
            let verified = Argon2::default().verify_password(password.as_bytes(), &hash);
            assert!(verified.is_err());
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn accounts_are_added_changed_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::of_store(dir.path(), None).await.unwrap();
        add(&db, "ada", Role::Reader, "correct horse")
            .await
            .unwrap();
        assert!(add(&db, "ada", Role::Reader, "short").await.is_err());
        assert!(
            add(&db, " ada", Role::Reader, "correct horse")
                .await
                .is_err()
        );
        let account = verify(&db, "ada", "correct horse").await.unwrap();
        assert_eq!(account.role, Role::Reader);
        for (name, password) in [("ada", "wrong"), ("bob", "correct horse"), ("ada", "")] {
            let refused = verify(&db, name, password).await;
            assert!(matches!(refused, Err(RoomError::WrongPassword)));
        }
        add(&db, "ada", Role::Admin, "battery staple")
            .await
            .unwrap();
        assert_eq!(list(&db).await.unwrap()[0].role, Role::Admin);
        assert!(verify(&db, "ada", "correct horse").await.is_err());
        assert!(remove(&db, "ada").await.unwrap());
        assert!(!remove(&db, "ada").await.unwrap());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_provider_takes_over_nobodys_account() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::of_store(dir.path(), None).await.unwrap();
        add(&db, "ada", Role::Admin, "correct horse").await.unwrap();
        let subject = "https://id|1";
        let taken = vouched(&db, "ada", Role::Reader, subject).await;
        assert!(matches!(
            taken,
            Err(RoomError::LogIn {
                kind: "name_taken",
                ..
            })
        ));
        assert_eq!(
            verify(&db, "ada", "correct horse").await.unwrap().role,
            Role::Admin
        );
        vouched(&db, "bob", Role::Reader, subject).await.unwrap();
        vouched(&db, "bob", Role::Editor, subject).await.unwrap();
        let other = vouched(&db, "bob", Role::Admin, "https://id|2").await;
        assert!(matches!(other, Err(RoomError::LogIn { .. })));
        let bob = list(&db).await.unwrap().pop().unwrap();
        assert_eq!((&*bob.name, bob.role), ("bob", Role::Editor));
        // It has no password, not even the text that stands in its place.
        for password in ["", "oidc:https://id|1"] {
            let refused = verify(&db, "bob", password).await;
            assert!(matches!(refused, Err(RoomError::WrongPassword)));
        }
    }
}
