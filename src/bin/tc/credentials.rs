//! What a machine has of credentials: variables of the environment, and the files that they and custom name.

use std::path::{Path, PathBuf};

use anyhow::Result;
use base64::Engine as _;

use crate::error::{DENIED, Failure};
use temporal_code::stores::{Address, Settings};
use temporal_code::text;

/// Largest file of settings that is read, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// What is needed to get to an address, of what this machine has.
pub(crate) fn settings(address: &Address) -> Result<Settings> {
    let pair = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let mut settings = Settings::from_environment(std::env::vars_os().filter_map(pair));
    match address {
        Address::Redis(redis) if redis.to_string().starts_with("rediss://") => certificates(&mut settings)?,
        Address::Bucket(bucket) if bucket.to_string().starts_with("s3://") => profile(&mut settings.environment)?,
        _ => {}
    }
    Ok(settings)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn refused(message: String, hint: String) -> anyhow::Error {
    Failure { exit: DENIED, ..Failure::new("credentials", message) }.hint(hint).into()
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut std::io::Read::take(std::fs::File::open(path)?, FILE_BYTES_MAX), &mut text)?;
    Ok(text)
}

/// Whom to trust and what to show, for a Redis with TLS.
fn certificates(settings: &mut Settings) -> Result<()> {
    let file = |name: &str| -> Result<Option<Vec<u8>>> {
        let Some(path) = variable(name) else { return Ok(None) };
        match read(Path::new(&path)) {
            Ok(text) => Ok(Some(text.into_bytes())),
            // A value that is no path may be a key: it is not repeated.
            Err(cause) => Err(Failure::unreadable(format!("the file that {name} names"), cause).into()),
        }
    };
    settings.redis.client_certificate = file("REDIS_CLIENT_CERT")?;
    settings.redis.client_key = file("REDIS_CLIENT_KEY")?;
    settings.redis.ca_certificates = file("REDIS_CA_CERT")?.or_else(system_certificates);
    Ok(())
}

/// Those that this machine trusts, or that SSL_CERT_FILE and SSL_CERT_DIR name, in PEM; none if there are none.
fn system_certificates() -> Option<Vec<u8>> {
    let found = rustls_native_certs::load_native_certs().certs;
    let pem = |der: &[u8]| {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    };
    (!found.is_empty()).then(|| found.iter().map(|der| pem(der)).collect::<String>().into_bytes())
}

/// The settings of AWS's profiles that stand for variables.
const PROFILE: [(&str, &str); 8] = [
    ("aws_access_key_id", "AWS_ACCESS_KEY_ID"),
    ("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY"),
    ("aws_session_token", "AWS_SESSION_TOKEN"),
    ("role_arn", "AWS_ROLE_ARN"),
    ("web_identity_token_file", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    ("role_session_name", "AWS_ROLE_SESSION_NAME"),
    ("region", "AWS_REGION"),
    ("endpoint_url", "AWS_ENDPOINT_URL"),
];

/// Variables by which credentials come without a profile.
const CREDENTIALS: [&str; 4] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/// Settings by which a profile leads to credentials in ways that are not known here, and what these are.
const UNKNOWN: [(&str, &str); 5] = [
    ("sso_session", "SSO"),
    ("sso_start_url", "SSO"),
    ("credential_process", "credential_process"),
    ("source_profile", "a role of another profile"),
    ("credential_source", "a role by credential_source"),
];

/// Adds what the profile of AWS says. What the environment says goes before it.
fn profile(environment: &mut Vec<(String, String)>) -> Result<()> {
    let named = variable("AWS_PROFILE").or_else(|| variable("AWS_DEFAULT_PROFILE"));
    let name = named.as_deref().unwrap_or("default");
    let folder = variable("HOME").map(|home| PathBuf::from(home).join(".aws"));
    let mut values = Vec::new();
    let mut is_there = false;
    for (variable_name, file, section) in [
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials", name.to_owned()),
        ("AWS_CONFIG_FILE", "config", if name == "default" { name.to_owned() } else { format!("profile {name}") }),
    ] {
        let asked = variable(variable_name).map(PathBuf::from);
        let Some(path) = asked.clone().or_else(|| Some(folder.as_ref()?.join(file))) else { continue };
        match read(&path) {
            Ok(text) => is_there |= section_of(&text, &section, &mut values),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(cause) => return Err(Failure::unreadable(path.display(), cause).into()),
        }
    }
    if let Some(named) = named.as_ref().filter(|_| !is_there) {
        let message = format!("there is no profile `{}` of AWS", text::shorten(named, 100));
        return Err(refused(
            message,
            "AWS_PROFILE names it; profiles are in ~/.aws/config and ~/.aws/credentials".into(),
        ));
    }
    let get = |wanted: &str| values.iter().find(|(key, _)| key == wanted).map(|(_, value): &(String, String)| value);
    let is_set = |wanted: &str| variable(wanted).is_some();
    let has_own = CREDENTIALS.iter().any(|name| is_set(name));
    let by_profile = get("aws_access_key_id").is_some() || get("web_identity_token_file").is_some();
    if !has_own
        && !by_profile
        && let Some((_, way)) = UNKNOWN.iter().find(|(key, _)| get(key).is_some())
    {
        let message = format!(
            "the profile `{}` of AWS gets its credentials by {way}, which is not supported",
            text::shorten(name, 100)
        );
        let hint = "run this first: eval \"$(aws configure export-credentials --format env)\"";
        return Err(refused(message, hint.into()));
    }
    for (key, variable_name) in PROFILE {
        let is_credential = !matches!(key, "region" | "endpoint_url");
        // A region may be set by two names; keys and tokens belong together.
        let is_said = is_set(variable_name)
            || key == "region" && is_set("AWS_DEFAULT_REGION")
            || key == "endpoint_url" && ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"].into_iter().any(is_set)
            || is_credential && has_own
            || key.starts_with("role_") && get("web_identity_token_file").is_none();
        if let Some(value) = get(key).filter(|_| !is_said) {
            environment.push((variable_name.to_owned(), value.clone()));
        }
    }
    Ok(())
}

/// Adds the settings of a section, where they were not said before; false if there is no such section.
fn section_of(text: &str, wanted: &str, values: &mut Vec<(String, String)>) -> bool {
    let (mut inside, mut found) = (false, false);
    for line in text.trim_start_matches('\u{feff}').lines() {
        let is_nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            inside = name.split_whitespace().eq(wanted.split_whitespace());
            found |= inside;
        } else if let Some((key, value)) =
            line.split_once('=').filter(|_| inside && !is_nested && !line.starts_with('#'))
        {
            let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
            if !value.is_empty() && !values.iter().any(|(known, _)| *known == key) {
                values.push((key, value.to_owned()));
            }
        }
    }
    found
}
