//! Credentials of a role that a stack assumes. The SDK's own provider would share its quota of retries with those of all other
//! accounts (`clients.rs`): one account whose role cannot be assumed for a while would leave the others one attempt.

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_sdk_sts::Client;

use super::clients;

/// As CloudTrail shows the session.
const SESSION: &str = "taskbell";

/// Assumes the role anew each time it is asked: whoever uses it keeps what it gives until that expires.
#[derive(Debug)]
pub struct AssumedRole {
    sts: Client,
    arn: String,
    external_id: Option<String>,
}

impl AssumedRole {
    /// With the credentials of this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig, arn: &str, external_id: Option<&str>) -> Self {
        Self { sts: clients::sts(config), arn: arn.to_owned(), external_id: external_id.map(str::to_owned) }
    }

    async fn assume(&self) -> provider::Result {
        let call = self.sts.assume_role().role_arn(&self.arn).role_session_name(SESSION);
        let answer = call.set_external_id(self.external_id.clone()).send().await;
        let given = answer.map_err(CredentialsError::provider_error)?.credentials;
        let given = given.ok_or_else(|| CredentialsError::unhandled("sts:AssumeRole gave no credentials"))?;
        let expires = given.expiration.try_into().map_err(CredentialsError::unhandled)?;
        let (key, secret, token) = (given.access_key_id, given.secret_access_key, given.session_token);
        Ok(Credentials::new(key, secret, Some(token), Some(expires), "AssumeRoleProvider"))
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
