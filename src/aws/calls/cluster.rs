//! Looks up ECS clusters, which taskbell never manages.

use aws_config::SdkConfig;
use aws_sdk_ecs::Client;

use crate::aws::client;
use crate::aws::client::fault::{Fault, fault};
use crate::config::Cluster;
use crate::error::{Error, Result, is_near, suggestion};

/// Most clusters that one DescribeClusters accepts.
const AT_ONCE: usize = 100;

/// # Errors
/// If one of the clusters does not exist here: the hint has the nearest existing names, and `way_out`.
pub async fn must_exist(sdk: &SdkConfig, clusters: &[Cluster], way_out: &str) -> Result<()> {
    missing(sdk, clusters, way_out).await?.map_or(Ok(()), Err)
}

/// Returns an error about the first cluster that does not exist here, with the nearest existing names and `way_out`; none if all
/// exist. A glob needs no cluster that exists.
///
/// # Errors
/// If the call fails.
pub async fn missing(sdk: &SdkConfig, clusters: &[Cluster], way_out: &str) -> Result<Option<Error>, Fault> {
    let ecs = client::ecs(sdk);
    let exact: Vec<&Cluster> = clusters.iter().filter(|cluster| !cluster.is_glob()).collect();
    for some in exact.chunks(AT_ONCE) {
        let names = some.iter().map(|cluster| cluster.name().to_owned()).collect();
        let call = ecs.describe_clusters().set_clusters(Some(names));
        let answer = call.send().await.map_err(fault("ecs:DescribeClusters"))?;
        let exists = |name: &str| {
            let found = answer.clusters().iter().find(|cluster| cluster.cluster_name() == Some(name));
            found.is_some_and(|cluster| cluster.status() != Some("INACTIVE"))
        };
        if let Some(missing) = some.iter().find(|cluster| !exists(cluster.name())) {
            return Ok(Some(unknown(&ecs, missing.name(), way_out).await));
        }
    }
    Ok(None)
}

async fn unknown(ecs: &Client, name: &str, way_out: &str) -> Error {
    let error = Error::new(format!("there is no ECS cluster {name} here"));
    match nearest(ecs, name).await {
        Ok(nearest) => error.hint(format!("{nearest}{way_out}")),
        Err(fault) => error.hint(format!("the clusters could not be listed: {fault}{way_out}")),
    }
}

/// Returns the names of the clusters that are meant, each once: those that are named, and those that a glob covers and that exist
/// here. Lists the clusters only for a glob.
///
/// # Errors
/// If the call fails.
pub async fn meant(sdk: &SdkConfig, clusters: &[Cluster]) -> Result<Vec<String>, Fault> {
    let existing = if clusters.iter().any(Cluster::is_glob) { names(sdk).await? } else { Vec::new() };
    let mut all: Vec<String> = Vec::new();
    for cluster in clusters {
        let of_glob = existing.iter().filter(|name| cluster.is_glob() && cluster.covers(name)).cloned();
        let named = (!cluster.is_glob()).then(|| cluster.name().to_owned());
        for name in of_glob.chain(named) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
    }
    Ok(all)
}

/// Returns the names of all clusters here, sorted.
///
/// # Errors
/// If the call fails.
pub async fn names(sdk: &SdkConfig) -> Result<Vec<String>, Fault> {
    let mut names = list(&client::ecs(sdk)).await?;
    names.sort();
    Ok(names)
}

/// Returns whether AWS Batch made the cluster of this name for a managed compute environment: `AWSBatch-NAME-ID`, or earlier
/// `NAME_Batch_ID`.
#[must_use]
pub fn is_of_batch(name: &str) -> bool {
    name.starts_with("AWSBatch-") || name.contains("_Batch_")
}

async fn list(ecs: &Client) -> Result<Vec<String>, Fault> {
    let mut pages = ecs.list_clusters().into_paginator().items().send();
    let mut names: Vec<String> = Vec::new();
    while let Some(arn) = pages.next().await {
        let arn = arn.map_err(fault("ecs:ListClusters"))?;
        names.push(arn.rsplit('/').next().unwrap_or_default().to_owned());
    }
    Ok(names)
}

async fn nearest(ecs: &Client, name: &str) -> Result<String, Fault> {
    let all = list(ecs).await?;
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let has_near = all.iter().any(|other| is_near(other, name));
    Ok(match suggestion("cluster", &all, name) {
        None => "this account and region have no cluster; check --region and --profile".to_owned(),
        Some(near) if has_near => near,
        Some(others) => format!("{others}; check --region and --profile"),
    })
}
