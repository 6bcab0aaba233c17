//! Words for the shell, in commands that a person may copy.

use temporal_code::text;

/// A name as a shell takes it.
pub(crate) fn word(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._-/:".contains(c);
    let safe = text::harmless(name);
    if !safe.is_empty() && !safe.starts_with('-') && safe.chars().all(plain) {
        return safe.into_owned();
    }
    format!("'{}'", safe.replace('\'', "'\\''"))
}

/// A command with names behind it, and the options that say where the store is.
pub(crate) fn command(verb: &str, names: &[&str], stores: &str) -> String {
    let words = names.iter().map(|name| format!(" {}", word(name))).collect::<String>();
    // Behind `--` nothing is an option.
    let is_option = |name: &&str| name.starts_with('-');
    if names.iter().any(is_option) {
        format!("tc {verb}{stores} --{words}")
    } else {
        format!("tc {verb}{words}{stores}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_options_and_nothing_for_the_shell() {
        assert_eq!(command("history", &["pay"], " --store logs"), "tc history pay --store logs");
        assert_eq!(command("promote", &["a b", "$(v2)"], ""), "tc promote 'a b' '$(v2)'");
        assert_eq!(command("promote", &["pay", "-y"], " --store logs"), "tc promote --store logs -- pay '-y'");
        assert_eq!(word("it's"), "'it'\\''s'");
    }
}
