//! Finds the names of the stacks that exist in an account and region, for whoever names none or a wrong one.

use std::time::Duration;

use super::overlap;
use super::session::Session;
use super::target::{Context, Target};
use crate::aws::calls::bus;
use crate::aws::client::wait::at_most;
use crate::aws::kinds::Given;
use crate::error::{Error, suggestion};
use crate::stack::{Place, Stack};

/// The longest look for names that only a hint shows.
const LOOK: Duration = Duration::from_secs(5);

/// Returns the region of the target, and the names of the stacks that have rules there; none if AWS does not tell soon.
pub async fn all(target: &Target, context: &Context) -> Option<(String, Vec<String>)> {
    let look = async {
        let session = Session::open(target, Given::default(), context).await.ok()?;
        let rules = session.unless_interrupted(bus::of_stacks(&session.sdk)).await.ok()?.ok()?;
        let names = overlap::stacks(&rules).into_iter().map(str::to_owned).collect();
        Some((session.stack.region.clone(), names))
    };
    at_most(LOOK, look).await.flatten()
}

/// Returns the error about a stack of which nothing exists. `rules` are those of all stacks there: the name may be that of a cluster that
/// another stack covers.
#[must_use]
pub fn not_set_up(stack: &Stack, place: &Place, rules: &[bus::Rule]) -> Error {
    let Place { region, account, .. } = place;
    let error = Error::new(format!("no stack {} is set up in {region}, account {account}", stack.name));
    let covering = overlap::covering(rules, &place.cluster_arn(stack.name.as_str()));
    if let Some(other) = covering.first() {
        return error.hint(format!("the stack {other} covers the cluster {0}: give --stack {other}", stack.name));
    }
    let others: Vec<&str> = overlap::stacks(rules).into_iter().filter(|name| *name != stack.name.as_str()).collect();
    let near = suggestion("stack", &others, stack.name.as_str()).map(|near| near + "; ").unwrap_or_default();
    error.hint(format!("{near}run `taskbell setup`, or check --stack, --region and --profile"))
}
