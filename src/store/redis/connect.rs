//! One connection that all callers share, made when it is needed and again when it broke.
//!
//! A command is sent once. Only where an answer says that nothing was done is it sent again: to the node of a cluster that
//! the answer names. (A store has one slot and is therefore on one node, so that following is all that a cluster takes.)

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::redis::aio::{ConnectionLike, MultiplexedConnection, PubSub};
use ::redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use ::redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, IntoConnectionInfo, Pipeline,
    RedisConnectionInfo, RedisError, RedisResult, ServerErrorKind, TlsCertificates, Value,
};
use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::failure;
use crate::store::address::redis::{Endpoint, is_host};
use crate::store::{Error, RedisAddress, RedisOptions, tls};

/// How often one command follows where the nodes of a cluster send it.
const MOVES_MAX: usize = 4;

/// Most keys that are expected of one database, and fewest steps that a scan may take.
const SCAN_KEYS_MAX: u64 = 1 << 32;
const SCAN_STEPS_MIN: u64 = 10_000;

/// How long nothing is heard before the system asks whether the other end is there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// The way to one Redis.
pub(crate) struct Link {
    login: RedisConnectionInfo,
    certificates: Option<TlsCertificates>,
    connect_timeout: Duration,
    config: AsyncConnectionConfig,
    /// Where the address leads.
    home: Endpoint,
    current: Mutex<Current>,
    /// Held by the one who connects; what the last one met who failed.
    dialing: tokio::sync::Mutex<Option<(Instant, RedisError)>>,
}

struct Current {
    endpoint: Endpoint,
    connection: Option<Arc<MultiplexedConnection>>,
}

impl Link {
    /// The way to `address`, which is not gone yet.
    pub(crate) fn new(address: &RedisAddress, options: &RedisOptions) -> Result<Self, Error> {
        let username = options.username.as_ref().or(address.username.as_ref()).filter(|name| !name.is_empty());
        let password = options.password.as_ref().or(address.password.as_ref()).filter(|text| !text.is_empty());
        if username.is_some() && password.is_none() {
            return Err(Error::invalid("credentials for a Redis", "there is a user name and no password"));
        }
        let mut login = RedisConnectionInfo::default()
            .set_db(i64::from(address.database))
            .set_lib_name(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        if let Some(username) = username {
            login = login.set_username(username);
        }
        if let Some(password) = password {
            login = login.set_password(password);
        }
        let certificates = certificates(address, options)?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(options.connect_timeout))
            .set_response_timeout(Some(options.response_timeout));
        let current = Mutex::new(Current { endpoint: address.endpoint.clone(), connection: None });
        let (home, connect_timeout) = (address.endpoint.clone(), options.connect_timeout);
        Ok(Link { login, certificates, connect_timeout, config, home, current, dialing: tokio::sync::Mutex::default() })
    }

    /// Sends a command and waits for its answer.
    pub(crate) async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        let mut moves = 0;
        loop {
            let shared = self.connection().await?;
            let mut connection = (*shared).clone();
            match connection.send_packed_command(command).await.and_then(Value::extract_error) {
                Err(error) => self.follow(&shared, error, &mut moves)?,
                answered => return answered,
            }
        }
    }

    /// Sends commands at once and waits for all answers, of which none may be an error.
    pub(crate) async fn send_all(&self, commands: &Pipeline) -> RedisResult<Vec<Value>> {
        let mut moves = 0;
        loop {
            let shared = self.connection().await?;
            let mut connection = (*shared).clone();
            let answers = connection.req_packed_commands(commands, 0, commands.len()).await;
            match answers.and_then(|answers| answers.into_iter().map(Value::extract_error).collect()) {
                Err(error) => self.follow(&shared, error, &mut moves)?,
                answered => return answered,
            }
        }
    }

    /// In how many steps a scan of all keys ends, generously: a table that shrinks and grows meanwhile is passed over again in part.
    pub(crate) async fn scan_steps_max(&self, keys_a_step: usize) -> u64 {
        let keys = match self.send(&::redis::cmd("DBSIZE")).await {
            Ok(Value::Int(keys)) => u64::try_from(keys).unwrap_or(0),
            // Who may not ask how many there are is not kept from looking.
            _ => SCAN_KEYS_MAX,
        };
        keys.min(SCAN_KEYS_MAX) / (keys_a_step as u64).max(1) * 8 + SCAN_STEPS_MIN
    }

    /// Whether to send what met `error` again, because a node of a cluster said that another has it.
    fn follow(&self, shared: &Arc<MultiplexedConnection>, error: RedisError, moves: &mut usize) -> RedisResult<()> {
        if *moves < MOVES_MAX && self.is_elsewhere(shared, &error) {
            *moves += 1;
            return Ok(());
        }
        if failure::breaks_connection(&error) {
            self.leave(shared);
        }
        Err(error)
    }

    /// The connection that there is, or a new one.
    async fn connection(&self) -> RedisResult<Arc<MultiplexedConnection>> {
        if let Some(connection) = &self.current.lock().connection {
            return Ok(connection.clone());
        }
        let asked = Instant::now();
        let mut last = self.dialing.lock().await;
        let endpoint = {
            let current = self.current.lock();
            if let Some(connection) = &current.connection {
                return Ok(connection.clone());
            }
            current.endpoint.clone()
        };
        // Who waited while another failed has failed with it, so that no wait is longer than one attempt and a half.
        if let Some((at, error)) = &*last
            && *at >= asked
        {
            return Err(error.clone());
        }
        match self.dial(&endpoint).await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                *self.current.lock() = Current { endpoint, connection: Some(connection.clone()) };
                Ok(connection)
            }
            Err(error) => {
                self.current.lock().endpoint = self.home.clone();
                *last = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn dial(&self, endpoint: &Endpoint) -> RedisResult<MultiplexedConnection> {
        self.client(endpoint)?.get_multiplexed_async_connection_with_config(&self.config).await
    }

    /// A connection of its own, for messages.
    pub(super) async fn subscriber(&self) -> RedisResult<PubSub> {
        let endpoint = self.current.lock().endpoint.clone();
        let client = self.client(&endpoint)?;
        match tokio::time::timeout(self.connect_timeout, client.get_async_pubsub()).await {
            Ok(result) => result,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }

    fn client(&self, endpoint: &Endpoint) -> RedisResult<Client> {
        let address = match endpoint {
            Endpoint::Tcp { host, port, tls: false } => ConnectionAddr::Tcp(host.clone(), *port),
            Endpoint::Tcp { host, port, tls: true } => {
                ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
            }
            Endpoint::Unix(path) => ConnectionAddr::Unix(path.clone()),
        };
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3);
        let info = address
            .into_connection_info()?
            .set_redis_settings(self.login.clone())
            .set_tcp_settings(TcpSettings::default().set_nodelay(true).set_keepalive(keepalive));
        match (&self.certificates, endpoint) {
            (Some(certificates), Endpoint::Tcp { tls: true, .. }) => Client::build_with_tls(info, certificates.clone()),
            _ => Client::open(info),
        }
    }

    /// The connection is not used again.
    fn leave(&self, connection: &Arc<MultiplexedConnection>) {
        let mut current = self.current.lock();
        if current.connection.as_ref().is_some_and(|held| Arc::ptr_eq(held, connection)) {
            *current = Current { endpoint: self.home.clone(), connection: None };
        }
    }

    /// Whether `error` says at which other node of the cluster the store is; if so, that is where to go now.
    fn is_elsewhere(&self, connection: &Arc<MultiplexedConnection>, error: &RedisError) -> bool {
        let moved = error.kind() == ServerErrorKind::Moved.into();
        let Some((node, _)) = moved.then(|| error.redirect_node()).flatten() else { return false };
        let mut current = self.current.lock();
        let Some(endpoint) = neighbour(&current.endpoint, node) else { return false };
        if current.connection.as_ref().is_some_and(|held| Arc::ptr_eq(held, connection)) {
            *current = Current { endpoint, connection: None };
        }
        true
    }
}

/// The node `host:port` of the cluster that `known` belongs to. An empty host is that of `known`.
fn neighbour(known: &Endpoint, node: &str) -> Option<Endpoint> {
    let Endpoint::Tcp { host: known_host, tls, .. } = known else { return None };
    let (host, port) = node.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = if host.is_empty() { known_host } else { host };
    let port = port.parse().ok().filter(|port| *port > 0)?;
    is_host(host).then(|| Endpoint::Tcp { host: host.to_owned(), port, tls: *tls })
}

/// What TLS needs; none if there is no TLS, or nothing special about it.
fn certificates(address: &RedisAddress, options: &RedisOptions) -> Result<Option<TlsCertificates>, Error> {
    if !matches!(address.endpoint, Endpoint::Tcp { tls: true, .. }) {
        return Ok(None);
    }
    tls::choose_cryptography();
    let invalid = |problem: &str| Err(Error::invalid("certificates for a Redis", problem));
    let client_tls = match (&options.client_certificate, &options.client_key) {
        (Some(certificate), Some(key)) => {
            Some(ClientTlsConfig { client_cert: certificate.clone(), client_key: key.clone() })
        }
        (None, None) => None,
        _ => return invalid("of a certificate to show and its key, one is missing"),
    };
    if let Some(given) = &options.ca_certificates {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(given).collect();
        if found.map_or(0, |found| found.len()) == 0 {
            return invalid("what is to be trusted is not a certificate in PEM");
        }
    }
    let certificates = TlsCertificates { client_tls, root_cert: options.ca_certificates.clone() };
    if certificates.client_tls.is_none() && certificates.root_cert.is_none() {
        return Ok(None);
    }
    // Looked at here already, so that what cannot be used is known before it is.
    let probe = ConnectionAddr::TcpTls { host: "localhost".to_owned(), port: 1, insecure: false, tls_params: None };
    match Client::build_with_tls(probe, certificates.clone()) {
        Ok(_) => Ok(Some(certificates)),
        Err(_) => invalid("a certificate or key is not what its PEM says"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_a_cluster_are_neighbours() {
        let known = Endpoint::Tcp { host: "a".to_owned(), port: 1, tls: true };
        let shown = |node: &str| match neighbour(&known, node) {
            Some(Endpoint::Tcp { host, port, tls: true }) => format!("{host} {port}"),
            _ => "none".to_owned(),
        };
        for (node, expected) in [
            ("b:7", "b 7"),
            (":7", "a 7"),
            ("::1:7", "::1 7"),
            ("[::1]:7", "::1 7"),
            ("?:7", "none"),
            ("b", "none"),
            ("b:0", "none"),
            ("b:99999", "none"),
            ("b\u{1b}[31m:7", "none"),
        ] {
            assert_eq!(shown(node), expected, "{node}");
        }
        assert!(neighbour(&Endpoint::Unix("/x".into()), "b:7").is_none());
    }

    #[test]
    fn credentials_and_certificates_are_looked_at_before_they_are_used() {
        let address = |text: &str| RedisAddress::parse(text).unwrap();
        let (plain, tls) = (address("redis://h"), address("rediss://h"));
        let options = |change: fn(&mut RedisOptions)| {
            let mut options = RedisOptions::default();
            change(&mut options);
            options
        };
        let refused = |address: &RedisAddress, options: RedisOptions| match Link::new(address, &options) {
            Err(Error::Invalid { problem, .. }) => problem,
            Err(error) => panic!("{error:?}"),
            Ok(_) => String::new(),
        };
        assert!(refused(&plain, options(|o| o.username = Some("u".into()))).contains("no password"));
        assert!(refused(&tls, options(|o| o.ca_certificates = Some(b"junk".to_vec()))).contains("PEM"));
        assert!(refused(&tls, options(|o| o.client_key = Some(b"junk".to_vec()))).contains("missing"));
        let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(
            refused(&tls, RedisOptions { ca_certificates: Some(junk.into()), ..RedisOptions::default() }),
            "a certificate or key is not what its PEM says"
        );
        assert_eq!(refused(&tls, RedisOptions::default()), "");
        assert_eq!(refused(&plain, options(|o| o.password = Some("p".into()))), "");
    }
}
