//! From an address and settings to a client.
//!
//! Settings are named as environment variables are: `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, `GOOGLE_APPLICATION_CREDENTIALS`,
//! `AZURE_STORAGE_ACCOUNT_NAME` …, and mean what they mean to the crate `object_store`. Some are decided here, whatever
//! they say: the bucket is that of the address, and writes that must not overwrite are always asked for.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::list::PaginatedListStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use parking_lot::Mutex;

use super::secrets::Secrets;
use super::wire::{Connector, Proxy, Requests};
use crate::store::address::bucket::Provider;
use crate::store::{BucketAddress, BucketOptions, Error};

/// The two faces of one client.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) lists: Arc<dyn PaginatedListStore>,
    pub(super) counters: Arc<Mutex<Requests>>,
    pub(super) secrets: Secrets,
    /// Where requests go, to tell this store from others: no credentials, and nothing to be shown.
    pub(super) endpoint: String,
}

/// Makes a client. Nothing is sent.
///
/// # Errors
/// [`Error::Invalid`] if the settings cannot be; it names no secret.
pub(super) fn connect(
    address: &BucketAddress,
    settings: &[(String, String)],
    options: &BucketOptions,
) -> Result<Client, Error> {
    let secrets = Secrets::of(settings);
    let settings = Settings { pairs: settings, prefix: prefix_of(address.provider()) };
    let counters = Arc::<Mutex<Requests>>::default();
    let connector = Connector {
        counters: counters.clone(),
        request_timeout: options.request_timeout,
        connect_timeout: options.connect_timeout,
        proxy: settings.proxy(),
        allow_invalid_certificates: settings.flag("allow_invalid_certificates")?,
    };
    settings.refuse_without_credentials(address)?;
    let endpoint = settings.endpoint(address.provider())?;
    let http = endpoint.as_ref().is_some_and(|url| url.scheme() == "http") || settings.flag("allow_http")?;
    let client = ClientOptions::new().with_allow_http(http);
    let parts = Parts { address, settings: &settings, client, connector, endpoint: endpoint.clone() };
    let (objects, lists) = match address.provider() {
        Provider::S3 => parts.amazon(),
        Provider::Google => parts.google(),
        Provider::Azure => parts.azure(),
    }
    .map_err(|error| Error::invalid(format!("settings for {address}"), secrets.clean(&error.to_string())))?;
    let endpoint = endpoint.map_or_else(String::new, |url| url.to_string());
    Ok(Client { objects, lists, counters, secrets, endpoint })
}

/// A request is made once. What failed is made again above all stores, where a batch can be told from its repetition.
fn once() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, retry_timeout: Duration::ZERO }
}

fn prefix_of(provider: Provider) -> &'static str {
    match provider {
        Provider::S3 => "aws_",
        Provider::Google => "google_",
        Provider::Azure => "azure_",
    }
}

type Faces = (Arc<dyn ObjectStore>, Arc<dyn PaginatedListStore>);

struct Parts<'a> {
    address: &'a BucketAddress,
    settings: &'a Settings<'a>,
    client: ClientOptions,
    connector: Connector,
    endpoint: Option<url::Url>,
}

/// A client of one provider, of its settings but for those that are decided here.
macro_rules! client {
    ($parts:ident, $builder:expr, $bucket:ident, $($decided:pat_param)|+) => {{
        let mut builder = $builder;
        for (key, value) in $parts.settings.known() {
            match key.parse() {
                Ok($($decided)|+) | Err(_) => {}
                Ok(key) => builder = builder.with_config(key, value),
            }
        }
        builder
            .$bucket($parts.address.bucket())
            .with_retry(once())
            .with_client_options($parts.client)
            .with_http_connector($parts.connector)
            .build()
            .map(faces)
    }};
}

impl Parts<'_> {
    fn amazon(self) -> object_store::Result<Faces> {
        use AmazonS3ConfigKey::{Bucket, Client, ConditionalPut, DisableBulkDelete, Endpoint, S3Endpoint, S3Express};
        // Only a request for each object tells what became of it.
        let mut builder = AmazonS3Builder::new().with_config(DisableBulkDelete, "true");
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
        }
        client!(
            self,
            builder,
            with_bucket_name,
            Bucket | Endpoint | S3Endpoint | ConditionalPut | S3Express | DisableBulkDelete | Client(_)
        )
    }

    fn google(self) -> object_store::Result<Faces> {
        use GoogleConfigKey::{Bucket, Client};
        client!(self, GoogleCloudStorageBuilder::new(), with_bucket_name, Bucket | Client(_))
    }

    fn azure(self) -> object_store::Result<Faces> {
        use AzureConfigKey::{Client, ContainerName};
        client!(self, MicrosoftAzureBuilder::new(), with_container_name, ContainerName | Client(_))
    }
}

fn faces<S: ObjectStore + PaginatedListStore>(store: S) -> Faces {
    let store = Arc::new(store);
    (store.clone(), store)
}

/// Settings by names in small letters, with the provider's prefix.
struct Settings<'a> {
    pairs: &'a [(String, String)],
    prefix: &'static str,
}

impl Settings<'_> {
    /// Those of this provider that are not empty.
    fn known(&self) -> impl Iterator<Item = (String, &str)> {
        let all = self.pairs.iter().map(|(key, value)| (key.to_ascii_lowercase(), value.as_str()));
        all.filter(|(key, value)| key.starts_with(self.prefix) && !value.is_empty())
    }

    fn get(&self, name: &str) -> Option<&str> {
        let wanted = |key: &str| key.strip_prefix(self.prefix) == Some(name);
        self.known().filter(|(key, _)| wanted(key)).map(|(_, value)| value).last()
    }

    fn flag(&self, name: &str) -> Result<bool, Error> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("0" | "false" | "off" | "no" | "n") => Ok(false),
            Some("1" | "true" | "on" | "yes" | "y") => Ok(true),
            Some(_) => Err(Error::invalid(self.shown(name), "it is neither `true` nor `false`")),
        }
    }

    /// Where AWS's machines are not to be asked, and nothing else has credentials, there are none.
    fn refuse_without_credentials(&self, address: &BucketAddress) -> Result<(), Error> {
        let disabled = address.provider() == Provider::S3 && self.flag("ec2_metadata_disabled")?;
        let others = [
            "access_key_id",
            "web_identity_token_file",
            "container_credentials_relative_uri",
            "container_credentials_full_uri",
        ];
        if !disabled || others.into_iter().any(|name| self.get(name).is_some()) || self.flag("skip_signature")? {
            return Ok(());
        }
        let why =
            "no credentials: none are set, and AWS_EC2_METADATA_DISABLED says not to ask the machine's own service";
        Err(Error::denied(format!("opening {address}"), why))
    }

    fn shown(&self, name: &str) -> String {
        format!("{}{name}", self.prefix).to_ascii_uppercase()
    }

    /// The proxy that the provider's settings name, else that of the usual variables, if these were passed.
    fn proxy(&self) -> Option<Proxy> {
        let usual = |names: [&str; 2]| {
            let found = self.pairs.iter().find(|(key, value)| names.contains(&key.as_str()) && !value.is_empty());
            found.map(|(_, value)| value.as_str())
        };
        let url = self.get("proxy_url").or(usual(["HTTPS_PROXY", "https_proxy"]))?;
        let excludes = self.get("proxy_excludes").or(usual(["NO_PROXY", "no_proxy"]));
        Some(Proxy { url: url.to_owned(), excludes: excludes.map(str::to_owned) })
    }

    /// The endpoint that the settings name, in the order in which it counts.
    fn endpoint(&self, provider: Provider) -> Result<Option<url::Url>, Error> {
        let names: &[&str] = match provider {
            Provider::S3 => &["endpoint_url_s3", "endpoint_url", "endpoint"],
            Provider::Google => &["base_url"],
            Provider::Azure => &["storage_endpoint", "endpoint"],
        };
        let Some((name, text)) = names.iter().find_map(|name| Some((name, self.get(name)?))) else { return Ok(None) };
        let invalid = |problem: &str| Error::invalid(self.shown(name), problem);
        let url = url::Url::parse(text).map_err(|_| invalid("it is not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(invalid("it is to be http://host:port or https://host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("it must not have credentials"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("it must not have a query or a fragment"));
        }
        Ok(Some(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(address: &str, settings: &[(&str, &str)]) -> Result<Client, Error> {
        let settings: Vec<_> = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        connect(&BucketAddress::parse(address).unwrap(), &settings, &BucketOptions::default())
    }

    const SECRET: &str = "hunter2hunter2hunter2";

    #[test]
    fn clients_of_all_providers_are_made_from_settings() {
        let s3 = open(
            "s3://bucket/x",
            &[
                ("AWS_ACCESS_KEY_ID", "id"),
                ("AWS_SECRET_ACCESS_KEY", SECRET),
                ("AWS_ENDPOINT_URL", "http://127.0.0.1:9000"),
                ("AWS_BUCKET", "another"),
                ("AWS_CONDITIONAL_PUT", "disabled"),
                ("AWS_PAGER", "less"),
                ("AWS_REGION", ""),
                ("PATH", "/bin"),
            ],
        );
        assert_eq!(s3.unwrap().endpoint, "http://127.0.0.1:9000/");
        let key = r#"{"private_key":"x","private_key_id":"y","client_email":"z","disable_oauth":true}"#;
        assert!(open("gs://bucket", &[("GOOGLE_SERVICE_ACCOUNT_KEY", key)]).is_ok());
        let azure = [("AZURE_STORAGE_ACCOUNT_NAME", "account"), ("AZURE_STORAGE_ACCOUNT_KEY", "aHVudGVyMg==")];
        assert!(open("az://container/x", &azure).is_ok());
        assert!(matches!(open("az://container", &[]), Err(Error::Invalid { .. })), "without an account");
    }

    #[test]
    fn settings_that_cannot_be_are_refused_without_being_repeated() {
        let secret_url = format!("http://user:{SECRET}@host");
        let key = format!(r#"{{"private_key":{{"{SECRET}":1}},"client_email":"{SECRET}"}}"#);
        for (address, settings) in [
            ("s3://bucket", vec![("AWS_ENDPOINT_URL", secret_url.as_str())]),
            ("s3://bucket", vec![("AWS_ENDPOINT", "host:9000")]),
            ("s3://bucket", vec![("AWS_ENDPOINT_URL", "ftp://host/hunter2hunter2hunter2")]),
            ("s3://bucket", vec![("AWS_ENDPOINT_URL", "http://host/?x=hunter2hunter2hunter2")]),
            ("s3://bucket", vec![("AWS_SECRET_ACCESS_KEY", SECRET)]),
            ("s3://bucket", vec![("AWS_ALLOW_HTTP", SECRET)]),
            ("s3://bucket", vec![("AWS_SKIP_SIGNATURE", SECRET)]),
            ("s3://bucket", vec![("AWS_PROXY_URL", "hunter2hunter2hunter2 x")]),
            ("gs://bucket", vec![("GOOGLE_SERVICE_ACCOUNT_KEY", key.as_str())]),
            ("gs://bucket", vec![("GOOGLE_SERVICE_ACCOUNT_KEY", SECRET)]),
            (
                "az://container",
                vec![("AZURE_STORAGE_ACCOUNT_NAME", "a"), ("AZURE_STORAGE_ACCOUNT_KEY", "%%hunter2hunter2")],
            ),
            ("az://container", vec![("AZURE_STORAGE_ACCOUNT_NAME", "a"), ("AZURE_STORAGE_SAS_TOKEN", SECRET)]),
        ] {
            let Err(error) = open(address, &settings) else { panic!("{settings:?} was taken") };
            assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("hunter2hunter2"), "{error}");
        }
    }

    #[test]
    fn plain_http_needs_an_endpoint_that_says_so() {
        let allowed = |settings: &[(&str, &str)]| {
            let settings: Vec<_> = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let settings = Settings { pairs: &settings, prefix: "aws_" };
            let endpoint = settings.endpoint(Provider::S3).unwrap();
            endpoint.is_some_and(|url| url.scheme() == "http") || settings.flag("allow_http").unwrap()
        };
        assert!(!allowed(&[]));
        assert!(!allowed(&[("AWS_ENDPOINT_URL", "https://host")]));
        assert!(allowed(&[("AWS_ENDPOINT", "http://host")]));
        assert!(allowed(&[("AWS_ALLOW_HTTP", "TRUE")]));
        assert!(!allowed(&[("AWS_ENDPOINT_URL", "http://host"), ("AWS_ENDPOINT_URL_S3", "https://host")]));
    }
}
