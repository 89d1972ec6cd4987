//! Reads the clusters that a stack watches.

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
        let (name, arn) = match arn::is_meant(text) {
            false => (text, None),
            true => (arn::cluster(text)?, Some(text.to_owned())),
        };
        // ECS accepts the same characters in a cluster's name as taskbell in a stack's.
        match name.parse::<StackName>() {
            Ok(_) => Ok(Self { name: name.to_owned(), arn }),
            Err(_) => Err(Error::usage(format!("{} is neither the name nor the ARN of an ECS cluster", echoed(text)))
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
