//! Finds the stacks by the tag on all their resources.

use std::collections::BTreeSet;

use aws_config::SdkConfig;
use aws_sdk_resourcegroupstagging::types::TagFilter;

use crate::aws::client;
use crate::aws::client::fault::{Fault, fault};
use crate::stack::{FLEET_TAG, STACK_TAG};

/// Returns the names of the stacks in this account and region; with a fleet's name, only the fleet's stacks. A stack that was
/// just deleted may still be included. The call does not find roles by their tags: a stack with nothing left but a role is not
/// found.
///
/// # Errors
/// If the call fails.
pub async fn stacks(sdk: &SdkConfig, fleet: Option<&str>) -> Result<BTreeSet<String>, Fault> {
    let client = client::tagging(sdk);
    let filter = |key: &str| TagFilter::builder().key(key);
    let of_fleet = fleet.map(|fleet| filter(FLEET_TAG).values(fleet).build());
    let filters: Vec<TagFilter> = of_fleet.into_iter().chain([filter(STACK_TAG).build()]).collect();
    let mut pages = client.get_resources().set_tag_filters(Some(filters)).into_paginator().send();
    let mut names = BTreeSet::new();
    while let Some(page) = pages.next().await {
        for resource in page.map_err(fault("tag:GetResources"))?.resource_tag_mapping_list() {
            let tag = resource.tags().iter().find(|tag| tag.key() == STACK_TAG);
            names.extend(tag.map(|tag| tag.value().to_owned()));
        }
    }
    Ok(names)
}
