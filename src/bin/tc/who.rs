//! Who is at work.

/// Who is at work, as git would say it.
pub(crate) fn whoever() -> String {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(by) = set("TC_BY") {
        return by;
    }
    let user = set("USER").or_else(|| set("LOGNAME")).or_else(|| set("USERNAME")).unwrap_or_else(user_number);
    match host() {
        Some(host) => format!("{user}@{host}"),
        None => user,
    }
}

#[cfg(unix)]
fn user_number() -> String {
    match rustix::process::getuid() {
        user if user.is_root() => "root".into(),
        user => format!("user {user}"),
    }
}

#[cfg(not(unix))]
fn user_number() -> String {
    "unknown".into()
}

#[cfg(unix)]
fn host() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    (!name.is_empty()).then_some(name)
}

#[cfg(not(unix))]
fn host() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}
