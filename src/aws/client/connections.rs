//! Loads clients and credentials from the configuration that all AWS tools use, once for each account and for all stacks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use aws_config::meta::region::ProvideRegion;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::SharedCredentialsProvider;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use tokio::sync::Mutex;

use super::assumed_role::AssumedRole;
use super::identity::Identity;
use super::pace::Pace;
use super::{credentials, wait};
use crate::arn;
use crate::config::file::{Assumed, Site};
use crate::error::{Error, Hint, Result};

/// An account in a region.
#[derive(Clone)]
pub struct Connection {
    pub sdk: SdkConfig,
    pub identity: Arc<Identity>,
}

impl Connection {
    /// # Errors
    /// If no region is known.
    pub fn new(sdk: SdkConfig) -> Result<Self> {
        let region = sdk
            .region()
            .map(ToString::to_string)
            .ok_or_else(|| Error::usage("no AWS region is configured").hint(Hint::NameRegion))?;
        // A region of the environment or the profile becomes a part of the host to which the calls go.
        arn::region(&region).map_err(|error| error.hint(Hint::NameRegion))?;
        let identity = Arc::new(Identity::new(&sdk, &region));
        Ok(Self { sdk, identity })
    }
}

/// The source of credentials: a profile, a role, both or none.
type Account = (Option<String>, Option<Assumed>);

/// The connections that were made so far.
#[derive(Default)]
pub struct Connections {
    /// A given AWS, used for every account; none: the configuration of environment and files.
    given: Option<SdkConfig>,
    http: OnceLock<SharedHttpClient>,
    /// The configurations by account, and by whether a region was named: otherwise the profile or the environment decides.
    accounts: Mutex<HashMap<(Account, bool), SdkConfig>>,
    made: Mutex<HashMap<(Account, Option<String>), Connection>>,
    /// The turns of each account's calls.
    paces: Mutex<HashMap<Account, Pace>>,
    /// The number of stacks that the process serves, if it serves several; 0 otherwise.
    stacks: AtomicUsize,
}

impl Connections {
    /// Returns connections to this AWS alone.
    #[must_use]
    pub fn given(sdk: SdkConfig) -> Self {
        Self { given: Some(sdk), ..Self::default() }
    }

    #[must_use]
    pub fn is_given(&self) -> bool {
        self.given.is_some()
    }

    /// Limits calls to the rates of the control planes from now on, as several stacks need it.
    pub fn serve_several(&self, stacks: usize) {
        self.stacks.store(stacks.max(1), Ordering::Relaxed);
    }

    /// Returns the number of stacks that the process serves, if it serves several.
    #[must_use]
    pub fn stacks(&self) -> Option<usize> {
        Some(self.stacks.load(Ordering::Relaxed)).filter(|stacks| *stacks > 0)
    }

    /// # Errors
    /// If no region is known, or the requested profile does not exist.
    pub async fn to(&self, site: &Site) -> Result<Connection> {
        if let Some(sdk) = &self.given {
            return Connection::new(sdk.clone());
        }
        let account = (site.profile.clone(), site.assumed());
        let key = (account.clone(), site.region.clone());
        let mut made = self.made.lock().await;
        if let Some(connection) = made.get(&key) {
            return Ok(connection.clone());
        }
        let connection = Connection::new(self.sdk(account, site).await?)?;
        made.insert(key, connection.clone());
        Ok(connection)
    }

    /// Returns the configuration alone, with or without a region.
    ///
    /// # Errors
    /// If the requested profile does not exist.
    pub async fn configuration(&self, site: &Site) -> Result<SdkConfig> {
        if let Some(sdk) = &self.given {
            return Ok(sdk.clone());
        }
        self.sdk((site.profile.clone(), site.assumed()), site).await
    }

    async fn sdk(&self, account: Account, site: &Site) -> Result<SdkConfig> {
        let sdk = self.of_account(account, site).await?;
        Ok(match &site.region {
            Some(region) => sdk.to_builder().region(Region::new(region.clone())).build(),
            None => sdk,
        })
    }

    /// Loads the configuration of an account, whose credentials are requested once for all regions.
    async fn of_account(&self, account: Account, site: &Site) -> Result<SdkConfig> {
        let key = (account, site.region.is_some());
        let mut accounts = self.accounts.lock().await;
        if let Some(sdk) = accounts.get(&key) {
            return Ok(sdk.clone());
        }
        let http = self.http.get_or_init(http);
        // The SDK counts the wait for a call's turn as part of the call.
        let (pace, time_outs) = match self.stacks() {
            Some(_) => (Pace::of_many(http.clone()), wait::time_outs_of_many()),
            None => (Pace::of_one(http.clone()), wait::time_outs()),
        };
        let pace = self.paces.lock().await.entry(key.0.clone()).or_insert(pace).clone();
        let sdk = load(site, http.clone()).await?;
        let mut sdk = sdk.to_builder().http_client(pace).timeout_config(time_outs).build();
        if let Some(Assumed { role_arn, external_id }) = &key.0.1 {
            let role = AssumedRole::new(&sdk, role_arn, external_id.as_deref());
            let provider = SharedCredentialsProvider::new(role);
            sdk = sdk.to_builder().credentials_provider(provider).build();
        }
        accounts.insert(key, sdk.clone());
        Ok(sdk)
    }
}

/// Creates a client that uses the proxy of HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, as other AWS tools do.
fn http() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector =
            Connector::builder().proxy_config(ProxyConfig::from_env()).tls_provider(Provider::Rustls(CryptoMode::Ring));
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.build()
    })
}

/// Loads the configuration from environment, files, SSO, containers or instance roles.
async fn load(site: &Site, client: SharedHttpClient) -> Result<SdkConfig> {
    let unknown = credentials::unknown_profile(site.profile.as_deref()).await;
    if let (Some(name), Some(_)) = (&unknown, &site.profile) {
        return Err(credentials::no_such_profile(name));
    }
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(client.clone())
        .retry_config(wait::retries())
        .timeout_config(wait::time_outs());
    if let Ok(name) = AppName::new("taskbell") {
        loader = loader.app_name(name);
    }
    if let Some(region) = &site.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &site.profile {
        // A requested profile precedes keys in the environment, as in the AWS CLI.
        let region = match &site.region {
            Some(region) => Some(Region::new(region.clone())),
            None => ProfileFileRegionProvider::builder().profile_name(profile).build().region().await,
        };
        let how = ProviderConfig::without_region().with_http_client(client).with_region(region);
        let of_profile = ProfileFileCredentialsProvider::builder().configure(&how).profile_name(profile).build();
        loader = loader.profile_name(profile).credentials_provider(of_profile);
    }
    let sdk = loader.load().await;
    // An unknown profile that only the environment names matters only if region or credentials are missing without it.
    match unknown {
        Some(name) if sdk.region().is_none() || credentials::must_exist(&sdk).await.is_err() => {
            Err(credentials::no_such_profile(&name))
        }
        _ => Ok(sdk),
    }
}
