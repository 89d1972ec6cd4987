//! Gets the credentials of a role that a stack assumes. The SDK's own provider would share its quota of retries with all other
//! accounts (`client/mod.rs`): one account whose role cannot be assumed for a while would leave the others one attempt.

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::attributes::AccountId;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_sdk_sts::Client;

use crate::arn::Arn;

/// The name of the session in CloudTrail.
const SESSION: &str = "taskbell";

/// A provider that assumes a role on every request. The SDK's identity cache keeps the credentials until they expire.
#[derive(Debug)]
pub struct AssumedRole {
    sts: Client,
    arn: String,
    external_id: Option<String>,
}

impl AssumedRole {
    /// Returns a provider that assumes the role with the credentials of this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig, arn: &str, external_id: Option<&str>) -> Self {
        Self { sts: super::sts(config), arn: arn.to_owned(), external_id: external_id.map(str::to_owned) }
    }

    async fn assume(&self) -> provider::Result {
        let call = self.sts.assume_role().role_arn(&self.arn).role_session_name(SESSION);
        let answer = call.set_external_id(self.external_id.clone()).send().await;
        let answer = answer.map_err(CredentialsError::provider_error)?;
        let given =
            answer.credentials.ok_or_else(|| CredentialsError::unhandled("sts:AssumeRole gave no credentials"))?;
        let expires = given.expiration.try_into().map_err(CredentialsError::unhandled)?;
        let mut credentials = Credentials::builder()
            .access_key_id(given.access_key_id)
            .secret_access_key(given.secret_access_key)
            .session_token(given.session_token)
            .expiry(expires)
            .provider_name("AssumeRoleProvider");
        // The SDK builds account-based endpoints, such as DynamoDB's, from the account.
        let account =
            answer.assumed_role_user.and_then(|user| Arn::split(&user.arn).map(|arn| AccountId::from(arn.account)));
        credentials.set_account_id(account);
        Ok(credentials.build())
    }
}

impl ProvideCredentials for AssumedRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use aws_config::{BehaviorVersion, Region};
    use aws_sdk_sts::config::SharedCredentialsProvider;
    use aws_smithy_async::time::SystemTimeSource;
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_types::body::SdkBody;

    use super::*;

    const ANSWER: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
        <AssumedRoleUser><Arn>arn:aws:sts::210987654321:assumed-role/watch/taskbell</Arn><AssumedRoleId>A:t</AssumedRoleId></AssumedRoleUser>\
        <Credentials><AccessKeyId>key</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>\
        <Expiration>2026-11-28T12:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";

    /// A network that answers AssumeRole if the role, the session's name and the external id are right.
    #[derive(Debug, Clone)]
    struct Sts;

    impl HttpConnector for Sts {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let body = String::from_utf8_lossy(request.body().bytes().unwrap()).into_owned();
            let wanted = ["Action=AssumeRole", "RoleSessionName=taskbell", "ExternalId=agreed", "role%2Fwatch"];
            let status = if wanted.iter().all(|part| body.contains(part)) { 200 } else { 400 };
            HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(ANSWER))))
        }
    }

    #[tokio::test]
    async fn role_gives_credentials_with_their_account_and_their_end() {
        let keys = Credentials::new("key", "secret", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .http_client(http_client_fn(|_, _| SharedHttpConnector::new(Sts)))
            .time_source(SystemTimeSource::new())
            .build();
        let role = AssumedRole::new(&config, "arn:aws:iam::210987654321:role/watch", Some("agreed"));
        let given = role.provide_credentials().await.unwrap();
        assert_eq!(given.account_id().map(AccountId::as_str), Some("210987654321"));
        assert_eq!((given.access_key_id(), given.session_token()), ("key", Some("token")));
        let end = given.expiry().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(end.as_secs(), 1_795_867_200);
    }
}
