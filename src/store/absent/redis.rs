//! Stands in for stores in Redis where a build has none.

use std::sync::Arc;

use crate::store::{Error, RedisAddress, Settings, Store};

/// What whoever asks for one is told.
pub(crate) fn absent() -> Error {
    Error::invalid("address of a store", "this build knows no Redis: it was made without the feature `redis`")
}

pub(super) async fn open(_: &RedisAddress, _: &Settings) -> Result<Arc<dyn Store>, Error> {
    Err(absent())
}

#[cfg(test)]
mod tests {
    use crate::store::{Address, Settings};

    #[tokio::test]
    async fn addresses_are_read_and_cannot_be_opened() {
        let address = Address::parse("redis://:hunter2@db.example/1").unwrap();
        assert_eq!(address.to_string(), "redis://db.example:6379/1");
        let error = address.open(&Settings::default(), true).await.unwrap_err().to_string();
        assert!(error.contains("without the feature `redis`"), "{error}");
    }
}
