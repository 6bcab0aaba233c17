//! Real servers, started for a test and stopped with it, and what stands between them and a store.

#[cfg(feature = "object-store")]
pub mod moto;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "object-store")]
pub mod s3_proxy;
