//! Stands in for logs on Redis where a build has none.

use std::sync::Arc;

use crate::evolution::remote::site::Site;
use crate::store::{Error, RedisAddress, Settings, redis};

pub(super) fn open(_: &RedisAddress, _: &Settings) -> Result<Arc<dyn Site>, Error> {
    Err(redis::absent())
}

#[cfg(test)]
mod tests {
    use crate::store::{Address, Settings};

    #[test]
    fn logs_there_cannot_be_opened() {
        let address = Address::parse("redis://db.example").unwrap();
        let error = crate::evolution::remote::RemoteLog::at(&address, &Settings::default()).unwrap_err().to_string();
        assert!(error.contains("without the feature `redis`"), "{error}");
    }
}
