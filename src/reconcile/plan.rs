//! Computes the plan: the steps that lead from the existing resources to the desired ones, as a value.
//! Pure: no async, no clock, no I/O. `setup`, `teardown`, `drift` and `--dry-run` all show this one value.

use globset::GlobSet;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::document::{Change, diff};
use crate::error::Error;
use crate::reconcile::owner::Owner;
use crate::reconcile::resource::{
    APPLIED_TAG, Desired, Found, Inventory, Needs, Observed, Seen, TagChange, Tags, Want, is_as_applied, tag_change,
    wanted_tags,
};
use crate::stack::{Address, FLEET_TAG, Id};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Add,
    Change,
    Remove,
}

/// The reason why a property differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Somebody changed the property in AWS since taskbell last applied it.
    Outside,
    /// The property is as taskbell last applied it; the configuration has changed.
    Configuration,
    /// Somebody else managed the resource until now (`--adopt`).
    Adopted,
}

impl Cause {
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Outside => "changed outside taskbell",
            Self::Configuration => "your configuration changed",
            Self::Adopted => "adopted",
        }
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

/// A property that a step changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PropertyChange {
    #[serde(flatten)]
    pub change: Change,
    pub cause: Cause,
}

/// A resource to add, change or remove.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub action: Action,
    pub address: Address,
    pub needs: Needs,
    pub have: Option<Value>,
    pub want: Option<Value>,
    pub tags: TagChange,
    /// The owner that the resource must still have when the step begins: the owner that was read, and for a resource that is
    /// added, the owner that it receives.
    pub owner: Owner,
    /// The differing properties; empty for `Add` and `Remove`.
    pub changes: Vec<PropertyChange>,
}

/// A desired resource whose name is taken by a resource that the stack does not own.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    pub address: Address,
    pub evidence: String,
    /// Whether the stack could adopt the resource (`--adopt`).
    pub adoptable: bool,
}

/// A resource that could not be read.
#[derive(Debug)]
pub struct Unknown {
    pub address: Address,
    pub error: Error,
}

/// The steps in order of creation (removals last, backwards); independent of the order of the input.
#[derive(Debug, Default)]
pub struct Plan {
    pub steps: Vec<Step>,
    pub unchanged: Vec<Address>,
    pub conflicts: Vec<Conflict>,
    pub unknown: Vec<Unknown>,
    /// The user's own SSM parameters that the notifier should read and that do not exist: their destinations receive no alert.
    pub missing: Vec<String>,
}

impl Plan {
    /// Returns whether AWS is as configured, for certain.
    #[must_use]
    pub fn is_in_sync(&self) -> bool {
        let Self { steps, unchanged: _, conflicts, unknown, missing } = self;
        steps.is_empty() && conflicts.is_empty() && unknown.is_empty() && missing.is_empty()
    }

    /// Turns the removal of each resource without the tag of this fleet into a conflict: the stack's tags alone may be a copy.
    #[must_use]
    pub fn only_of_fleet(mut self, fleet: &str) -> Self {
        let steps = std::mem::take(&mut self.steps);
        for step in steps {
            match step.owner.evidence_against(fleet).filter(|_| step.action == Action::Remove) {
                Some(evidence) => {
                    self.conflicts.push(Conflict { address: step.address, evidence, adoptable: false });
                }
                None => self.steps.push(step),
            }
        }
        self.sort();
        self
    }
}

/// The user's decisions about known exceptions.
#[derive(Debug, Clone, Default)]
pub struct Exceptions {
    /// Resources of others to adopt.
    pub adopt: Vec<Id>,
    /// Differences to keep: globs over `kind/key` and `kind/key/path/of/property`.
    pub ignore: GlobSet,
}

/// Returns the steps that lead from `seen` to `desired`.
#[must_use]
pub fn plan(desired: &Desired, seen: Inventory, exceptions: &Exceptions) -> Plan {
    let mut plan = Plan::default();
    for (id, Seen { address, needs, observed }) in seen {
        let want = desired.wants.iter().find(|want| want.address.id == id);
        match observed {
            Err(error) => plan.unknown.push(Unknown { address, error }),
            Ok(observed) => decide(&mut plan, &address, needs, want, observed, exceptions),
        }
    }
    for want in &desired.wants {
        if !plan.mentions(&want.address.id) {
            decide(&mut plan, &want.address, want.needs, Some(want), Observed::Absent, exceptions);
        }
    }
    plan.sort();
    plan
}

fn decide(
    plan: &mut Plan,
    address: &Address,
    needs: Needs,
    want: Option<&Want>,
    observed: Observed,
    exceptions: &Exceptions,
) {
    let ignored = exceptions.ignore.is_match(address.id.to_string());
    let step = |action, have: Option<Found<Value>>, want: Option<Value>, changes| {
        let tags = have.as_ref().map_or_else(Tags::new, |found| found.tags.clone());
        let owner = match (&have, &want) {
            (None, Some(want)) => Owner::of(&wanted_tags(want)),
            _ => Owner::of(&tags),
        };
        Step {
            action,
            address: address.clone(),
            needs,
            tags: want.as_ref().map(|want| tag_change(&tags, want)).unwrap_or_default(),
            owner,
            have: have.map(|found| found.spec),
            want,
            changes,
        }
    };
    match (observed, want) {
        (Observed::Absent | Observed::Foreign { .. }, None) => {}
        _ if ignored => plan.unchanged.push(address.clone()),
        (Observed::Absent, Some(want)) => {
            plan.steps.push(step(Action::Add, None, Some(want.document(None)), Vec::new()));
        }
        (Observed::Ours(found), None) => {
            plan.steps.push(step(Action::Remove, Some(found), None, Vec::new()));
        }
        (Observed::Foreign { found, evidence }, Some(want)) if want.hindrance(&found.spec).is_some() => {
            let field = want.hindrance(&found.spec).unwrap_or_default();
            let evidence = format!("{evidence}; it cannot be adopted: its {field} differs and cannot be changed");
            plan.conflicts.push(Conflict { address: address.clone(), evidence, adoptable: false });
        }
        (Observed::Foreign { evidence, .. }, Some(_)) if !exceptions.adopt.contains(&address.id) => {
            plan.conflicts.push(Conflict { address: address.clone(), evidence, adoptable: true });
        }
        (Observed::Ours(found), Some(want)) => {
            let want = keep_ignored(&address.id, &found.spec, &want.document(Some(&found.spec)), &exceptions.ignore);
            let changes = changes(&found, &want, |field| match is_as_applied(&found, field) {
                Some(true) => Cause::Configuration,
                Some(false) | None => Cause::Outside,
            });
            match changes.is_empty() {
                true => plan.unchanged.push(address.clone()),
                false => plan.steps.push(step(Action::Change, Some(found), Some(want), changes)),
            }
        }
        (Observed::Foreign { found, .. }, Some(want)) => {
            let want = keep_ignored(&address.id, &found.spec, &want.document(Some(&found.spec)), &exceptions.ignore);
            let changes = changes(&found, &want, |_| Cause::Adopted);
            plan.steps.push(step(Action::Change, Some(found), Some(want), changes));
        }
    }
}

/// Returns the differences with their causes. The tags with taskbell's own records follow from the rest, so they are shown only
/// if nothing else differs.
fn changes(found: &Found<Value>, want: &Value, cause: impl Fn(&str) -> Cause) -> Vec<PropertyChange> {
    let bookkeeping = |path: &str| path.starts_with("/tags/taskbell:") && !path.ends_with(FLEET_TAG);
    let all = diff(&found.spec, want);
    let only_bookkeeping = all.iter().all(|change| bookkeeping(&change.path));
    let shown = all.into_iter().filter(|change| only_bookkeeping || !bookkeeping(&change.path));
    let with_cause = |change: Change| {
        let field = change.path.split('/').nth(1).unwrap_or_default();
        let cause = match change.path.ends_with(APPLIED_TAG) {
            true => Cause::Outside,
            false => cause(field),
        };
        PropertyChange { change, cause }
    };
    shown.map(with_cause).collect()
}

/// Returns the wanted spec with every ignored difference set to the existing value.
/// An ignored element of a list keeps the whole list: positions in two different lists do not correspond.
fn keep_ignored(id: &Id, have: &Value, want: &Value, ignore: &GlobSet) -> Value {
    let mut kept = want.clone();
    for Change { path, .. } in diff(have, want) {
        if ignore.is_match(format!("{id}{path}")) {
            let path = outermost_list(have, &path).unwrap_or(path);
            copy(have, &mut kept, &path);
        }
    }
    kept
}

fn outermost_list(document: &Value, path: &str) -> Option<String> {
    let ends = path.match_indices('/').map(|(index, _)| &path[..index]);
    ends.into_iter().find(|prefix| document.pointer(prefix).is_some_and(Value::is_array)).map(str::to_owned)
}

fn copy(from: &Value, to: &mut Value, path: &str) {
    let Some((parent, key)) = path.rsplit_once('/') else {
        return;
    };
    let key = key.replace("~1", "/").replace("~0", "~");
    let Some(fields) = to.pointer_mut(parent).and_then(Value::as_object_mut) else {
        return;
    };
    match from.pointer(path) {
        Some(value) => drop(fields.insert(key, value.clone())),
        None => drop(fields.remove(&key)),
    }
}

impl Plan {
    fn mentions(&self, id: &Id) -> bool {
        let Self { steps, unchanged, conflicts, unknown, missing: _ } = self;
        let addresses = steps.iter().map(|step| &step.address);
        let addresses = addresses.chain(unchanged).chain(conflicts.iter().map(|conflict| &conflict.address));
        addresses.chain(unknown.iter().map(|unknown| &unknown.address)).any(|address| address.id == *id)
    }

    fn sort(&mut self) {
        let Self { steps, unchanged, conflicts, unknown, missing: _ } = self;
        steps.sort_by_key(|step| {
            let removal = step.action == Action::Remove;
            let order = step.needs.order();
            (removal, if removal { usize::MAX - order } else { order }, step.address.id.clone())
        });
        unchanged.sort();
        conflicts.sort_by(|a, b| a.address.cmp(&b.address));
        unknown.sort_by(|a, b| a.address.cmp(&b.address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::resource::Adapter;
    use crate::stack::Kind;
    use globset::{Glob, GlobSetBuilder};
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    #[derive(Serialize, Deserialize)]
    struct Spec {
        size: u8,
        parts: Vec<u8>,
    }

    /// An adapter that only lends its kind to wants.
    struct Thing;

    impl Adapter for Thing {
        type Spec = Spec;
        const KIND: Kind = Kind::Rule;

        async fn read(&self, _: &Address) -> crate::error::Result<Option<Found<Spec>>> {
            Ok(None)
        }
        async fn put(&self, _: &Address, _: Option<&Spec>, _: &Spec, _: &TagChange) -> crate::error::Result<()> {
            Ok(())
        }
        async fn delete(&self, _: &Address, _: &Spec) -> crate::error::Result<()> {
            Ok(())
        }
        async fn list(&self, _: &crate::stack::Stack) -> crate::error::Result<Vec<Address>> {
            Ok(Vec::new())
        }
    }

    fn address(key: &str) -> Address {
        Address { id: Id::new(Kind::Rule, key), name: format!("taskbell-{key}"), stack: "s".parse().unwrap() }
    }

    fn want(key: &str, size: u8) -> Want {
        Want::new::<Thing>(address(key), &Spec { size, parts: vec![size] }, &Tags::new()).unwrap()
    }

    /// Returns `want` as it would be found after it was applied.
    fn applied(key: &str, size: u8) -> Found<Value> {
        let spec = want(key, size).document(None);
        let tags = serde_json::from_value(spec["tags"].clone()).unwrap();
        Found { spec, tags }
    }

    fn seen(key: &str, observed: Observed) -> (Id, Seen) {
        (Id::new(Kind::Rule, key), Seen { address: address(key), needs: Needs::NOTHING, observed: Ok(observed) })
    }

    fn shown(plan: &Plan) -> String {
        let steps = plan.steps.iter().map(|step| format!("{:?} {} {:?}", step.action, step.address.id, step.changes));
        steps.collect::<Vec<_>>().join("\n") + &format!("{:?}{:?}", plan.unchanged, plan.conflicts)
    }

    #[test]
    fn each_changed_property_has_its_own_cause() {
        let mut found = applied("a", 1);
        found.spec["parts"] = json!([7]);
        let desired = Desired { wants: vec![want("a", 2)] };
        let seen = [seen("a", Observed::Ours(found))].into();
        let plan = plan(&desired, seen, &Exceptions::default());
        let causes: Vec<_> =
            plan.steps[0].changes.iter().map(|change| (change.change.path.as_str(), change.cause)).collect();
        assert_eq!(causes, [("/parts/0", Cause::Outside), ("/size", Cause::Configuration)]);
    }

    #[test]
    fn only_ignored_properties_stay_as_they_are() {
        let ignore = GlobSetBuilder::new().add(Glob::new("rule/*/size").unwrap()).build().unwrap();
        let exceptions = Exceptions { adopt: Vec::new(), ignore };
        let desired = Desired { wants: vec![want("a", 2)] };
        let plan = plan(&desired, [seen("a", Observed::Ours(applied("a", 1)))].into(), &exceptions);
        let want = plan.steps[0].want.as_ref().unwrap();
        assert_eq!((&want["size"], &want["parts"]), (&json!(1), &json!([2])));
    }

    #[test]
    fn foreign_resource_conflicts_only_if_desired() {
        let foreign = || Observed::Foreign { evidence: "no tag".to_owned(), found: applied("a", 1) };
        let desired = Desired { wants: vec![want("a", 1)] };
        let wanted = plan(&desired, [seen("a", foreign())].into(), &Exceptions::default());
        assert_eq!((wanted.steps.len(), wanted.conflicts.len()), (0, 1));
        let unwanted = plan(&Desired::default(), [seen("a", foreign())].into(), &Exceptions::default());
        assert!(unwanted.is_in_sync());
    }

    proptest! {
        #[test]
        fn plan_does_not_depend_on_the_order_of_its_input(
            things in prop::collection::btree_map("[a-f]", (0u8..3, 0u8..4), 0..6),
            order in any::<prop::sample::Index>(),
        ) {
            let inventory = |reversed: bool| {
                let all = things.iter().map(|(key, (size, state))| seen(key, match state {
                    0 => Observed::Absent,
                    1 => Observed::Foreign { evidence: "no tag".to_owned(), found: applied(key, *size) },
                    _ => Observed::Ours(applied(key, *size)),
                }));
                let all: Vec<_> = all.collect();
                let all: Box<dyn Iterator<Item = _>> = if reversed { Box::new(all.into_iter().rev()) } else { Box::new(all.into_iter()) };
                all.collect::<Inventory>()
            };
            let mut wants: Vec<Want> = things.keys().chain(["x".to_owned()].iter()).map(|key| want(key, 1)).collect();
            let one = plan(&Desired { wants: wants.clone() }, inventory(false), &Exceptions::default());
            let middle = order.index(wants.len());
            wants.rotate_left(middle);
            wants.reverse();
            let other = plan(&Desired { wants }, inventory(true), &Exceptions::default());
            prop_assert_eq!(shown(&one), shown(&other));
        }
    }
}
