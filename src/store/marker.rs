//! What says that a medium holds a store, and in which version.

/// The version that this program writes and reads.
const VERSION: u32 = 1;

#[derive(serde::Deserialize)]
struct Marker {
    schema: String,
}

/// Whether `text` marks a store that this program understands; if not, what is wrong with it.
pub(crate) fn check(text: &str) -> Result<(), String> {
    let marker: Marker = serde_json::from_str(text).map_err(|error| format!("is damaged: {error}"))?;
    let version = marker.schema.strip_prefix("tc.store/").and_then(|version| version.parse::<u32>().ok());
    match version {
        Some(VERSION) => Ok(()),
        Some(version) if version > VERSION => {
            Err(format!("is of version {version}, and this program knows {VERSION}: a newer one is needed"))
        }
        _ => Err("is not that of a store".to_owned()),
    }
}
