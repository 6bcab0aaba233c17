//! Servers that tests start, and what stands between them and a store.

pub(crate) mod moto;
pub(crate) mod s3_proxy;
