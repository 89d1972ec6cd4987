//! Identifies the caller: account, partition and region.

use aws_config::SdkConfig;
use tokio::sync::OnceCell;

use super::fault::{Fault, fault};
use crate::error::{Error, Result};
use crate::stack::Place;

/// The account, partition and region of the caller. Requested once: all callers that need them wait for the one answer.
pub struct Identity {
    sts: aws_sdk_sts::Client,
    pub region: String,
    place: OnceCell<Result<Place, Option<Fault>>>,
}

impl Identity {
    #[must_use]
    pub fn new(config: &SdkConfig, region: &str) -> Self {
        Self { sts: super::sts(config), region: region.to_owned(), place: OnceCell::new() }
    }

    /// # Errors
    /// If AWS does not know the caller, or cannot be reached. Later callers receive the first answer, also if it is an error.
    pub async fn place(&self) -> Result<&Place> {
        let ask = || async {
            let call = self.sts.get_caller_identity().send();
            let caller = call.await.map_err(fault("sts:GetCallerIdentity")).map_err(Some)?;
            match (caller.arn(), caller.account()) {
                (Some(arn), Some(account)) if is_account(account) && is_partition(arn) => {
                    Ok(Place::of_caller(arn, account, &self.region))
                }
                _ => Err(None),
            }
        };
        self.place.get_or_init(ask).await.as_ref().map_err(|unknown| match unknown {
            Some(fault) => fault.clone().into(),
            None => Error::new("AWS did not report the account of the credentials"),
        })
    }
}

/// Checks the form of the account's number, which becomes a part of every ARN, of names and of questions.
fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_partition(arn: &str) -> bool {
    let partition = arn.split(':').nth(1).unwrap_or_default();
    !partition.is_empty() && partition.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
