//! Manages the IAM roles of the notifier and of its schedules, with their inline policies and attachments: attachments of others are
//! drift, too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_iam::Client;
use aws_sdk_iam::types::{Role as SdkRole, Tag};
use serde::{Deserialize, Serialize};

use super::lists::Lists;
use crate::aws::client::fault::{Fault, fault};
use crate::aws::client::joined::Joined;
use crate::aws::client::wait::{CONFLICT, Waiter, conflict, unseen};
use crate::error::{Error, Result};
use crate::policy::Policy;
use crate::reconcile::resource::{Adapter, AlreadyExists, Found, TagChange, Tags};
use crate::stack::{Address, Id, Kind, Stack};

const ABSENT: [&str; 2] = ["NoSuchEntity", "NoSuchEntityException"];
/// The key of the notifier's role, and the name of its one inline policy.
pub const POLICY: &str = "notifier";
/// The key of the role with which Scheduler invokes the notifier, and the name of its one inline policy.
pub const WATCH: &str = "watch";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// The path, which cannot be changed after the role's creation.
    pub path: String,
    pub trust: Policy,
    pub description: String,
    pub max_session_seconds: i32,
    pub permissions_boundary: Option<String>,
    /// Inline policies by name.
    pub policies: BTreeMap<String, Policy>,
    /// ARNs of attached managed policies.
    pub attached: BTreeSet<String>,
}

pub struct Role {
    pub iam: Client,
    pub waiter: Waiter,
    pub reader: Arc<Reader>,
}

/// A reader of roles; the function uses it too, and checks whether it is bound to the current role.
pub struct Reader {
    pub iam: Client,
    /// The name of the notifier's role.
    pub notifier: String,
    pub joined: Joined<Option<SdkRole>>,
    /// The lists of all stacks, if several are read.
    pub lists: Lists,
}

impl Reader {
    /// Returns the role of that name. Concurrent callers who request the notifier's role share one answer.
    pub(super) async fn get(&self, name: &str) -> Result<Option<SdkRole>, Fault> {
        let call = || async {
            match self.iam.get_role().role_name(name).send().await.map_err(fault("iam:GetRole")) {
                Err(fault) if is_absent(&fault) => Ok(None),
                answer => Ok(answer?.role),
            }
        };
        if name == self.notifier { self.joined.ask(call).await } else { call().await }
    }
}

/// Returns the address of the notifier's role.
#[must_use]
pub fn address(stack: &Stack) -> Address {
    Address { id: Id::new(Kind::Role, POLICY), name: stack.role_name(), stack: stack.name.clone() }
}

/// Returns the address of the role with which Scheduler invokes the notifier.
#[must_use]
pub fn watch_address(stack: &Stack) -> Address {
    Address { id: Id::new(Kind::Role, WATCH), name: stack.watch_role_name(), stack: stack.name.clone() }
}

impl Adapter for Role {
    type Spec = Spec;
    const KIND: Kind = Kind::Role;
    const FIXED: &'static [&'static str] = &["path"];
    const CREATION_REFUSES: bool = true;

    async fn read(&self, at: &Address) -> Result<Option<Found<Spec>>> {
        let (name, inline) = (&at.name, &at.id.key);
        let parts = async { tokio::join!(self.policy_names(name), self.attached(name), self.policy(name, inline)) };
        let (role, (names, attached, policy)) = if inline == WATCH {
            if self.reader.lists.has_role(name).await == Some(false) {
                return Ok(None);
            }
            // Most stacks have no such role, and one call shows that.
            match self.reader.get(name).await? {
                None => return Ok(None),
                role => (Ok(role), parts.await),
            }
        } else {
            tokio::join!(self.reader.get(name), parts)
        };
        let Some(role) = role? else {
            return Ok(None);
        };
        let (Some(names), Some(attached)) = (names?, attached?) else {
            return Ok(None);
        };
        let listed = names.len();
        let mut policies = BTreeMap::new();
        for other in names {
            let policy = match other == *inline {
                true => policy.clone()?,
                false => self.policy(name, &other).await?,
            };
            policies.extend(policy.map(|policy| (other, policy)));
        }
        // A listed policy was removed since, and perhaps the role as well.
        if policies.len() < listed && self.reader.get(name).await?.is_none() {
            return Ok(None);
        }
        let tags = role.tags().iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect();
        let boundary = role.permissions_boundary.and_then(|boundary| boundary.permissions_boundary_arn);
        let spec = Spec {
            path: role.path,
            trust: Policy::parse(role.assume_role_policy_document.as_deref().unwrap_or("{}")),
            description: role.description.unwrap_or_default(),
            max_session_seconds: role.max_session_duration.unwrap_or(3600),
            permissions_boundary: boundary,
            policies,
            attached,
        };
        Ok(Some(Found { spec, tags }))
    }

    /// Creates the role without its policies.
    async fn begin(&self, at: &Address, want: &Spec, tags: &TagChange) -> Result<()> {
        self.create(at, want, &tags.all).await
    }

    async fn put(&self, at: &Address, have: Option<&Spec>, want: &Spec, tags: &TagChange) -> Result<()> {
        match have {
            None => {}
            Some(have) if have.path != want.path => {
                return Err(Error::new(format!(
                    "the path of the role {} is {} and cannot be changed",
                    at.name, have.path
                ))
                .hint("delete the role, or choose another name with --stack"));
            }
            Some(have) => self.update(at, have, want).await?,
        }
        let (none, nothing) = (BTreeMap::new(), BTreeSet::new());
        let policies = have.map_or(&none, |have| &have.policies);
        let attached = have.map_or(&nothing, |have| &have.attached);
        for (name, policy) in want.policies.iter().filter(|(name, policy)| policies.get(*name) != Some(*policy)) {
            self.put_policy(at, name, policy).await?;
        }
        let extra: Vec<&String> = policies.keys().filter(|name| !want.policies.contains_key(*name)).collect();
        self.strip(at, &extra, &attached.difference(&want.attached).collect::<Vec<_>>()).await?;
        for arn in want.attached.difference(attached) {
            let call = self.iam.attach_role_policy().role_name(&at.name).policy_arn(arn);
            call.send().await.map_err(fault("iam:AttachRolePolicy"))?;
        }
        // The record of the applied spec comes last, once it is applied.
        if have.is_some() { self.tag(at, tags).await } else { Ok(()) }
    }

    /// Deletes the role. DeleteRole refuses if something was attached since the role was read; then everything is listed again.
    async fn delete(&self, at: &Address, have: &Spec) -> Result<()> {
        self.strip(at, &have.policies.keys().collect::<Vec<_>>(), &have.attached.iter().collect::<Vec<_>>()).await?;
        if self.delete_role(at).await?.is_ok() {
            return Ok(());
        }
        let names = self.policy_names(&at.name).await?.unwrap_or_default();
        let attached = self.attached(&at.name).await?.unwrap_or_default();
        self.strip(at, &names.iter().collect::<Vec<_>>(), &attached.iter().collect::<Vec<_>>()).await?;
        self.leave_instance_profiles(at).await?;
        self.delete_role(at).await?.map_err(Into::into)
    }

    async fn list(&self, stack: &Stack) -> Result<Vec<Address>> {
        Ok(vec![address(stack), watch_address(stack)])
    }
}

impl Role {
    /// Returns the names of the inline policies; none if there is no such role.
    async fn policy_names(&self, role: &str) -> Result<Option<Vec<String>>, Fault> {
        let mut pages = self.iam.list_role_policies().role_name(role).into_paginator().items().send();
        let mut names = Vec::new();
        while let Some(name) = pages.next().await {
            match name.map_err(fault("iam:ListRolePolicies")) {
                Err(fault) if is_absent(&fault) => return Ok(None),
                name => names.push(name?),
            }
        }
        Ok(Some(names))
    }

    /// Returns the ARNs of the attached policies; none if there is no such role.
    async fn attached(&self, role: &str) -> Result<Option<BTreeSet<String>>, Fault> {
        let mut pages = self.iam.list_attached_role_policies().role_name(role).into_paginator().items().send();
        let mut arns = BTreeSet::new();
        while let Some(policy) = pages.next().await {
            match policy.map_err(fault("iam:ListAttachedRolePolicies")) {
                Err(fault) if is_absent(&fault) => return Ok(None),
                policy => arns.extend(policy?.policy_arn),
            }
        }
        Ok(Some(arns))
    }

    async fn policy(&self, role: &str, name: &str) -> Result<Option<Policy>, Fault> {
        let call = self.iam.get_role_policy().role_name(role).policy_name(name);
        match call.send().await.map_err(fault("iam:GetRolePolicy")) {
            Err(fault) if is_absent(&fault) => Ok(None),
            answer => Ok(Some(Policy::parse(answer?.policy_document()))),
        }
    }

    async fn create(&self, at: &Address, want: &Spec, tags: &Tags) -> Result<()> {
        let Spec { path, trust, description, max_session_seconds, permissions_boundary, policies: _, attached: _ } =
            want;
        let call = self
            .iam
            .create_role()
            .role_name(&at.name)
            .path(path)
            .assume_role_policy_document(trust.document().to_string())
            .description(description)
            .max_session_duration(*max_session_seconds)
            .set_permissions_boundary(permissions_boundary.clone())
            .set_tags(Some(sdk_tags(tags)?));
        match call.send().await.map_err(fault("iam:CreateRole")) {
            Err(fault) if fault.is(&["EntityAlreadyExists", "EntityAlreadyExistsException"]) => {
                Err(AlreadyExists(fault.to_string()).into())
            }
            other => other.map(drop).map_err(Into::into),
        }
    }

    async fn update(&self, at: &Address, have: &Spec, want: &Spec) -> Result<()> {
        let Spec { path: _, trust, description, max_session_seconds, permissions_boundary, policies: _, attached: _ } =
            want;
        if have.trust != *trust {
            let document = trust.document().to_string();
            let call = || {
                let call = self.iam.update_assume_role_policy().role_name(&at.name).policy_document(&document);
                async { call.send().await.map_err(fault("iam:UpdateAssumeRolePolicy")) }
            };
            self.waiter.retry(&at.id, CONFLICT, conflict, call).await?;
        }
        if have.description != *description || have.max_session_seconds != *max_session_seconds {
            let call = self.iam.update_role().role_name(&at.name).description(description);
            let call = call.max_session_duration(*max_session_seconds);
            call.send().await.map_err(fault("iam:UpdateRole"))?;
        }
        match permissions_boundary {
            same if have.permissions_boundary == *same => {}
            Some(arn) => {
                let call = self.iam.put_role_permissions_boundary().role_name(&at.name).permissions_boundary(arn);
                call.send().await.map_err(fault("iam:PutRolePermissionsBoundary"))?;
            }
            None => {
                let call = self.iam.delete_role_permissions_boundary().role_name(&at.name);
                call.send().await.map_err(fault("iam:DeleteRolePermissionsBoundary"))?;
            }
        }
        Ok(())
    }

    async fn put_policy(&self, at: &Address, name: &str, policy: &Policy) -> Result<()> {
        let document = policy.document().to_string();
        let call = || {
            let call = self.iam.put_role_policy().role_name(&at.name).policy_name(name).policy_document(&document);
            async { call.send().await.map_err(fault("iam:PutRolePolicy")) }
        };
        self.waiter.retry(&at.id, CONFLICT, |fault| unseen(fault, &ABSENT), call).await.map(drop)
    }

    async fn strip(&self, at: &Address, policies: &[&String], attached: &[&String]) -> Result<()> {
        for name in policies {
            let call = self.iam.delete_role_policy().role_name(&at.name).policy_name(*name);
            tolerate_absent(call.send().await.map_err(fault("iam:DeleteRolePolicy")))?;
        }
        for arn in attached {
            let call = self.iam.detach_role_policy().role_name(&at.name).policy_arn(*arn);
            tolerate_absent(call.send().await.map_err(fault("iam:DetachRolePolicy")))?;
        }
        Ok(())
    }

    /// Deletes the role alone. The inner error says that something is still attached.
    async fn delete_role(&self, at: &Address) -> Result<Result<(), Fault>> {
        let call = || {
            let call = self.iam.delete_role().role_name(&at.name);
            async {
                match call.send().await.map_err(fault("iam:DeleteRole")) {
                    Err(fault) if fault.is(&["DeleteConflict", "DeleteConflictException"]) => Ok(Err(fault)),
                    Err(fault) if !is_absent(&fault) => Err(fault),
                    _ => Ok(Ok(())),
                }
            }
        };
        self.waiter.retry(&at.id, CONFLICT, conflict, call).await
    }

    async fn leave_instance_profiles(&self, at: &Address) -> Result<()> {
        let call = self.iam.list_instance_profiles_for_role().role_name(&at.name);
        let answer = call.send().await.map_err(fault("iam:ListInstanceProfilesForRole"))?;
        for profile in answer.instance_profiles() {
            let profile = profile.instance_profile_name();
            let call = self.iam.remove_role_from_instance_profile().role_name(&at.name).instance_profile_name(profile);
            let left = call.send().await.map_err(fault("iam:RemoveRoleFromInstanceProfile"));
            // Somebody added the role to the profile; no policy that taskbell prints allows removing it from there.
            tolerate_absent(left).map_err(|error| {
                Error::new(format!("the role {} is in the instance profile {profile}", at.name))
                    .hint(format!("remove it from the instance profile {profile}, then run the same command again"))
                    .because(error)
            })?;
        }
        Ok(())
    }

    async fn tag(&self, at: &Address, tags: &TagChange) -> Result<()> {
        if !tags.set.is_empty() {
            let set = sdk_tags(&tags.set)?;
            let call = || {
                let call = self.iam.tag_role().role_name(&at.name).set_tags(Some(set.clone()));
                async { call.send().await.map_err(fault("iam:TagRole")) }
            };
            self.waiter.retry(&at.id, CONFLICT, |fault| unseen(fault, &ABSENT), call).await?;
        }
        if !tags.remove.is_empty() {
            let call = self.iam.untag_role().role_name(&at.name).set_tag_keys(Some(tags.remove.clone()));
            call.send().await.map_err(fault("iam:UntagRole"))?;
        }
        Ok(())
    }
}

fn is_absent(fault: &Fault) -> bool {
    fault.is(&ABSENT)
}

fn tolerate_absent<T>(outcome: Result<T, Fault>) -> Result<()> {
    match outcome {
        Err(fault) if !is_absent(&fault) => Err(fault.into()),
        _ => Ok(()),
    }
}

fn sdk_tags(tags: &Tags) -> Result<Vec<Tag>> {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    tags.collect::<Result<_, _>>().map_err(|error| Error::new("a tag is incomplete").because(error))
}
