//! What is generated from the parser's definition is up to date.

use super::{root, run, seen, tc};

#[test]
fn completions_are_up_to_date() {
    for (shell, file) in
        [("bash", "tc.bash"), ("zsh", "_tc"), ("fish", "tc.fish"), ("powershell", "tc.ps1"), ("elvish", "tc.elv")]
    {
        let output = run(&mut tc(&["completions", shell]));
        let path = root().join("completions").join(file);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, &output.stdout).expect("written");
        }
        let kept = std::fs::read(&path).unwrap_or_default();
        assert!(kept == output.stdout, "completions/{file} is out of date: UPDATE_EXPECT=1 cargo test --test cli");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let commands = [
        "status",
        "history",
        "events",
        "summary",
        "report",
        "runs",
        "show",
        "replay",
        "send",
        "start",
        "result",
        "cancel",
        "clean",
        "fsck",
        "completions",
        "man",
    ];
    for command in commands {
        let page = seen(&run(&mut tc(&["man", command])));
        assert!(page.contains(&format!(".TH tc-{command} 1")), "{page}");
        assert!(page.contains(".SH SYNOPSIS") && page.contains("\\fBtc "), "{page}");
    }
    let (_keep, path) = super::folder(&[]);
    let output = run(tc(&["man", "--dir"]).arg(path.join("man")));
    assert_eq!(seen(&output), "");
    assert!(path.join("man/tc-history.1").exists() && path.join("man/tc.1").exists());
}

#[test]
fn help_and_version_go_to_standard_output() {
    for arguments in [&["--help"][..], &["--version"], &["history", "--help"]] {
        let output = run(&mut tc(arguments));
        assert!(output.stderr.is_empty() && !output.stdout.is_empty());
        assert_eq!(output.status.code(), Some(0));
    }
}
