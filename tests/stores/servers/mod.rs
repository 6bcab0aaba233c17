//! Real servers, started for a test and stopped with it.

#[cfg(feature = "object-store")]
pub(crate) mod moto;
#[cfg(feature = "object-store")]
pub(crate) mod s3_proxy;
#[cfg(feature = "object-store")]
pub(crate) mod s3s;
