//! Stands in for stores in buckets where a build has none.

use std::sync::Arc;

use crate::store::{BucketAddress, Error, Settings, Store};

/// What whoever asks for one is told.
pub(crate) fn absent() -> Error {
    Error::invalid(
        "address of a store",
        "this build knows no object stores: it was made without the feature `object-store`",
    )
}

pub(super) fn open(_: &BucketAddress, _: &Settings) -> Result<Arc<dyn Store>, Error> {
    Err(absent())
}

#[cfg(test)]
mod tests {
    use crate::store::{Address, Settings};

    #[tokio::test]
    async fn addresses_are_read_and_cannot_be_opened() {
        let address = Address::parse("s3://logs/team/").unwrap();
        assert_eq!(address.to_string(), "s3://logs/team");
        let error = address.open(&Settings::default(), true).await.unwrap_err().to_string();
        assert!(error.contains("without the feature `object-store`"), "{error}");
    }
}
