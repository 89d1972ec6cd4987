//! Whether there is anything to sign calls with, before a call is made. Knows no credential, and keeps none.

use aws_config::SdkConfig;
use aws_sdk_sts::config::ProvideCredentials;

use super::fault::{self, Fault};
use crate::error::{Error, Result};

/// # Errors
/// If none can be had: short, with the whole story as detail.
pub async fn must_exist(sdk: &SdkConfig) -> Result<()> {
    source(sdk).await.map(drop)
}

/// Where they come from, in words.
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

/// The SDK tells it nowhere else than in its text for debugging, which holds no secret.
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

/// Who AWS says they belong to.
///
/// # Errors
/// If AWS does not know them, or does not answer.
pub async fn caller(sdk: &SdkConfig) -> Result<String, Fault> {
    let answer = super::sts(sdk).get_caller_identity().send().await;
    Ok(answer.map_err(fault::fault("sts:GetCallerIdentity"))?.arn.unwrap_or_default())
}

/// The name of the profile in use, and whether it says a region.
#[allow(clippy::default_trait_access, reason = "the types are of a crate that the SDK keeps to itself")]
pub async fn profile(asked: Option<&str>) -> Option<(String, bool)> {
    let asked = asked.map(|name| name.to_owned().into());
    let profiles =
        aws_config::profile::load(&Default::default(), &Default::default(), &Default::default(), asked).await.ok()?;
    let name = profiles.selected_profile();
    Some((name.to_owned(), profiles.get_profile(name)?.get("region").is_some()))
}

/// The profile that is asked for, by this name or in the environment, if no file has it.
#[allow(clippy::default_trait_access, reason = "the types are of a crate that the SDK keeps to itself")]
pub async fn unknown_profile(asked: Option<&str>) -> Option<String> {
    let asked = asked.map(|name| name.to_owned().into());
    // What cannot be read is told by whoever needs something of it.
    let profiles =
        aws_config::profile::load(&Default::default(), &Default::default(), &Default::default(), asked).await.ok()?;
    let name = profiles.selected_profile();
    (name != "default" && profiles.get_profile(name).is_none()).then(|| name.to_owned())
}

#[must_use]
pub fn no_such_profile(name: &str) -> Error {
    Error::new(format!("there is no profile {name:?} in the AWS configuration"))
        .hint("`aws configure list-profiles` shows which there are")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_sts::config::Credentials;

    #[test]
    fn the_source_is_told_in_words_and_nothing_of_the_credentials() {
        for (provider, told) in
            [("EnvironmentVariable", "AWS_ACCESS_KEY_ID in the environment"), ("SSO", "an SSO login"), ("New", "New")]
        {
            let credentials = Credentials::new("AKIAHUNTER2", "hunter2", Some("hunter2".to_owned()), None, provider);
            assert_eq!(source_of(&format!("{credentials:?}")), told);
        }
        assert_eq!(source_of("Credentials(..)"), "an unknown source");
    }
}
