//! An ID token: who signed it, for whom, and whether it answers this attempt (OpenID Connect Core 1.0, section 3.1.3.7).

use super::signature;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

/// Why a token is not believed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// It names a key that is not among the provider's.
    #[error("signed by a key that the provider does not list")]
    NoKey,
    /// Its form, signature, issuer, audience or time.
    #[error(transparent)]
    Token(#[from] jsonwebtoken::errors::Error),
    /// It answers another attempt.
    #[error("made for another attempt")]
    Nonce,
    /// It was made for somebody else.
    #[error("made for another client")]
    Party,
}

/// What a token must say.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
}

/// The claims of a token that is believed.
pub(super) fn check(token: &str, keys: &[Jwk], expected: &Expected<'_>) -> Result<Value, Refused> {
    signature::install();
    let header = decode_header(token)?;
    let key = find(keys, header.kid.as_deref()).ok_or(Refused::NoKey)?;
    let key = DecodingKey::from_jwk(key)?;
    let mut validation = Validation::new(header.alg);
    // Those of the key's own kind: the token says by which of them it was signed, never by which kind of key.
    let own = signature::ACCEPTED.into_iter();
    validation.algorithms = own.filter(|a| a.family() == key.family()).collect();
    validation.validate_nbf = true;
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims: Value = decode(token, &key, &validation)?.claims;
    if claims.get("nonce").and_then(Value::as_str) != Some(expected.nonce) {
        return Err(Refused::Nonce);
    }
    let several = claims["aud"].as_array().is_some_and(|a| a.len() > 1);
    match claims.get("azp") {
        None if several => Err(Refused::Party),
        Some(party) if party.as_str() != Some(expected.client_id) => Err(Refused::Party),
        _ => Ok(claims),
    }
}

/// The key that the token names; without a name, the only one that there is.
fn find<'a>(keys: &'a [Jwk], id: Option<&str>) -> Option<&'a Jwk> {
    let public = |k: &&Jwk| !matches!(k.algorithm, AlgorithmParameters::OctetKey(_));
    let mut usable = keys.iter().filter(public);
    match id {
        Some(id) => usable.find(|k| k.common.key_id.as_deref() == Some(id)),
        None => {
            let first = usable.next();
            first.filter(|_| usable.next().is_none())
        }
    }
}
