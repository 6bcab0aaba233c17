//! Real servers, started for a test and stopped with it.

#[cfg(feature = "redis")]
pub(crate) mod redis;
