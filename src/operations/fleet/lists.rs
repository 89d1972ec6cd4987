//! Keeps the lists of each account and region while the stacks of a fleet are read.

use std::collections::HashMap;

use tokio::sync::Mutex;

use crate::aws::client::connections::Connections;
use crate::aws::kinds::lists::Lists;
use crate::config::file::{Assumed, Site};
use crate::error::Result;

/// The profile, the role and the region with which lists are read: others may be allowed less.
type Reader = (Option<String>, Option<Assumed>, Option<String>);

/// The lists, by their reader. They are as AWS was when they were first needed.
#[derive(Default)]
pub struct FleetLists(Mutex<HashMap<Reader, Lists>>);

impl FleetLists {
    /// Returns the lists of the site's account and region; none if the process reads one stack alone.
    ///
    /// # Errors
    /// If no region is known, or the requested profile does not exist.
    pub async fn of(&self, site: &Site, connections: &Connections) -> Result<Option<Lists>> {
        let Some(stacks) = connections.stacks() else { return Ok(None) };
        let reader = (site.profile.clone(), site.assumed(), site.region.clone());
        let sdk = connections.to(site).await?.sdk;
        Ok(Some(self.0.lock().await.entry(reader).or_insert_with(|| Lists::of(&sdk, stacks)).clone()))
    }
}
