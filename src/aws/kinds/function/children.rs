//! Manages the settings attached to the function: the permissions to invoke it, and the destination of failed invocations.

use std::collections::BTreeMap;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{DestinationConfig, EventSourceMappingConfiguration, OnFailure};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::lists::Lists;
use crate::arn::names_function;
use crate::aws::client::fault::{Fault, fault};
use crate::aws::client::identity::Identity;
use crate::aws::client::wait::{Attempt, CONFLICT, NEW_STATEMENT, ROLE_PROPAGATION, Waiter, conflict, unseen};
use crate::error::{Error, Result};
use crate::policy::Policy;
use crate::stack::Address;

pub(super) const ABSENT: [&str; 1] = ["ResourceNotFoundException"];

/// The treatment of an event whose invocation failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedInvocations {
    pub max_retry_attempts: Option<i32>,
    pub max_event_age_seconds: Option<i32>,
    /// The ARN of the queue that receives the event in the end.
    pub destination: Option<String>,
    /// The ARN that receives every event with the notifier's answer, none: it would copy every alert.
    pub success_destination: Option<String>,
}

/// A reader and writer of the settings attached to a function.
pub(super) struct Children<'a> {
    pub lambda: &'a Client,
    pub waiter: &'a Waiter,
    pub identity: &'a Identity,
    pub lists: &'a Lists,
}

/// Reads and writes the statements of the resource policy, by their ids.
impl Children<'_> {
    /// Returns the statements; none if there is no policy, or no such function.
    pub(super) async fn permissions(&self, name: &str) -> Result<Option<BTreeMap<String, Policy>>> {
        let answer = self.lambda.get_policy().function_name(name).send().await;
        let policy = match answer.map_err(fault("lambda:GetPolicy")) {
            Err(fault) if is_absent(&fault) => return Ok(None),
            answer => answer?.policy.unwrap_or_default(),
        };
        let document: Value = serde_json::from_str(&policy)
            .map_err(|error| Error::new(format!("the resource policy of {name} is not JSON")).because(error))?;
        let statements = document["Statement"].as_array().cloned().unwrap_or_default();
        let id = |statement: &Value| statement["Sid"].as_str().unwrap_or_default().to_owned();
        Ok(Some(statements.iter().map(|statement| (id(statement), Policy::of_statement(statement))).collect()))
    }

    /// Updates the statements; the id of a statement is the name of the rule that it allows. New statements come before old ones
    /// are removed, so that every event can invoke the function.
    pub(super) async fn update_permissions(
        &self,
        at: &Address,
        have: &BTreeMap<String, Policy>,
        want: &BTreeMap<String, Policy>,
    ) -> Result<()> {
        // Lambda accepts one change of the policy at a time, and the others are repeated.
        let new = want.keys().filter(|rule| !have.contains_key(*rule));
        try_join_all(new.map(|rule| self.add_permission(at, rule, rule))).await?;
        // Repairs the statements one after the other: stand-ins for all of them at once could exceed the size of a policy.
        for (rule, policy) in want {
            if have.get(rule).is_some_and(|present| present != policy) {
                let stand_in = have.iter().find(|(id, other)| *other == policy && !want.contains_key(*id));
                self.repair_permission(at, (rule, policy), stand_in.map(|(id, _)| id.as_str()), have).await?;
            }
        }
        let gone: Vec<_> = have.iter().filter(|(id, _)| !want.contains_key(*id)).collect();
        // A statement under another id may have been the only one that allowed a rule.
        for (rule, policy) in want.iter().filter(|(rule, _)| !have.contains_key(*rule)) {
            if gone.iter().any(|(_, other)| *other == policy) {
                self.until_in_effect(at, rule, rule, policy).await?;
            }
        }
        try_join_all(gone.iter().map(|(id, _)| self.remove_permission(at, id))).await.map(drop)
    }

    /// Replaces the statement of a rule. Lambda cannot change a statement. Until the rule's own statement is back and in effect,
    /// another one allows the rule: an existing stand-in, or one that is removed at the end.
    async fn repair_permission(
        &self,
        at: &Address,
        (rule, policy): (&str, &Policy),
        existing: Option<&str>,
        have: &BTreeMap<String, Policy>,
    ) -> Result<()> {
        let own = existing.is_none().then(|| stand_in(rule, have));
        if let Some(id) = &own {
            self.add_permission(at, id, rule).await?;
            self.until_in_effect(at, id, rule, policy).await?;
        }
        self.remove_permission(at, rule).await?;
        self.add_permission(at, rule, rule).await?;
        self.until_in_effect(at, rule, rule, policy).await?;
        match &own {
            Some(id) => self.remove_permission(at, id).await,
            None => Ok(()),
        }
    }

    /// Waits until the policy has the statement with this id, which allows the rule, and until callers see it. Adds a missing
    /// statement again: Lambda may have refused it because of the removed one.
    async fn until_in_effect(&self, at: &Address, id: &str, rule: &str, policy: &Policy) -> Result<()> {
        let look = || async {
            let present = self.permissions(&at.name).await?.unwrap_or_default();
            if present.get(id) == Some(policy) {
                return Ok(Attempt::Ready(()));
            }
            if !present.contains_key(id) {
                self.add_permission(at, id, rule).await?;
            }
            Ok(Attempt::NotYet { what: "Lambda to show the new statement".to_owned(), fault: None })
        };
        self.waiter.until(&at.id, CONFLICT, look).await?;
        self.waiter.pass(&at.id, NEW_STATEMENT, "Lambda to apply the new statement everywhere").await
    }

    /// Adds the statement with this id, which allows the rule.
    async fn add_permission(&self, at: &Address, id: &str, rule: &str) -> Result<()> {
        let rule_arn = self.identity.place().await?.rule_arn(rule);
        let call = || {
            let call = self
                .lambda
                .add_permission()
                .function_name(&at.name)
                .statement_id(id)
                .action("lambda:InvokeFunction")
                .principal("events.amazonaws.com")
                .source_arn(&rule_arn);
            async {
                match call.send().await.map_err(fault("lambda:AddPermission")) {
                    // taskbell's own call arrived and its answer was lost: taskbell chose the id, and the content follows from
                    // it.
                    Err(fault) if fault.is(&["ResourceConflictException"]) && fault.says("already exists") => Ok(()),
                    outcome => outcome.map(drop),
                }
            }
        };
        self.waiter.retry(&at.id, CONFLICT, |fault| unseen(fault, &ABSENT), call).await
    }

    async fn remove_permission(&self, at: &Address, statement: &str) -> Result<()> {
        let call = || {
            let call = self.lambda.remove_permission().function_name(&at.name).statement_id(statement);
            async {
                match call.send().await.map_err(fault("lambda:RemovePermission")) {
                    Err(fault) if !is_absent(&fault) => Err(fault),
                    _ => Ok(()),
                }
            }
        };
        self.waiter.retry(&at.id, CONFLICT, conflict, call).await
    }
}

/// Returns an id of no existing statement, for the statement that allows a rule during a repair.
fn stand_in(rule: &str, have: &BTreeMap<String, Policy>) -> String {
    let ids = (1_u32..).map(|number| format!("{rule}-repair-{number}"));
    ids.into_iter().find(|id| !have.contains_key(id)).unwrap_or_default()
}

/// Reads and writes the configuration of asynchronous invocations.
impl Children<'_> {
    pub(super) async fn failed_invocations(&self, name: &str) -> Result<Option<FailedInvocations>, Fault> {
        let answer = self.lambda.get_function_event_invoke_config().function_name(name).send().await;
        let config = match answer.map_err(fault("lambda:GetFunctionEventInvokeConfig")) {
            Err(fault) if is_absent(&fault) => return Ok(None),
            answer => answer?,
        };
        let (success, failure) = config.destination_config.map_or((None, None), |all| (all.on_success, all.on_failure));
        Ok(Some(FailedInvocations {
            max_retry_attempts: config.maximum_retry_attempts,
            max_event_age_seconds: config.maximum_event_age_in_seconds,
            destination: failure.and_then(|failure| failure.destination).filter(|arn| !arn.is_empty()),
            success_destination: success.and_then(|success| success.destination).filter(|arn| !arn.is_empty()),
        }))
    }

    pub(super) async fn update_failed_invocations(
        &self,
        at: &Address,
        have: Option<&FailedInvocations>,
        want: Option<&FailedInvocations>,
    ) -> Result<()> {
        let Some(want) = want.filter(|want| have != Some(*want)) else {
            return Ok(());
        };
        // The call replaces the whole configuration: a destination for successes is removed, as none is wanted.
        let FailedInvocations { max_retry_attempts, max_event_age_seconds, destination, success_destination: _ } = want;
        let on_failure = OnFailure::builder().set_destination(destination.clone()).build();
        let call = || {
            let call = self
                .lambda
                .put_function_event_invoke_config()
                .function_name(&at.name)
                .set_maximum_retry_attempts(*max_retry_attempts)
                .set_maximum_event_age_in_seconds(*max_event_age_seconds)
                .destination_config(DestinationConfig::builder().on_failure(on_failure.clone()).build());
            async { call.send().await.map_err(fault("lambda:PutFunctionEventInvokeConfig")) }
        };
        let reason = |fault: &Fault| not_ready(fault).or_else(|| unseen(fault, &ABSENT));
        self.waiter.retry(&at.id, ROLE_PROPAGATION, reason, call).await.map(drop)
    }
}

/// Reads and removes the mappings through which queues and streams invoke the function, and its demand for signed code.
impl Children<'_> {
    pub(super) async fn event_sources(&self, name: &str) -> Result<BTreeMap<String, String>, Fault> {
        let of_function = |mapping: &EventSourceMappingConfiguration| {
            mapping.function_arn().is_some_and(|arn| names_function(arn, name))
        };
        let mappings = match self.lists.mappings(of_function).await {
            Some(mappings) => mappings,
            None => self.mappings(name).await?,
        };
        let present = mappings.into_iter().filter(|mapping| mapping.state.as_deref() != Some("Deleting"));
        // A source outside AWS has no ARN.
        let source = |arn: Option<String>| arn.unwrap_or_else(|| "outside AWS".to_owned());
        Ok(present.map(|mapping| (mapping.uuid.unwrap_or_default(), source(mapping.event_source_arn))).collect())
    }

    /// Returns the mappings to the function; none if there is no such function.
    async fn mappings(&self, name: &str) -> Result<Vec<EventSourceMappingConfiguration>, Fault> {
        let call = self.lambda.list_event_source_mappings().function_name(name);
        let (mut mappings, mut found) = (call.into_paginator().items().send(), Vec::new());
        while let Some(mapping) = mappings.next().await {
            match mapping.map_err(fault("lambda:ListEventSourceMappings")) {
                Err(fault) if is_absent(&fault) => break,
                mapping => found.push(mapping?),
            }
        }
        Ok(found)
    }

    /// Returns the configuration that refuses code without a signature.
    pub(super) async fn code_signing(&self, name: &str) -> Result<Option<String>, Fault> {
        if self.lists.signs_code().await == Some(false) {
            return Ok(None);
        }
        let answer = self.lambda.get_function_code_signing_config().function_name(name).send().await;
        match answer.map_err(fault("lambda:GetFunctionCodeSigningConfig")) {
            Err(fault) if is_absent(&fault) => Ok(None),
            answer => Ok(Some(answer?.code_signing_config_arn).filter(|arn| !arn.is_empty())),
        }
    }

    pub(super) async fn remove_code_signing(&self, at: &Address) -> Result<()> {
        let call = || {
            let call = self.lambda.delete_function_code_signing_config().function_name(&at.name);
            async {
                match call.send().await.map_err(fault("lambda:DeleteFunctionCodeSigningConfig")) {
                    Err(fault) if !is_absent(&fault) => Err(fault),
                    _ => Ok(()),
                }
            }
        };
        self.waiter.retry(&at.id, CONFLICT, conflict, call).await
    }

    pub(super) async fn remove_event_source(&self, at: &Address, mapping: &str) -> Result<()> {
        let busy = |fault: &Fault| {
            let is_busy = fault.is(&["ResourceInUseException"]);
            if is_busy { Some("another change of the event source mapping to finish") } else { conflict(fault) }
        };
        let call = || {
            let call = self.lambda.delete_event_source_mapping().uuid(mapping);
            async {
                match call.send().await.map_err(fault("lambda:DeleteEventSourceMapping")) {
                    Err(fault) if !is_absent(&fault) => Err(fault),
                    _ => Ok(()),
                }
            }
        };
        self.waiter.retry(&at.id, CONFLICT, busy, call).await
    }
}

pub(super) fn is_absent(fault: &Fault) -> bool {
    fault.is(&ABSENT)
}

/// Returns the reason to wait: a new role is not usable at once, and Lambda reports that in several ways, all under one general
/// code.
pub(super) fn not_ready(fault: &Fault) -> Option<&'static str> {
    let messages = [
        "cannot be assumed by Lambda",
        "does not have permissions to call SendMessage",
        "KMS key is invalid for CreateGrant",
    ];
    let propagating = fault.is(&["InvalidParameterValueException"]) && messages.iter().any(|text| fault.says(text));
    propagating.then_some("IAM to propagate the new role").or_else(|| conflict(fault))
}
