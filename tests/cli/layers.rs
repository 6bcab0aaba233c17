//! The rules of ARCHITECTURE.md that can be read off the source.

use std::path::{Path, PathBuf};

use super::root;

/// Modules from the top down: each may use what stands behind it, and itself.
const LAYERS: [&str; 10] =
    ["cli", "rollout", "tracker", "evolution", "store", "jsonl", "json", "clock", "random", "time"];

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

fn layer(path: &Path) -> Option<usize> {
    let inside = path.strip_prefix(root().join("src")).expect("under src");
    let first = inside.components().next()?.as_os_str().to_str()?.trim_end_matches(".rs").to_string();
    LAYERS.iter().position(|layer| *layer == first)
}

#[test]
fn no_module_uses_one_above_it() {
    for (path, text) in all_sources() {
        let Some(own) = layer(&path) else { continue };
        for (index, above) in LAYERS.iter().enumerate().take(own) {
            let used = text.contains(&format!("crate::{above}::")) || text.contains(&format!("crate::{above};"));
            assert!(!used, "{} uses {above}, layer {index}", path.display());
        }
    }
}

#[test]
fn only_cli_touches_the_environment_and_standard_output() {
    for (path, text) in all_sources() {
        let program = matches!(layer(&path), Some(0)) || path.ends_with("main.rs");
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
fn files_stay_readable() {
    const LINES_MAX: usize = 700;
    for (path, text) in all_sources() {
        assert!(text.lines().count() <= LINES_MAX, "{} is too long", path.display());
    }
    let main = std::fs::read_to_string(root().join("src/main.rs")).expect("main.rs");
    assert!(main.lines().count() < 60);
}
