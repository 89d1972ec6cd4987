//! Finds the stack of several clusters that the user names without the stack's name. The name follows from the clusters, in whatever
//! order they come. Earlier versions took the name of the first cluster: such a stack is found, too.

use std::collections::HashMap;

use futures_util::future::join_all;

use super::session::Session;
use super::target::{Context, Target};
use crate::aws::calls::variables;
use crate::aws::kinds::Given;
use crate::config::file::Site;
use crate::config::{Cluster, record, stack_names};
use crate::desired::{SETTINGS, STACK};
use crate::error::{Category, Error, Result};
use crate::stack::{Stack, StackName};

/// Returns the name of the stack: of the only one that has the name of one of the clusters, or else of the only one that was set up
/// with exactly these clusters. If no such stack exists, returns the name that a new one gets.
///
/// # Errors
/// If several stacks have names of the clusters; if a function could not be read whose stack may be the one that is meant, because a
/// second stack for the same clusters would double each alert; on interruption.
pub async fn of_clusters(clusters: &[Cluster], site: &Site, context: &Context) -> Result<StackName> {
    let names = stack_names(clusters)?;
    let Some(first) = names.first().cloned() else { return Err(Error::usage("no stack was selected")) };
    if names.len() == 1 {
        return Ok(first);
    }
    let target = Target { stack: first.clone(), site: site.clone() };
    let session = Session::open(&target, Given::default(), context).await?;
    let (sdk, region) = (&session.sdk, &session.stack.region);
    let looks = names.iter().map(|name| async move {
        let stack = Stack { name: name.clone(), region: region.clone() };
        variables::of_function(sdk, &stack.function_name()).await
    });
    let (mut found, mut unread) = (Vec::new(), None);
    for (name, look) in names.iter().zip(session.unless_interrupted(join_all(looks)).await?) {
        match look {
            Ok(variables) => found.extend(variables.map(|variables| (name.clone(), variables))),
            Err(fault) => unread = unread.or(Some(fault)),
        }
    }
    let is_of = |name: &StackName, variables: &HashMap<String, String>| {
        variables.get(STACK).is_some_and(|of| of == name.as_str())
    };
    let existing: Vec<(StackName, HashMap<String, String>)> =
        found.into_iter().filter(|(name, variables)| is_of(name, variables)).collect();
    let has_all = |variables: &HashMap<String, String>| {
        variables.get(SETTINGS).is_some_and(|text| record::names(text, clusters).unwrap_or(false))
    };
    let exact: Vec<&StackName> =
        existing.iter().filter(|(_, variables)| has_all(variables)).map(|(name, _)| name).collect();
    match (&existing[..], &exact[..], unread) {
        (_, [name], _) => Ok((*name).clone()),
        (.., Some(fault)) => {
            let which = format!("could not find out whether one of the stacks {} exists", listed(&names));
            Err(Error::new(which).because(Error::from(fault)).category(Category::Unreadable))
        }
        ([], ..) => Ok(first),
        ([(name, _)], ..) => Ok(name.clone()),
        (several, ..) => {
            let names: Vec<StackName> = several.iter().map(|(name, _)| name.clone()).collect();
            Err(Error::usage(format!("the clusters are those of several stacks: {}", listed(&names)))
                .hint("give the name of the stack that you mean: --stack NAME"))
        }
    }
}

fn listed(names: &[StackName]) -> String {
    names.iter().map(StackName::as_str).collect::<Vec<_>>().join(", ")
}
