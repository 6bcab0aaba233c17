//! From an id, or the front of one, to runs.

use super::Runs;
use crate::store::Error;

/// The runs that `text` names: those that have it as their id, or else those whose ids begin with it, at most `limit` of each
/// store.
///
/// # Errors
/// What the media say.
pub async fn find_runs(stores: &[Runs], text: &str, limit: usize) -> Result<Vec<(Runs, String)>, Error> {
    let mut found = Vec::new();
    if text.is_empty() {
        return Ok(found);
    }
    for runs in stores {
        if runs.has(text).await? {
            found.push((runs.clone(), text.to_owned()));
        }
    }
    if found.is_empty() {
        for runs in stores {
            for id in runs.ids(None, text, None, limit).await?.ids {
                // A bucket lists what was put in the place of a folder, too.
                if runs.has(&id).await? {
                    found.push((runs.clone(), id));
                }
            }
        }
    }
    Ok(found)
}
