//! Credentials, regions and endpoints as AWS's own tools have them: profiles in files that they share.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::Result;
use serde::Deserialize;

use crate::error::{DENIED, Failure};
use crate::shell;

type Variables = Vec<(String, String)>;

/// What stands below one `[…]` of a file. What is indented below a key is called `key.name`.
type Section = HashMap<String, String>;

/// Adds what the profile says to variables that do not say it themselves.
///
/// # Errors
/// There is no such profile, it cannot be read, or its credentials are of a kind that cannot be had here.
pub(crate) fn add_to(variables: &mut Variables) -> Result<()> {
    // A process that makes credentials may ask a person: once is enough.
    static FOUND: OnceLock<Variables> = OnceLock::new();
    let found = match FOUND.get() {
        Some(found) => found,
        None => {
            let found = of_profile(variables)?;
            FOUND.get_or_init(|| found)
        }
    };
    variables.extend(found.iter().cloned());
    Ok(())
}

fn of_profile(variables: &Variables) -> Result<Variables> {
    let get = |name: &str| variables.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, v)| &**v);
    let has_any = |names: &[&str]| names.iter().any(|name| get(name).is_some());
    let has_identity = get("AWS_ROLE_ARN").is_some() && get("AWS_WEB_IDENTITY_TOKEN_FILE").is_some();
    let has_key = has_any(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]);
    let has_own = has_identity || has_key || get("AWS_SKIP_SIGNATURE") == Some("true");
    let named = get("AWS_PROFILE").or(get("AWS_DEFAULT_PROFILE"));
    let name = named.unwrap_or("default");
    let files = Files::read(&get);
    let (files, profile) = match files.and_then(|files| files.profile(name, named.is_some()).map(|it| (files, it))) {
        // Who has all that is needed does not need the files.
        Err(_) if has_own => return Ok(Variables::new()),
        found => found?,
    };
    let mut found = Variables::new();
    let mut take =
        |name: &str, value: Option<&String>| found.extend(value.map(|value| (name.to_owned(), value.clone())));
    if !has_any(&["AWS_REGION", "AWS_DEFAULT_REGION"]) {
        take("AWS_REGION", profile.get("region"));
    }
    let ignores = get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") == Some("true")
        || profile.get("ignore_configured_endpoint_urls").is_some_and(|value| value == "true");
    if !ignores && !has_any(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]) {
        let services = profile.get("services").and_then(|services| files.config.get(&format!("services {services}")));
        let of_s3 = services.and_then(|services| services.get("s3.endpoint_url"));
        take("AWS_ENDPOINT_URL", of_s3.or(profile.get("endpoint_url")));
    }
    if !has_own {
        found.extend(credentials(name, &profile)?);
    }
    Ok(found)
}

/// The variables that say the same as a profile does of its credentials; none if it says nothing.
fn credentials(name: &str, profile: &Section) -> Result<Variables> {
    let has = |key: &str| profile.contains_key(key);
    let variables = |names: &[(&str, &str)]| {
        let taken = names.iter().filter_map(|(name, key)| Some(((*name).to_owned(), profile.get(*key)?.clone())));
        Ok(taken.collect())
    };
    let unsupported = |how: &str| {
        let message = format!("the profile `{name}` of AWS has its credentials {how}, which tc cannot do");
        let command =
            format!("eval \"$(aws configure export-credentials --profile {} --format env)\"", shell::word(name));
        let failure = Failure::new("denied", message).hint(format!("{command} puts them where tc finds them"));
        Err(Failure { exit: DENIED, ..failure }.into())
    };
    if has("role_arn") && has("web_identity_token_file") {
        return variables(&[
            ("AWS_ROLE_ARN", "role_arn"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file"),
            ("AWS_ROLE_SESSION_NAME", "role_session_name"),
        ]);
    }
    if has("role_arn") {
        return unsupported("by assuming a role");
    }
    if has("aws_access_key_id") || has("aws_secret_access_key") {
        return variables(&[
            ("AWS_ACCESS_KEY_ID", "aws_access_key_id"),
            ("AWS_SECRET_ACCESS_KEY", "aws_secret_access_key"),
            ("AWS_SESSION_TOKEN", "aws_session_token"),
        ]);
    }
    match profile.get("credential_process") {
        Some(command) => of_process(name, command),
        None if has("sso_session") || has("sso_start_url") => unsupported("by single sign-on"),
        None if has("login_session") => unsupported("by `aws login`"),
        None => Ok(Variables::new()),
    }
}

/// What a process prints that makes credentials.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    version: u32,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

/// Runs the process that makes credentials. Nothing that it prints is repeated.
fn of_process(name: &str, command: &str) -> Result<Variables> {
    let failed = |how: String| {
        let failure = Failure::new("denied", format!("the credential_process of the profile `{name}` of AWS {how}"));
        Failure { exit: DENIED, ..failure }
    };
    let mut process = Command::new("sh");
    process.args(["-c", command]).stdin(Stdio::null()).stderr(Stdio::null());
    let output = process.output().map_err(|cause| failed("cannot be started".into()).cause(cause))?;
    if !output.status.success() {
        return Err(failed(format!("failed: {}", output.status)).hint("run it by hand to see why").into());
    }
    let printed = serde_json::from_slice::<Printed>(&output.stdout).ok().filter(|printed| printed.version == 1);
    let printed = printed.ok_or_else(|| failed("printed no credentials of version 1".into()))?;
    let token = printed.session_token.map(|token| ("AWS_SESSION_TOKEN", token));
    let keys = [("AWS_ACCESS_KEY_ID", printed.access_key_id), ("AWS_SECRET_ACCESS_KEY", printed.secret_access_key)];
    Ok(keys.into_iter().chain(token).map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The files of AWS's tools.
struct Files {
    config: HashMap<String, Section>,
    credentials: HashMap<String, Section>,
    /// Where they are, for people.
    places: [String; 2],
}

impl Files {
    fn read<'v>(get: &dyn Fn(&str) -> Option<&'v str>) -> Result<Files> {
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let place = |name: &str, file: &str| match (get(name), &home) {
            (Some(path), Some(home)) if path.starts_with("~/") => Some(home.join(&path[2..])),
            (Some(path), _) => Some(PathBuf::from(path)),
            (None, home) => home.as_ref().map(|home| home.join(".aws").join(file)),
        };
        let config = place("AWS_CONFIG_FILE", "config");
        let credentials = place("AWS_SHARED_CREDENTIALS_FILE", "credentials");
        let shown = |path: &Option<PathBuf>| path.as_ref().map_or("~/.aws".into(), |path| path.display().to_string());
        Ok(Files {
            places: [shown(&config), shown(&credentials)],
            config: sections(&text(config.as_deref())?),
            credentials: sections(&text(credentials.as_deref())?),
        })
    }

    /// What both files say of a profile; of its credentials, the one that is made for them goes first.
    fn profile(&self, name: &str, must_be: bool) -> Result<Section> {
        let plain = self.config.get("default").filter(|_| name == "default");
        let config = self.config.get(&format!("profile {name}")).or(plain);
        let credentials = self.credentials.get(name);
        if must_be && config.is_none() && credentials.is_none() {
            let [config, credentials] = &self.places;
            let message = format!("there is no profile `{name}` of AWS in {config} or {credentials}");
            return Err(Failure::new("usage", message).hint("AWS_PROFILE or AWS_DEFAULT_PROFILE names it").into());
        }
        let both = config.into_iter().chain(credentials).flatten();
        Ok(both.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

/// The text of a file; empty if it is not there.
fn text(path: Option<&Path>) -> Result<String> {
    let Some(path) = path else { return Ok(String::new()) };
    match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(String::new()),
        Err(error) => Err(Failure::unreadable(path.display(), error).into()),
    }
}

/// What stands below each `[…]`, by what is in the brackets, with one blank between words.
fn sections(text: &str) -> HashMap<String, Section> {
    let mut sections = HashMap::<String, Section>::new();
    let mut current = None;
    let mut above = String::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let (content, is_indented) = (line.trim(), line.starts_with([' ', '\t']));
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        if let Some((name, _)) = content.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            let words = name.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
            current = Some(words.collect::<Vec<_>>().join(" "));
            sections.entry(current.clone().unwrap_or_default()).or_default();
            continue;
        }
        let (Some(section), Some((key, value))) = (&current, content.split_once(['=', ':'])) else { continue };
        let key = key.trim().to_ascii_lowercase();
        let value =
            [" #", " ;", "\t#", "\t;"].iter().fold(value, |value, mark| value.split(mark).next().unwrap_or(value));
        let key = if is_indented && !above.is_empty() { format!("{above}.{key}") } else { key };
        if !is_indented {
            above = if value.trim().is_empty() { key.clone() } else { String::new() };
        }
        let section = sections.entry(section.clone()).or_default();
        section.insert(key, value.trim().to_owned());
    }
    sections.values_mut().for_each(|section| section.retain(|_, value| !value.is_empty()));
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_the_tools_of_aws_read_them() {
        let sections = sections(
            "\u{feff}[default]\r\nregion=eu-west-1\r\n# comment\n[profile  dev] ; mine\nRegion = us-east-2 # here\n\
             aws_secret_access_key = a#b;c=d/e+f==\ns3 =\n  max_concurrent_requests = 20\n  addressing_style = path\n\
             output = json\n[ profile \"two words\" ]\nregion: x\nempty =\n[services local]\ns3 = \n  endpoint_url = http://h:1\n\
             dynamodb =\n\tendpoint_url = http://h:2\nno value\n[broken\nregion = y\n",
        );
        let get = |section: &str, key: &str| sections.get(section).and_then(|it| it.get(key)).map(String::as_str);
        assert_eq!(get("default", "region"), Some("eu-west-1"));
        assert_eq!(get("profile dev", "region"), Some("us-east-2"));
        assert_eq!(get("profile dev", "aws_secret_access_key"), Some("a#b;c=d/e+f=="));
        assert_eq!(get("profile dev", "s3.addressing_style"), Some("path"));
        assert_eq!(get("profile dev", "output"), Some("json"));
        assert_eq!((get("profile two words", "region"), get("profile two words", "empty")), (Some("x"), None));
        assert_eq!(get("services local", "s3.endpoint_url"), Some("http://h:1"));
        assert_eq!(get("services local", "dynamodb.endpoint_url"), Some("http://h:2"));
    }

    #[test]
    fn credentials_have_one_kind() {
        let of = |text: &str| credentials("x", &sections(&format!("[x]\n{text}"))["x"]);
        let names =
            |text: &str| of(text).expect("taken").into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(" ");
        let keys = "aws_access_key_id=a\naws_secret_access_key=b\n";
        assert_eq!(names("region=r"), "");
        assert_eq!(names(keys), "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY");
        let token = format!("{keys}aws_session_token=c\nsso_session=d");
        assert_eq!(names(&token), "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN");
        let identity = "role_arn=a\nweb_identity_token_file=/b\n";
        assert_eq!(names(identity), "AWS_ROLE_ARN AWS_WEB_IDENTITY_TOKEN_FILE");
        for (text, how) in [
            (&*format!("role_arn=a\nsource_profile=y\n{keys}"), "assuming a role"),
            ("role_arn=a\ncredential_source=Environment", "assuming a role"),
            ("sso_start_url=https://x", "single sign-on"),
            ("login_session=a", "`aws login`"),
        ] {
            assert!(of(text).expect_err("refused").to_string().contains(how), "{text}");
        }
    }
}
