//! Identifies the caller: account, partition and region.

use aws_config::SdkConfig;
use tokio::sync::OnceCell;

use super::fault::{Fault, fault};
use crate::arn::{Arn, is_account, is_partition};
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
                // The account and the partition become parts of every ARN, of names and of questions.
                (Some(text), Some(account)) if is_account(account) && has_partition(text) => {
                    Ok(Place::of_caller(text, account, &self.region))
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

fn has_partition(arn: &str) -> bool {
    Arn::split(arn).is_some_and(|arn| is_partition(arn.partition))
}
