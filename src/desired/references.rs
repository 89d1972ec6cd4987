//! Refuses ARNs of the user's own resources that AWS would refuse from the stack's account, region or partition.
//!
//! IAM, Lambda and CloudWatch check such an ARN only when the resource that uses it is made: by then, other resources exist. Makes
//! no call.

use crate::arn::{self, Arn};
use crate::config::Config;
use crate::config::destination::Destination;
use crate::error::{Error, Result};
use crate::stack::Place;

/// The way out for a stack of a file that is for several accounts.
const OF_SEVERAL_ACCOUNTS: &str = "; a file for several accounts sets the key for each stack, not in [defaults]";

/// Checks every ARN that a configuration names, apart from those of clusters.
///
/// # Errors
/// For the first ARN that the stack cannot use.
pub fn check(config: &Config, place: &Place) -> Result<()> {
    config.permissions_boundary.iter().try_for_each(|arn| boundary(arn, place))?;
    config.own_role_arn.iter().try_for_each(|arn| notifier_role(arn, place))?;
    config.alarm_topic.iter().try_for_each(|topic| alarm_topic(topic, place))?;
    config.destinations.iter().filter_map(Destination::topic).try_for_each(|topic| destination(topic, place))
}

/// Checks the permissions boundary of the notifier's role. IAM accepts policies of the role's own account, and policies of AWS.
///
/// # Errors
/// For a policy of another account or partition.
pub fn boundary(text: &str, place: &Place) -> Result<()> {
    let account = match Arn::split(text) {
        Some(arn) if arn.account == "aws" => "aws",
        _ => &place.account,
    };
    of_iam("the permissions boundary", text, account, place, |here| {
        format!(
            "IAM accepts a policy of the role's own account, or of AWS: give {here} with --permissions-boundary (permissions_boundary in taskbell.toml){OF_SEVERAL_ACCOUNTS}"
        )
    })
}

/// Checks the user's own role for the notifier. Lambda accepts a role of the function's own account.
///
/// # Errors
/// For a role of another account or partition.
pub fn notifier_role(text: &str, place: &Place) -> Result<()> {
    of_iam("the notifier's role", text, &place.account, place, |here| {
        format!(
            "Lambda accepts a role of the function's own account: give {here} with --notifier-role-arn (notifier_role_arn in taskbell.toml){OF_SEVERAL_ACCOUNTS}"
        )
    })
}

/// # Errors
/// For an ARN that is not of this account and the place's partition; `hint` gets the ARN that would be.
fn of_iam(of: &str, text: &str, account: &str, place: &Place, hint: impl Fn(Arn) -> String) -> Result<()> {
    let Some(arn) = Arn::split(text) else { return Ok(()) };
    let here = Arn { partition: &place.partition, account, ..arn };
    if arn == here {
        return Ok(());
    }
    let told = format!("{of} {text} is not in the account {} of the partition {}", place.account, place.partition);
    Err(Error::usage(told).hint(hint(here)))
}

/// Checks the topic of the alarms. CloudWatch notifies topics of its own region, also those of other accounts.
fn alarm_topic(topic: &str, place: &Place) -> Result<()> {
    if Arn::split(topic).is_none_or(|arn| arn.region != place.region) {
        return Err(Error::usage(format!("the topic {topic} is not in {}", place.region))
            .hint("CloudWatch notifies topics of its own region only"));
    }
    in_partition(topic, place)
}

/// Checks the topic of a destination. The notifier publishes to topics of other regions and accounts, too.
fn destination(topic: &str, place: &Place) -> Result<()> {
    // An export leaves the partition open.
    if arn::is_partition(&place.partition) { in_partition(topic, place) } else { Ok(()) }
}

fn in_partition(topic: &str, place: &Place) -> Result<()> {
    match Arn::split(topic).is_some_and(|arn| arn.partition == place.partition) {
        true => Ok(()),
        false => Err(Error::usage(format!("the topic {topic} is not in the partition {}", place.partition)).hint(
            "the credentials of a stack are of no use in other partitions: give a topic of this partition, or check --region and --profile",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(partition: &str, region: &str) -> Place {
        Place { partition: partition.to_owned(), region: region.to_owned(), account: "123456789012".to_owned() }
    }

    #[test]
    fn policies_and_roles_of_other_accounts_and_partitions_are_refused() {
        type Check = fn(&str, &Place) -> Result<()>;
        let (us, cn) = (place("aws", "us-east-1"), place("aws-cn", "cn-north-1"));
        for (check, arn, place, here) in [
            (boundary as Check, "arn:aws:iam::123456789012:policy/a/wall", &us, None),
            (boundary, "arn:aws:iam::aws:policy/ReadOnlyAccess", &us, None),
            (boundary, "arn:aws-cn:iam::aws:policy/ReadOnlyAccess", &cn, None),
            (boundary, "arn:aws:iam::210987654321:policy/wall", &us, Some("arn:aws:iam::123456789012:policy/wall")),
            (
                boundary,
                "arn:aws:iam::aws:policy/ReadOnlyAccess",
                &cn,
                Some("arn:aws-cn:iam::aws:policy/ReadOnlyAccess"),
            ),
            (notifier_role, "arn:aws:iam::123456789012:role/mine", &us, None),
            (notifier_role, "arn:aws:iam::210987654321:role/mine", &us, Some("arn:aws:iam::123456789012:role/mine")),
            (notifier_role, "arn:aws:iam::123456789012:role/mine", &cn, Some("arn:aws-cn:iam::123456789012:role/mine")),
        ] {
            let refused = check(arn, place).err();
            let hint = refused.map(|error| (error.to_string(), format!("{:?}", error.nearest_hint())));
            assert_eq!(hint.is_some(), here.is_some(), "{arn}: {hint:?}");
            if let (Some((told, hint)), Some(here)) = (hint, here) {
                assert!(told.contains(arn) && hint.contains(here), "{told} {hint}");
            }
        }
    }

    #[test]
    fn topics_are_of_the_stacks_partition_and_those_of_alarms_of_its_region() {
        let (us, cn) = (place("aws", "us-east-1"), place("aws-cn", "cn-north-1"));
        for (topic, place, alarm, notifier) in [
            ("arn:aws:sns:us-east-1:123456789012:a", &us, true, true),
            ("arn:aws:sns:us-east-1:210987654321:a", &us, true, true),
            ("arn:aws:sns:eu-west-1:123456789012:a", &us, false, true),
            ("arn:aws-cn:sns:us-east-1:123456789012:a", &us, false, false),
            ("arn:aws:sns:cn-north-1:123456789012:a", &cn, false, false),
            ("arn:aws-cn:sns:cn-north-1:123456789012:a", &cn, true, true),
        ] {
            let outcomes = (alarm_topic(topic, place).is_ok(), destination(topic, place).is_ok());
            assert_eq!(outcomes, (alarm, notifier), "{topic}");
        }
    }
}
