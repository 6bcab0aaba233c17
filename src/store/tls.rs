//! The cryptography of encrypted connections.

/// Sees to it that there is a provider of cryptography. Connections take the one of the process: without any, or with a
/// choice of two, they would panic. Where the program has chosen one already, that stays.
pub(super) fn choose_cryptography() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
