//! The rules of ARCHITECTURE.md that can be read off the source.

use std::path::{Path, PathBuf};

use super::root;

/// Modules from the top down: each may use what stands behind it, and itself. Those in one row stand side by side: none uses
/// another.
const LAYERS: [&[&str]; 11] = [
    &["runs"],
    &["compat"],
    &["rollout"],
    &["tracker"],
    &["evolution", "workflow"],
    &["store"],
    &["jsonl", "json"],
    &["text"],
    &["clock"],
    &["random"],
    &["time"],
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    sources(&root().join("src"), &mut found);
    assert!(found.len() > 20);
    found.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).expect("UTF-8"))).collect()
}

/// Whether a file is the program's.
fn is_program(path: &Path) -> bool {
    path.starts_with(root().join("src/bin"))
}

/// The module of the library that a file is, or is part of.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).expect("under src");
    let first = inside.components().next().expect("a name").as_os_str().to_str().expect("UTF-8");
    first.trim_end_matches(".rs").to_string()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn uses(text: &str, module: &str) -> bool {
    text.contains(&format!("crate::{module}::")) || text.contains(&format!("crate::{module};"))
}

#[test]
fn no_module_uses_one_above_or_beside_it() {
    // The program is a crate of its own: the compiler keeps the library from using it.
    for (path, text) in all_sources().into_iter().filter(|(path, _)| !is_program(path)) {
        let own = module(&path);
        let Some(layer) = layer(&own) else {
            assert_eq!(own, "lib", "{} is in no layer", path.display());
            continue;
        };
        for other in LAYERS[..=layer].iter().flat_map(|layer| layer.iter()).filter(|other| **other != own) {
            assert!(!uses(&text, other), "{} uses {other}", path.display());
        }
    }
}

#[test]
fn only_the_program_touches_the_environment_and_standard_output() {
    for (path, text) in all_sources() {
        let program = is_program(&path);
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in ["std::env::", "env::var", "println!", "eprintln!", "stdout()", "stderr()"] {
            let uses = code.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| line.contains(word));
            assert!(program || !uses, "{} uses {word}", path.display());
        }
        assert!(path.ends_with("main.rs") || !code.contains("process::exit"), "{} exits", path.display());
        assert!(!code.contains("unsafe {"), "{} is unsafe", path.display());
    }
}

#[test]
fn the_library_knows_nothing_of_the_program() {
    for (path, text) in all_sources().into_iter().filter(|(path, _)| !is_program(path)) {
        assert!(!text.contains("feature = \"cli\""), "{} differs for the program", path.display());
    }
}

#[test]
fn files_stay_readable() {
    const LINES_MAX: usize = 700;
    for (path, text) in all_sources() {
        assert!(text.lines().count() <= LINES_MAX, "{} is too long", path.display());
    }
    let main = std::fs::read_to_string(root().join("src/bin/tc/main.rs")).expect("main.rs");
    assert!(main.lines().count() < 60);
}
