//! What this machine has of the way to a store: variables, and the files that they name.

use std::ffi::OsString;

use anyhow::Result;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use rustls::RootCertStore;

use crate::error::Failure;
use crate::profile;
use temporal_code::stores::{Address, RedisOptions, Settings};

/// What there is of the way to `address`.
///
/// # Errors
/// A file that a variable names cannot be used.
pub(crate) fn of(address: &Address) -> Result<Settings> {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let mut settings = Settings::from_environment(std::env::vars_os().filter_map(text));
    match address {
        Address::Redis(redis) if redis.to_string().starts_with("rediss:") => trust(&mut settings.redis)?,
        Address::Bucket(bucket) if bucket.to_string().starts_with("s3:") => profile::add_to(&mut settings.environment)?,
        _ => {}
    }
    Ok(settings)
}

/// Whom to trust, and what to show to who asks.
fn trust(redis: &mut RedisOptions) -> Result<()> {
    redis.ca_certificates = pem("REDIS_CA_CERT")?.map_or_else(of_machine, |given| Ok(Some(given)))?;
    redis.client_certificate = pem("REDIS_CLIENT_CERT")?;
    redis.client_key = pem("REDIS_CLIENT_KEY")?;
    Ok(())
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// The PEM that a variable has, or that is in the file that it names.
fn pem(name: &str) -> Result<Option<Vec<u8>>> {
    let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    if value.to_string_lossy().trim_start().starts_with("-----BEGIN ") {
        return Ok(Some(value.into_encoded_bytes()));
    }
    // What was to be PEM may be a secret, and is not repeated.
    let read = std::fs::read(value).map_err(|cause| Failure::unreadable(format!("the file that {name} names"), cause));
    Ok(Some(read?))
}

/// Whom this machine trusts: those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name, else those in the system's store. None if it
/// has no store.
fn of_machine() -> Result<Option<Vec<u8>>> {
    let found = rustls_native_certs::load_native_certs();
    // A store of a machine may have some that are good for nothing.
    let is_usable = |der: &[u8]| RootCertStore::empty().add(der.to_vec().into()).is_ok();
    let usable = found.certs.iter().filter(|certificate| is_usable(certificate));
    let pem = usable.fold(String::new(), |pem, certificate| {
        let lines = BASE64_STANDARD.encode(certificate).into_bytes();
        let lines = lines.chunks(64).map(|line| String::from_utf8_lossy(line) + "\n").collect::<String>();
        pem + "-----BEGIN CERTIFICATE-----\n" + &lines + "-----END CERTIFICATE-----\n"
    });
    if pem.is_empty() && (is_set("SSL_CERT_FILE") || is_set("SSL_CERT_DIR")) {
        let failure = Failure::new("unreadable", "SSL_CERT_FILE and SSL_CERT_DIR name no certificate that can be read");
        return Err(found.errors.into_iter().fold(failure, Failure::cause).into());
    }
    Ok((!pem.is_empty()).then(|| pem.into_bytes()))
}
