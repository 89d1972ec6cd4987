//! Reads the clusters that a stack watches.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::arn;
use crate::error::{Error, Result};
use crate::pattern::clusters as globs;
use crate::secret::echoed;
use crate::stack::StackName;

/// An ECS cluster, by name or by ARN; or all clusters that a glob covers, also those that do not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    name: String,
    arn: Option<String>,
    /// The names that a glob leaves out. They may be globs, too.
    excluded: Vec<String>,
}

/// The word for `*` in the name of a stack.
const EVERY: &str = "all";

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

    /// Returns whether the name stands for several clusters.
    #[must_use]
    pub fn is_glob(&self) -> bool {
        globs::is_glob(&self.name)
    }

    /// Returns whether a cluster of this name is meant.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        globs::covers(&self.name, name) && !self.excluded.iter().any(|glob| globs::covers(glob, name))
    }

    /// Returns the names that a glob leaves out.
    #[must_use]
    pub fn excluded(&self) -> &[String] {
        &self.excluded
    }

    /// Returns the name of a stack for this cluster: `all` for `*`, and `prod-all` for `prod-*`, so that a stack for the cluster `prod`
    /// has another name.
    ///
    /// # Errors
    /// If the name is too long.
    pub fn stack_name(&self) -> Result<StackName> {
        let parts: Vec<&str> = self.name.split('*').map(|part| part.trim_matches(['-', '_'])).collect();
        let (last, first) = parts.split_last().unwrap_or((&"", &[]));
        let words = first.iter().flat_map(|part| [*part, EVERY]).chain([*last]).filter(|word| !word.is_empty());
        match self.is_glob() {
            true => words.collect::<Vec<_>>().join("-").parse(),
            false => self.name.parse(),
        }
    }

    fn without(self, excluded: &[String]) -> Self {
        Self { excluded: excluded.to_vec(), ..self }
    }
}

impl FromStr for Cluster {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match arn::is_meant(text) {
            true => {
                let name = arn::cluster(text)?.to_owned();
                Ok(Self { name, arn: Some(text.to_owned()), excluded: Vec::new() })
            }
            false if arn::is_ecs_glob(text) => Ok(Self { name: text.to_owned(), arn: None, excluded: Vec::new() }),
            false => Err(Error::usage(format!("{} is neither the name nor the ARN of an ECS cluster", echoed(text)))
                .hint("a name has letters, digits, hyphens and underscores, and * for any characters; an ARN looks like arn:aws:ecs:us-east-1:123456789012:cluster/NAME")),
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

/// Reads the clusters, sorted, of which `*` leaves out the excluded ones. Without a cluster, all but the excluded ones are meant.
///
/// # Errors
/// As [`clusters`], and if clusters are excluded from others than `*`.
pub fn clusters_but(texts: &[String], excluded: &[String]) -> Result<Vec<Cluster>> {
    let mut clusters = clusters(texts)?;
    // A rule must not depend on the order of the flags: the record of the settings is sorted, too.
    clusters.sort_by(|one, other| (&one.name, &one.arn).cmp(&(&other.name, &other.arn)));
    match clusters.as_slice() {
        _ if excluded.is_empty() => Ok(clusters),
        [] => Ok(vec!["*".parse::<Cluster>()?.without(excluded)]),
        [all] if all.name == "*" => Ok(vec![all.clone().without(excluded)]),
        _ => Err(Error::usage("--exclude-cluster leaves clusters out of all: --cluster '*'").hint(
            "for one field, a pattern can list the values that match or the values that do not, not both: name the clusters with \
             --cluster, or use --cluster '*' with --exclude-cluster",
        )),
    }
}

/// Returns the names that the stack of these clusters may have: their names, each once, in an order that does not depend on that of
/// the clusters. The first one is the name of a new stack.
///
/// # Errors
/// If a cluster has no name that a stack may have.
pub fn stack_names(clusters: &[Cluster]) -> Result<Vec<StackName>> {
    let names: BTreeSet<StackName> = clusters.iter().map(Cluster::stack_name).collect::<Result<_>>()?;
    Ok(names.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::destination::Destination;
    use crate::pattern::filter::Filters;

    #[test]
    fn stack_of_a_glob_has_another_name_than_the_stack_of_a_cluster() {
        for (text, name) in [
            ("batch", "batch"),
            ("*", "all"),
            ("prod-*", "prod-all"),
            ("*-prod", "all-prod"),
            ("eu_*-prod", "eu-all-prod"),
            ("arn:aws:ecs:us-east-1:123456789012:cluster/batch", "batch"),
        ] {
            assert_eq!(text.parse::<Cluster>().unwrap().stack_name().unwrap().as_str(), name, "{text}");
        }
    }

    #[test]
    fn only_all_clusters_leave_some_out() {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let excluded = texts(&["dev-*", "test"]);
        for named in [&[][..], &["*"]] {
            let all = clusters_but(&texts(named), &excluded).unwrap();
            assert_eq!(all.len(), 1, "{all:?}");
            let all = &all[0];
            assert!(all.covers("prod") && all.covers("test-2") && !all.covers("test") && !all.covers("dev-1"));
        }
        for named in [&["prod-*"][..], &["prod"], &["*", "prod"]] {
            assert!(clusters_but(&texts(named), &excluded).is_err(), "{named:?}");
            assert!(clusters_but(&texts(named), &[]).is_ok(), "{named:?}");
        }
        assert!("a**b".parse::<Cluster>().is_err());
        assert!("arn:aws:ecs:us-east-1:123456789012:cluster/prod-*".parse::<Cluster>().is_err());
    }

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
