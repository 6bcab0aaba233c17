//! What a store's keys are called.
//!
//! All have one hash tag, so that they are on one node of a cluster and one script can touch them.

use crate::store::{Kind, Name, Queue};

/// Keys of an evolution log, behind the prefix.
const EVOLUTION: &str = "evolution";
const DECISIONS: &str = "evolution:decisions";
const WRITERS: &str = "evolution:writer:";

/// The keys of one store.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    /// `{prefix}:`
    root: String,
}

/// What a key of a store holds.
#[derive(Debug)]
pub(super) enum Key {
    /// The id of the store.
    Store,
    /// The names of all queues.
    Queues,
    /// The lines of a log.
    Log(Name),
    /// The names of logs.
    Names(Kind),
    /// The entries of a queue.
    Due(Queue),
    /// A stream of an evolution log, which is beside the store and no part of it.
    Stream,
    /// What a writer of an evolution log wrote last.
    Writer,
}

impl Key {
    /// The type of Redis that it is kept in.
    pub(super) fn kept_as(&self) -> &'static str {
        match self {
            Key::Store => "hash",
            Key::Log(_) => "list",
            Key::Queues | Key::Names(_) | Key::Due(_) => "zset",
            Key::Stream => "stream",
            Key::Writer => "string",
        }
    }
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Keys { root: format!("{{{prefix}}}:") }
    }

    pub(super) fn store(&self) -> String {
        format!("{}store", self.root)
    }

    pub(super) fn queues(&self) -> String {
        format!("{}queues", self.root)
    }

    /// The lines of a log, and the channel on which appends to it are announced.
    pub(super) fn log(&self, log: &Name) -> String {
        let mut key = String::with_capacity(self.root.len() + log.key().len() + 32);
        for part in [&self.root, "log:", log.kind().as_str(), "/", log.key()] {
            key.push_str(part);
        }
        if log.generation() > 1 {
            key.push_str(&format!(",{}", log.generation()));
        }
        key
    }

    pub(super) fn names(&self, kind: Kind) -> String {
        format!("{}names:{kind}", self.root)
    }

    /// The entries of a queue, and the channel on which new ones are announced.
    pub(super) fn due(&self, queue: &Queue) -> String {
        format!("{}due:{}", self.root, queue.key())
    }

    /// The calls of an evolution log.
    pub(crate) fn evolution(&self) -> String {
        format!("{}{EVOLUTION}", self.root)
    }

    /// The decisions of an evolution log.
    pub(crate) fn decisions(&self) -> String {
        format!("{}{DECISIONS}", self.root)
    }

    /// The number and the place of what a writer of an evolution log wrote last.
    pub(crate) fn writer(&self, id: &str) -> String {
        format!("{}{WRITERS}{id}", self.root)
    }

    /// What the key is for; none if no store of ours has such a key.
    pub(super) fn read(&self, key: &str) -> Option<Key> {
        let rest = key.strip_prefix(&self.root)?;
        if matches!(rest, EVOLUTION | DECISIONS) {
            return Some(Key::Stream);
        }
        match rest.split_once(':') {
            _ if rest.starts_with(WRITERS) => Some(Key::Writer),
            None if rest == "store" => Some(Key::Store),
            None if rest == "queues" => Some(Key::Queues),
            Some(("names", kind)) => Some(Key::Names(Kind::parse(kind)?)),
            Some(("due", queue)) => Some(Key::Due(Queue::from_key(queue)?)),
            Some(("log", name)) => {
                let (kind, stem) = name.split_once('/')?;
                Some(Key::Log(Name::from_stem(Kind::parse(kind)?, stem)?))
            }
            _ => None,
        }
    }

    /// The pattern of all keys of the store. (A prefix has no character that is special in a pattern.)
    pub(super) fn pattern(&self) -> String {
        format!("{}*", self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_were_written() {
        let keys = Keys::new("shop:eu");
        let kind = Kind::new("runs");
        let name = Name::new(kind, "}{../é\n").unwrap().in_generation(2);
        let queue = Queue::new("a:b").unwrap();
        assert_eq!(keys.log(&name), "{shop:eu}:log:runs/=7D=7B..=2F=C3=A9=0A,2");
        assert_eq!(keys.log(&name), format!("{{shop:eu}}:log:runs/{}", name.stem()));
        assert_eq!(keys.due(&queue), "{shop:eu}:due:a=3Ab");
        assert!(matches!(keys.read(&keys.log(&name)), Some(Key::Log(found)) if found == name));
        assert!(matches!(keys.read(&keys.due(&queue)), Some(Key::Due(found)) if found == queue));
        assert!(matches!(keys.read(&keys.names(kind)), Some(Key::Names(found)) if found == kind));
        assert!(matches!(keys.read(&keys.store()), Some(Key::Store)));
        assert!(matches!(keys.read(&keys.queues()), Some(Key::Queues)));
        assert!(matches!(keys.read(&keys.evolution()), Some(Key::Stream)));
        assert!(matches!(keys.read(&keys.decisions()), Some(Key::Stream)));
        assert!(matches!(keys.read(&keys.writer("1f")), Some(Key::Writer)));
        for other in ["", "{shop:eu}:", "{shop}:store", "{shop:eu}:log:runs", "{shop:eu}:log:runs/a,1", "{shop:eu}:x:y"]
        {
            assert!(keys.read(other).is_none(), "{other}");
        }
    }
}
