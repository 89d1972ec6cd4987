//! Checks that credentials exist before a call is made. Never reads the value of a credential, and keeps none.

use aws_config::SdkConfig;
use aws_sdk_sts::config::ProvideCredentials;

use super::fault::{self, Fault};
use crate::error::{Error, Result};
use crate::secret::echoed;

/// # Errors
/// If there are no usable credentials: the error is short, with every attempt of the SDK as detail.
pub async fn must_exist(sdk: &SdkConfig) -> Result<()> {
    source(sdk).await.map(drop)
}

/// Returns the source of the credentials, in words.
///
/// # Errors
/// As [`must_exist`].
pub async fn source(sdk: &SdkConfig) -> Result<String> {
    let Some(provider) = sdk.credentials_provider() else { return Err(fault::no_credentials("")) };
    match provider.provide_credentials().await {
        Ok(credentials) => Ok(source_of(&format!("{credentials:?}"))),
        Err(error) => Err(fault::no_credentials(&fault::chain(&error))),
    }
}

/// Reads the provider's name from the SDK's debug text, which holds no secret: the SDK has the name nowhere else.
fn source_of(text: &str) -> String {
    let name = text.split("provider_name: \"").nth(1).and_then(|rest| rest.split('"').next());
    match name.unwrap_or("an unknown source") {
        "EnvironmentVariable" => "AWS_ACCESS_KEY_ID in the environment".to_owned(),
        "ProfileFile" => "keys in the AWS files".to_owned(),
        "SSO" => "an SSO login".to_owned(),
        "Login" => "a login of the AWS CLI".to_owned(),
        "CredentialProcess" => "the profile's credential_process".to_owned(),
        "AssumeRoleProvider" => "an assumed role".to_owned(),
        "WebIdentityToken" | "WebIdentityTokenFile" => "a web identity token".to_owned(),
        "EcsContainer" => "the container's role".to_owned(),
        "IMDSv2" | "Ec2InstanceMetadata" => "the instance's role".to_owned(),
        other => other.to_owned(),
    }
}

/// Returns the ARN to which the credentials belong, as AWS reports it.
///
/// # Errors
/// If AWS does not know the credentials, or does not answer.
pub async fn caller(sdk: &SdkConfig) -> Result<String, Fault> {
    let answer = super::sts(sdk).get_caller_identity().send().await;
    Ok(answer.map_err(fault::fault("sts:GetCallerIdentity"))?.arn.unwrap_or_default())
}

/// Returns the name of the profile in use, and whether the profile has a region.
#[allow(clippy::default_trait_access, reason = "the types are of a crate that the SDK keeps to itself")]
pub async fn profile(asked: Option<&str>) -> Option<(String, bool)> {
    let asked = asked.map(|name| name.to_owned().into());
    let profiles =
        aws_config::profile::load(&Default::default(), &Default::default(), &Default::default(), asked).await.ok()?;
    let name = profiles.selected_profile();
    Some((name.to_owned(), profiles.get_profile(name)?.get("region").is_some()))
}

/// Returns the profile that is requested, by this name or in the environment, if no file has it.
#[allow(clippy::default_trait_access, reason = "the types are of a crate that the SDK keeps to itself")]
pub async fn unknown_profile(asked: Option<&str>) -> Option<String> {
    let asked = asked.map(|name| name.to_owned().into());
    // Files that cannot be read are reported by the code that needs something from them.
    let profiles =
        aws_config::profile::load(&Default::default(), &Default::default(), &Default::default(), asked).await.ok()?;
    let name = profiles.selected_profile();
    (name != "default" && profiles.get_profile(name).is_none()).then(|| name.to_owned())
}

#[must_use]
pub fn no_such_profile(name: &str) -> Error {
    Error::new(format!("there is no profile {} in the AWS configuration", echoed(name)))
        .hint("`aws configure list-profiles` lists the profiles")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_sts::config::Credentials;

    #[test]
    fn source_is_named_without_any_credential() {
        for (provider, told) in
            [("EnvironmentVariable", "AWS_ACCESS_KEY_ID in the environment"), ("SSO", "an SSO login"), ("New", "New")]
        {
            let credentials = Credentials::new("AKIAHUNTER2", "hunter2", Some("hunter2".to_owned()), None, provider);
            assert_eq!(source_of(&format!("{credentials:?}")), told);
        }
        assert_eq!(source_of("Credentials(..)"), "an unknown source");
    }
}
