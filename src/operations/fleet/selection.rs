//! Selects the stacks of an operation, from the names that the user gave and from the file of the stacks.

use crate::config::Cluster;
use crate::config::file::{self, File, Member, Site};
use crate::error::{Error, Result, nearest};
use crate::stack::{Place, StackName};

/// The stacks that the user named, and the place that the user gave for them.
pub struct Named<'a> {
    /// The names of stacks.
    pub stacks: &'a [String],
    /// The names or ARNs of clusters.
    pub clusters: &'a [String],
    /// The region and the account that were given. They take precedence over those of the file.
    pub site: Site,
}

/// The number of stacks that a command accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    /// For one stack or none, the file's defaults are enough.
    OneOrNone,
    One,
    Several,
}

/// The choice of several stacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Several {
    /// The named stacks.
    Named,
    /// All stacks of the file.
    All,
    /// The stacks in AWS that are no longer in the file.
    Orphans {
        /// Whether the command asks for confirmation before it removes them.
        asks: bool,
    },
}

impl Named<'_> {
    /// Returns the one stack that the user named, or the only one of the file. Without a file, and for a stack that is not in the
    /// file, returns the defaults.
    ///
    /// # Errors
    /// If the selection is not clear.
    pub fn one(&self, accepts: Accepts, file: Option<&File>) -> Result<Member> {
        if self.stacks.len() > 1 {
            return Err(Error::usage("this command accepts one stack at a time"));
        }
        let Some(file) = file else { return Ok(Member::default()) };
        if accepts == Accepts::OneOrNone && self.stacks.is_empty() {
            return Ok(file.defaults.clone());
        }
        let of_cluster = self.clusters.first().and_then(|text| text.parse::<Cluster>().ok()?.stack_name().ok());
        let named = self.stacks.first().map(String::as_str).or(of_cluster.as_ref().map(StackName::as_str));
        match (named, file.stacks.as_slice()) {
            (Some(name), _) => {
                // A stack that is not in the file gets the file's defaults.
                Ok(self.called(name, file)?.unwrap_or(&file.defaults).clone())
            }
            (None, [member]) => Ok(member.clone()),
            (None, []) => Ok(file.defaults.clone()),
            (None, members) => {
                let all = members.iter().filter_map(|member| member.name.as_ref()).map(ToString::to_string);
                let way = match accepts {
                    Accepts::Several => "give --stack NAME or --all",
                    Accepts::One | Accepts::OneOrNone => "give --stack NAME",
                };
                Err(Error::usage(format!("{} has {} stacks", file.path.display(), members.len()))
                    .hint(format!("{way}: {}", all.collect::<Vec<_>>().join(", "))))
            }
        }
    }

    /// Checks that the file has the stack that the user named with `--stack`, if any. Only a command that needs clusters, and knows
    /// none, depends on this: any other command can use a stack that is not in the file.
    ///
    /// # Errors
    /// If the file has no stack with that name.
    pub fn is_in_file(&self, file: &File) -> Result<()> {
        let Some(name) = self.stacks.first() else { return Ok(()) };
        if self.called(name, file)?.is_some() {
            return Ok(());
        }
        let first = suggestion(name, file).map(|hint| hint + " ").unwrap_or_default();
        Err(unknown(name, file).hint(first + "(for a stack that is not in the file, also give --cluster NAME)"))
    }

    /// Returns the chosen stacks, all of them from the file. For [`Several::Orphans`], returns all stacks of the file, beside which
    /// the orphans are found.
    ///
    /// # Errors
    /// If there is no file, a named stack is not in the file, or the choice contradicts the names.
    pub fn several(&self, choice: Several, file: Option<&File>) -> Result<Vec<Member>> {
        let Some(file) = file else {
            return Err(Error::usage(format!("there is no {} in this folder", file::NAME))
                .hint("`taskbell init` writes one; --config FILE names another"));
        };
        if choice == (Several::Orphans { asks: false }) && file.fleet.is_none() {
            return Err(Error::usage("without a fleet, --orphans selects every stack that is not in the file: taskbell does not remove them without a confirmation")
                .hint("write `fleet = \"NAME\"` into the file and run `setup --all`, or run without --yes, or name each stack: `taskbell teardown --stack NAME`"));
        }
        match choice {
            Several::All if !self.stacks.is_empty() => {
                return Err(Error::usage("--all and --stack cannot be combined"));
            }
            Several::Orphans { .. } if !self.stacks.is_empty() => {
                return Err(Error::usage(
                    "--orphans selects all stacks that are not in the file, and --stack selects one",
                )
                .hint("`taskbell teardown --stack NAME` removes one stack, in the file or not"));
            }
            Several::Named | Several::All | Several::Orphans { .. } => {}
        }
        if !self.clusters.is_empty() {
            return Err(Error::usage("--cluster applies to one stack; the file has the clusters of each stack"));
        }
        if file.stacks.is_empty() {
            return Err(Error::usage(format!("{} has no [[stack]]", file.path.display())));
        }
        if choice != Several::Named {
            return Ok(file.stacks.clone());
        }
        let named = |name: &String| match self.called(name, file)? {
            Some(member) => Ok(member.clone()),
            None => Err(match suggestion(name, file) {
                Some(hint) => unknown(name, file).hint(hint),
                None => unknown(name, file),
            }),
        };
        self.stacks.iter().map(named).collect()
    }

    /// Returns the stack with that name. If several stacks have the name, the given region and profile decide.
    fn called<'a>(&self, name: &str, file: &'a File) -> Result<Option<&'a Member>> {
        let is_same = |given: &Option<String>, of_site: &Option<String>| given.is_none() || given == of_site;
        let is_there = |Site { region, profile, .. }: &Site| {
            is_same(&self.site.region, region) && is_same(&self.site.profile, profile)
        };
        let found: Vec<&Member> = file.stacks.iter().filter(|member| is_called(member, name)).collect();
        let there: Vec<&Member> = found.iter().copied().filter(|member| is_there(&member.site)).collect();
        match (&found[..], &there[..]) {
            ([], _) => Ok(None),
            ([member], _) | (_, [member]) => Ok(Some(member)),
            _ => {
                Err(Error::usage(format!("{} has several stacks called {name}", file.path.display())).hint(match found
                    .iter()
                    .all(|member| {
                        (&member.site.region, &member.site.profile) == (&found[0].site.region, &found[0].site.profile)
                    }) {
                    false => "give the --region or --profile that the file has for the stack you mean",
                    true => "no flag can distinguish them: give one of them another name",
                }))
            }
        }
    }
}

fn unknown(name: &str, file: &File) -> Error {
    Error::usage(format!("{} has no stack {name}", file.path.display()))
}

/// Suggests the nearest name of a stack in the file or, if none is near, all names.
fn suggestion(name: &str, file: &File) -> Option<String> {
    let known: Vec<&str> =
        file.stacks.iter().filter_map(|member| member.name.as_ref()).map(StackName::as_str).collect();
    match nearest(known.iter().copied(), name) {
        Some(near) => Some(format!("did you mean {near}?")),
        None => (!known.is_empty()).then(|| format!("the stacks of the file are {}", known.join(", "))),
    }
}

/// Returns the region and the account of a stack of the file. The given ones take precedence.
#[must_use]
pub fn site_of(member: &Member, given: &Site) -> Site {
    let Member { site, .. } = member;
    Site {
        region: given.region.clone().or_else(|| site.region.clone()),
        profile: given.profile.clone().or_else(|| site.profile.clone()),
        ..site.clone()
    }
}

/// Returns the stack of the file with this name in this account and region. `given` is the region and the account in use.
#[must_use]
pub fn member_at<'a>(name: &StackName, place: &Place, given: &Site, file: &'a File) -> Option<&'a Member> {
    let is_here = |member: &&Member| {
        let (site, region) = (site_of(member, given), &member.site.region);
        let same_account = site.profile == given.profile && site.assumed() == given.assumed();
        same_account && region.as_ref().is_none_or(|region| *region == place.region)
    };
    file.stacks.iter().filter(|member| is_called(member, name.as_str())).find(is_here)
}

pub(super) fn is_called(member: &Member, name: &str) -> bool {
    member.name.as_ref().is_some_and(|known| known.as_str() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const TWICE: &str = r#"
        [[stack]]
        clusters = ["batch"]
        region = "us-east-1"

        [[stack]]
        clusters = ["batch"]
        region = "eu-west-1"
    "#;

    fn file(text: &str) -> File {
        File::parse(Path::new("taskbell.toml"), text).unwrap()
    }

    fn region_of(stacks: &[&str], region: Option<&str>) -> Result<Option<String>> {
        let stacks: Vec<String> = stacks.iter().map(ToString::to_string).collect();
        let site = Site { region: region.map(str::to_owned), ..Site::default() };
        let named = Named { stacks: &stacks, clusters: &[], site };
        named.one(Accepts::Several, Some(&file(TWICE))).map(|member| member.site.region)
    }

    #[test]
    fn region_tells_stacks_of_one_name_apart() {
        assert_eq!(region_of(&["batch"], Some("eu-west-1")).unwrap().as_deref(), Some("eu-west-1"));
        for (stacks, region, told) in [
            (&["batch"][..], None, "taskbell.toml has several stacks called batch"),
            (&["batch"], Some("ap-northeast-1"), "taskbell.toml has several stacks called batch"),
            (&[], Some("eu-west-1"), "taskbell.toml has 2 stacks"),
        ] {
            assert_eq!(region_of(stacks, region).unwrap_err().to_string(), told);
        }
    }

    #[test]
    fn orphans_of_a_file_without_a_fleet_are_removed_only_after_a_question() {
        let named = Named { stacks: &[], clusters: &[], site: Site::default() };
        let several = |asks, file: &File| named.several(Several::Orphans { asks }, Some(file)).map(|all| all.len());
        assert_eq!(several(true, &file(TWICE)).unwrap(), 2);
        assert!(several(false, &file(TWICE)).is_err());
        assert_eq!(several(false, &file(&format!("fleet = \"prod\"\n{TWICE}"))).unwrap(), 2);
    }
}
