//! Stands in for logs in buckets where a build has none.

use std::sync::Arc;

use crate::evolution::remote::site::Site;
use crate::store::{BucketAddress, Error, Settings, object};

pub(super) fn open(_: &BucketAddress, _: &Settings) -> Result<Arc<dyn Site>, Error> {
    Err(object::absent())
}

#[cfg(test)]
mod tests {
    use crate::store::{Address, Settings};

    #[test]
    fn logs_there_cannot_be_opened() {
        let address = Address::parse("s3://logs/team").unwrap();
        let error = crate::evolution::remote::RemoteLog::at(&address, &Settings::default()).unwrap_err().to_string();
        assert!(error.contains("without the feature `object-store`"), "{error}");
    }
}
