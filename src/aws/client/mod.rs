//! Makes the clients of AWS's services, each with its own quota of retries.
//!
//! The SDK keeps one quota for a service and region in the whole process, for the calls of all clients
//! (`StandardRetryStrategy` in aws-smithy-runtime): 500 tokens. A retry costs 5 or 10, and a call that ends well returns only the
//! tokens of its last retry. A stack of a fleet whose calls keep failing would use up the retries of all the others. A quota
//! lasts as long as its client; `wait::retries` bounds the attempts of one call.
//!
//! This module does not make two kinds of client. `invocation.rs` makes its own, which never retries. The SDK's providers of
//! credentials (SSO, web identity, roles of a profile) make their own, which still share the SDK's quota.

pub mod assumed_role;
pub mod connections;
pub mod credentials;
pub mod dates;
pub mod fault;
pub mod identity;
pub mod joined;
pub mod pace;
pub mod wait;

pub use aws_config::SdkConfig;
use aws_sdk_sts::config::retry::RetryPartition;

/// Returns a quota that no other client uses: custom partitions share nothing, even with equal names.
fn own_quota(service: &'static str) -> RetryPartition {
    RetryPartition::custom(service).build()
}

macro_rules! clients {
    ($($service:ident: $sdk:ident;)*) => {$(
        #[must_use]
        pub fn $service(config: &SdkConfig) -> $sdk::Client {
            let config = $sdk::config::Builder::from(config).retry_partition(own_quota(stringify!($service)));
            $sdk::Client::from_conf(config.build())
        }
    )*};
}

clients! {
    cloudwatch: aws_sdk_cloudwatch;
    dynamodb: aws_sdk_dynamodb;
    ecs: aws_sdk_ecs;
    eventbridge: aws_sdk_eventbridge;
    iam: aws_sdk_iam;
    lambda: aws_sdk_lambda;
    logs: aws_sdk_cloudwatchlogs;
    scheduler: aws_sdk_scheduler;
    sqs: aws_sdk_sqs;
    ssm: aws_sdk_ssm;
    sts: aws_sdk_sts;
    tagging: aws_sdk_resourcegroupstagging;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use aws_config::sts::AssumeRoleProvider;
    use aws_config::{BehaviorVersion, Region};
    use aws_credential_types::provider::ProvideCredentials;
    use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider};
    use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
    use aws_smithy_async::time::SystemTimeSource;
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
    use aws_smithy_runtime_api::client::result::ConnectorError;

    use super::*;
    use crate::aws::client::assumed_role::AssumedRole;
    use crate::aws::client::wait;

    /// A network without a route, which counts the attempts.
    #[derive(Debug, Clone, Default)]
    struct NoRoute(Arc<AtomicUsize>);

    impl HttpConnector for NoRoute {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            self.0.fetch_add(1, Ordering::Relaxed);
            HttpConnectorFuture::ready(Err(ConnectorError::io("no route".into())))
        }
    }

    /// Returns the attempts of each of 20 calls that fail, one after the other.
    async fn attempts(region: &'static str, fails: impl AsyncFn(&SdkConfig)) -> Vec<usize> {
        let network = NoRoute::default();
        let connector = network.clone();
        let keys = Credentials::new("key", "secret", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(region))
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .http_client(http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone())))
            .retry_config(wait::retries())
            .timeout_config(wait::time_outs())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(SystemTimeSource::new())
            .build();
        let mut counts = Vec::new();
        for _ in 0..20 {
            let before = network.0.load(Ordering::Relaxed);
            fails(&config).await;
            counts.push(network.0.load(Ordering::Relaxed) - before);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        counts
    }

    #[tokio::test(start_paused = true)]
    #[allow(clippy::disallowed_methods, reason = "compared with what the SDK makes by itself")]
    async fn client_whose_calls_fail_uses_up_no_retries_of_another() {
        let ours = attempts("eu-west-1", async |config| is_refused(sts(config)).await).await;
        assert!(all_alike(&ours), "{ours:?}");
        // The SDK's own clients are the reason for this module. If they change, the module can be removed.
        let shared = attempts("eu-west-2", async |config| is_refused(aws_sdk_sts::Client::new(config)).await).await;
        assert!(shared.last() < ours.last(), "{shared:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn role_that_cannot_be_assumed_uses_up_no_retries_of_another() {
        let ours =
            attempts("eu-west-3", async |config| gives_nothing(AssumedRole::new(config, ROLE, None)).await).await;
        assert!(all_alike(&ours), "{ours:?}");
        // The SDK's own provider is the reason for `AssumedRole`.
        let shared = attempts("eu-north-1", async |config| gives_nothing(sdk_role(config).await).await).await;
        assert!(shared.last() < ours.last(), "{shared:?}");
    }

    const ROLE: &str = "arn:aws:iam::123456789012:role/taskbell";

    async fn sdk_role(config: &SdkConfig) -> AssumeRoleProvider {
        AssumeRoleProvider::builder(ROLE).configure(config).build().await
    }

    fn all_alike(attempts: &[usize]) -> bool {
        attempts.iter().all(|one| *one == attempts[0] && *one > 1)
    }

    async fn is_refused(client: aws_sdk_sts::Client) {
        client.get_caller_identity().send().await.unwrap_err();
    }

    async fn gives_nothing(provider: impl ProvideCredentials) {
        provider.provide_credentials().await.unwrap_err();
    }
}
