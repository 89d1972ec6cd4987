//! Finds the accounts and the regions of several stacks, and the stacks there that are no longer in the file.

use futures_util::StreamExt;
use futures_util::stream::iter;

use super::selection::{is_called, site_of};
use crate::aws::calls::tagged;
use crate::aws::client::connections::Connection;
use crate::config::file::{File, Member, Site};
use crate::error::{Error, Result};
use crate::operations::events::Asking;
use crate::operations::session::{asking, no_account, nothing_changed, unless};
use crate::operations::target::Context;
use crate::stack::Place;

/// A stack of the file, with its account and region, or with the error of their lookup.
pub struct Placed<'a> {
    pub member: &'a Member,
    pub place: Option<Place>,
    pub error: Option<Error>,
}

impl Placed<'_> {
    #[must_use]
    pub fn is_of(&self, member: &Member) -> bool {
        self.member.name == member.name && self.member.site == member.site
    }
}

/// The stacks in AWS that are no longer in the file.
pub struct Orphans<'a> {
    /// The stacks, each with the settings and the account of the stack of the file beside which it was found.
    pub found: Vec<(Member, &'a Place)>,
    /// The accounts and regions that could not be read.
    pub unread: Vec<(&'a Place, Error)>,
}

/// Looks up the account and region of each stack, at most `at_once` at a time. Stacks with the same region, profile and role share
/// one lookup. A failed lookup is part of the result.
///
/// # Errors
/// If two stacks have the same name, account and region; on interruption.
pub async fn placed<'a>(
    members: &'a [Member],
    at_once: usize,
    given: &Site,
    context: &Context,
) -> Result<Vec<Placed<'a>>> {
    let looks = members.iter().map(|member| async move {
        let look = async {
            let identity = connection(member, given, context).await?.identity;
            identity.place().await.cloned().map_err(no_account)
        };
        let (place, error) = match look.await {
            Ok(place) => (Some(place), None),
            Err(error) => (None, Some(error)),
        };
        Placed { member, place, error }
    });
    let look = asking(&context.listener, Asking::Look, iter(looks).buffered(at_once).collect::<Vec<_>>());
    let placed = unless(&context.cancel, look).await.map_err(nothing_changed)?;
    apart(&placed)?;
    Ok(placed)
}

async fn connection(member: &Member, given: &Site, context: &Context) -> Result<Connection> {
    context.connections.to(&site_of(member, given)).await
}

/// Checks that no two stacks of the file have the same name, account and region. Two profiles may lead to the same account.
fn apart(placed: &[Placed]) -> Result<()> {
    for (at, one) in placed.iter().enumerate() {
        let (Some(place), Some(name)) = (&one.place, &one.member.name) else { continue };
        let same = |other: &Placed| other.place.as_ref() == Some(place) && other.member.name == one.member.name;
        if placed[..at].iter().any(same) {
            return Err(Error::usage(format!(
                "the stack {name} is defined twice: both are in {}, account {}",
                place.region, place.account
            ))
            .hint("give one of them another name"));
        }
    }
    Ok(())
}

/// Finds the stacks in AWS that are no longer in the file. An account and region that cannot be read is part of the result.
///
/// # Errors
/// On interruption.
pub async fn orphans<'a>(
    file: &File,
    placed: &'a [Placed<'_>],
    given: &Site,
    context: &Context,
) -> Result<Orphans<'a>> {
    let look = asking(&context.listener, Asking::Look, look_for_orphans(file, placed, given, context));
    unless(&context.cancel, look).await.map_err(nothing_changed)
}

async fn look_for_orphans<'a>(file: &File, placed: &'a [Placed<'_>], given: &Site, context: &Context) -> Orphans<'a> {
    let mut orphans = Orphans { found: Vec::new(), unread: Vec::new() };
    let mut seen: Vec<&Place> = Vec::new();
    for Placed { member, place, error: _ } in placed {
        let Some(place) = place.as_ref().filter(|place| !seen.contains(place)) else { continue };
        seen.push(place);
        let look = async {
            let sdk = connection(member, given, context).await?.sdk;
            Ok::<_, Error>(tagged::stacks(&sdk, file.fleet.as_deref()).await?)
        };
        // A stack of the file whose account is unknown may be this stack.
        let known = |name: &str| {
            placed
                .iter()
                .any(|other| is_called(other.member, name) && other.place.as_ref().is_none_or(|at| at == place))
        };
        match look.await {
            Ok(names) => {
                let gone = names.into_iter().filter(|name| !known(name)).filter_map(|name| name.parse().ok());
                orphans.found.extend(gone.map(|name| (Member { name: Some(name), ..(*member).clone() }, place)));
            }
            Err(error) => orphans.unread.push((place, error)),
        }
    }
    orphans
}
