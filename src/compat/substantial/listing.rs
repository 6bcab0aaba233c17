//! Pages of names, out of stores that have them in no order.

use std::collections::BTreeMap;

use super::workflow_of;

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedRun {
    /// The run.
    pub run: String,
    /// Its workflow: by its link, else by its id.
    pub workflow: String,
    /// Whether the workflow has a link to it. The package's filters see no others.
    pub linked: bool,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing<T> {
    /// In order.
    pub items: Vec<T>,
    /// Whether there are more behind the last.
    pub more: bool,
    /// What could not be read, with its place.
    pub warnings: Vec<String>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Listing { items: Vec::new(), more: false, warnings: Vec::new() }
    }
}

/// The first few names that come behind one, out of many in any order.
pub(super) struct FirstNames {
    after: Option<String>,
    limit: usize,
    kept: BTreeMap<String, Option<String>>,
    more: bool,
}

impl FirstNames {
    pub(super) fn new(after: Option<&str>, limit: usize) -> Self {
        FirstNames { after: after.map(str::to_owned), limit, kept: BTreeMap::new(), more: false }
    }

    /// Keeps a name, with the workflow that links to it, if it is among the first. A link counts more than none.
    pub(super) fn add(&mut self, name: &str, workflow: Option<&str>) {
        if self.after.as_deref().is_some_and(|after| name <= after) {
            return;
        }
        if let Some(known) = self.kept.get_mut(name) {
            if known.is_none() {
                *known = workflow.map(str::to_owned);
            }
            return;
        }
        if self.kept.len() == self.limit {
            self.more = true;
            if self.kept.last_key_value().is_none_or(|(last, _)| name > last.as_str()) {
                return;
            }
            self.kept.pop_last();
        }
        self.kept.insert(name.to_owned(), workflow.map(str::to_owned));
    }

    pub(super) fn into_names(self) -> (Vec<String>, bool) {
        (self.kept.into_keys().collect(), self.more)
    }

    /// The names as those of runs.
    pub(super) fn into_runs(self) -> (Vec<ListedRun>, bool) {
        let listed = |(run, link): (String, Option<String>)| {
            let linked = link.is_some();
            ListedRun { workflow: link.unwrap_or_else(|| workflow_of(&run).to_owned()), run, linked }
        };
        (self.kept.into_iter().map(listed).collect(), self.more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_names_are_kept() {
        for limit in [1, 2, 3, 10] {
            let mut first = FirstNames::new(Some("b"), limit);
            for name in ["e", "a", "d", "b", "c", "d", "f", "c"] {
                first.add(name, (name == "d").then_some("w"));
            }
            let (runs, more) = first.into_runs();
            let all = [("c", "c", false), ("d", "w", true), ("e", "e", false), ("f", "f", false)];
            let listed = |(run, workflow, linked): &(&str, &str, bool)| ListedRun {
                run: run.to_string(),
                workflow: workflow.to_string(),
                linked: *linked,
            };
            let wanted: Vec<_> = all.iter().take(limit).map(listed).collect();
            assert_eq!((runs, more), (wanted, limit < 4));
        }
        let mut none = FirstNames::new(None, 0);
        none.add("a", None);
        assert_eq!(none.into_names(), (Vec::new(), true));
    }

    #[test]
    fn a_link_counts_more_than_none() {
        let mut first = FirstNames::new(None, 2);
        first.add("a", None);
        first.add("a", Some("w"));
        first.add("a", Some("x"));
        assert_eq!(first.into_runs().0, [ListedRun { run: "a".into(), workflow: "w".into(), linked: true }]);
    }
}
