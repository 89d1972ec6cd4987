//! Whether there is anything to sign calls with, before a call is made. Knows no credential, and keeps none.

use aws_config::SdkConfig;
use aws_sdk_sts::config::ProvideCredentials;

use super::fault;
use crate::error::{Error, Result};

/// # Errors
/// If none can be had: short, with the whole story as detail.
pub async fn must_exist(sdk: &SdkConfig) -> Result<()> {
    let Some(provider) = sdk.credentials_provider() else { return Err(fault::no_credentials("")) };
    match provider.provide_credentials().await {
        Ok(_) => Ok(()),
        Err(error) => Err(fault::no_credentials(&fault::chain(&error))),
    }
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
