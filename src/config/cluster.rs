//! Reads the clusters that a stack watches.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::arn;
use crate::error::{Error, Result};
use crate::secret::echoed;
use crate::stack::StackName;

/// An ECS cluster, by name or by ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    name: String,
    arn: Option<String>,
}

impl Cluster {
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the ARN, if the user gave it.
    #[must_use]
    pub fn arn(&self) -> Option<&str> {
        self.arn.as_deref()
    }
}

impl FromStr for Cluster {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match arn::is_meant(text) {
            true => Ok(Self { name: arn::cluster(text)?.to_owned(), arn: Some(text.to_owned()) }),
            false if arn::is_ecs_name(text) => Ok(Self { name: text.to_owned(), arn: None }),
            false => Err(Error::usage(format!("{} is neither the name nor the ARN of an ECS cluster", echoed(text)))
                .hint("a name has letters, digits, hyphens and underscores; an ARN looks like arn:aws:ecs:us-east-1:123456789012:cluster/NAME")),
        }
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.arn.as_deref().unwrap_or(&self.name))
    }
}

/// Reads the clusters, each once.
///
/// # Errors
/// If one is neither a name nor an ARN.
pub fn clusters(texts: &[String]) -> Result<Vec<Cluster>> {
    let mut clusters: Vec<Cluster> = Vec::new();
    for text in texts {
        let cluster: Cluster = text.parse()?;
        if !clusters.contains(&cluster) {
            clusters.push(cluster);
        }
    }
    Ok(clusters)
}

/// Returns the names that the stack of these clusters may have: their names, each once, in an order that does not depend on that of
/// the clusters. The first one is the name of a new stack.
///
/// # Errors
/// If a cluster has no name that a stack may have.
pub fn stack_names(clusters: &[Cluster]) -> Result<Vec<StackName>> {
    let names: BTreeSet<StackName> = clusters.iter().map(|cluster| cluster.name().parse()).collect::<Result<_>>()?;
    Ok(names.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::destination::Destination;
    use crate::pattern::filter::Filters;

    #[test]
    fn cluster_is_a_name_or_an_arn() {
        let arn = "arn:aws-cn:ecs:cn-north-1:123456789012:cluster/batch";
        let cluster: Cluster = arn.parse().unwrap();
        assert_eq!((cluster.name(), cluster.arn()), ("batch", Some(arn)));
        assert_eq!("batch".parse::<Cluster>().unwrap().arn(), None);
        for bad in ["", "a b", "arn:aws:ecs:us-east-1:1:service/x", "arn:aws:ecs:us-east-1:1:cluster/a/b"] {
            assert!(bad.parse::<Cluster>().is_err(), "{bad}");
        }
    }

    #[test]
    fn name_of_a_stack_does_not_depend_on_the_order_of_its_clusters() {
        let of = |names: &[&str]| {
            let clusters: Vec<Cluster> = names.iter().map(|name| name.parse().unwrap()).collect();
            stack_names(&clusters).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of(&["web", "batch", "web"]), ["batch", "web"]);
        assert_eq!(of(&["batch", "web"]), of(&["web", "batch"]));
    }

    #[test]
    fn every_name_of_ecs_has_one_grammar() {
        let (longest, beyond) = ("x".repeat(255), "x".repeat(256));
        for name in ["a", "-_9Z", &longest, &beyond, "", "a b", "a.b", "a/b", "日本"] {
            let filters = Filters { families: vec![name.to_owned()], ..Filters::default() };
            let is_accepted = [
                name.parse::<Cluster>().is_ok(),
                format!("arn:aws:ecs:us-east-1:123456789012:cluster/{name}").parse::<Cluster>().is_ok(),
                name.parse::<StackName>().is_ok(),
                filters.checked().is_ok(),
                format!("/a,family={name}").parse::<Destination>().is_ok(),
            ];
            assert_eq!(is_accepted, [arn::is_ecs_name(name); 5], "{name:?}");
        }
        assert!(arn::is_ecs_name(&longest) && !arn::is_ecs_name(&beyond));
    }
}
