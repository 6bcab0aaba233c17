//! Real servers, started for a test and stopped with it, and what stands between them and a store.

#[cfg(feature = "object-store")]
pub(crate) mod moto;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(feature = "object-store")]
pub(crate) mod s3_proxy;
#[cfg(feature = "object-store")]
pub(crate) mod s3s;
