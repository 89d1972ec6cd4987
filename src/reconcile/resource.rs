//! Defines the adapter of a kind of resource, and the values that pass between adapters, planner and engine.
//! Decides who owns a resource, from its tags, in one place for all kinds. Makes no call.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::document::{digest, digest_bytes};
use crate::error::{Error, Hint, Result};
use crate::reconcile::owner::{Owner, told};
use crate::stack::{Address, EXPORTED_TAG, Id, Kind, STACK_TAG, Stack, StackName, Subject};

pub type Tags = BTreeMap<String, String>;

/// The tag with a digest of each field of the spec as last applied: shows who caused a difference, without a state file.
pub const APPLIED_TAG: &str = "taskbell:applied";
/// The tag with digests of the keys of the user's tags, so that a tag is removed when it is no longer configured.
const TAG_KEYS_TAG: &str = "taskbell:tags";
/// Most characters of a tag's value, in every service.
pub const LONGEST_TAG_VALUE: usize = 256;
/// The beginning of a record in the short form. No record in the first form begins with it.
const SHORT_FORM: &str = "=";
/// The characters of a digest in the short form, without a separator: 50 of them fit into a tag's value.
const SHORT_DIGEST: usize = 5;

/// The kinds that a kind needs. Steps wait for what they need, and for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// The kinds whose resources must exist before [`Adapter::begin`].
    pub existing: &'static [Kind],
    /// The kinds whose resources must be as wanted before [`Adapter::put`], with all that those kinds need.
    pub complete: &'static [Kind],
    /// Whether the kind triggers the notifier: its resources stop before anything else is removed.
    pub triggers: bool,
}

impl Needs {
    pub const NOTHING: Self = Self { existing: &[], complete: &[], triggers: false };
    /// The notifier can be created as soon as its role exists.
    pub const OF_NOTIFIER: Self = Self {
        existing: &[Kind::Role],
        complete: &[Kind::Alarm, Kind::LogGroup, Kind::Parameter, Kind::Queue, Kind::Role, Kind::Table],
        triggers: false,
    };
    /// Nothing rings before it can be answered.
    pub const OF_TRIGGER: Self = Self {
        existing: &[],
        complete: &[Kind::Alarm, Kind::Function, Kind::LogGroup, Kind::Parameter, Kind::Queue, Kind::Role, Kind::Table],
        triggers: true,
    };

    /// Returns a number that is higher than those of all kinds that this kind needs.
    #[must_use]
    pub fn order(&self) -> usize {
        self.complete.len()
    }
}

/// A resource as it was read: the properties that taskbell manages, and all of its tags.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<S> {
    pub spec: S,
    pub tags: Tags,
}

impl Found<Value> {
    /// Returns the spec in the type of its kind.
    ///
    /// # Errors
    /// As [`spec_of`].
    pub fn spec_of<A: Adapter>(&self) -> Result<A::Spec> {
        spec_of::<A>(&self.spec)
    }
}

/// The changes of tags for `put`. Tags that taskbell does not manage are in none of these.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TagChange {
    /// Every tag that the resource shall have from taskbell: for the call that creates it.
    pub all: Tags,
    /// The tags that are missing or differ: for a resource that exists.
    pub set: Tags,
    /// The keys of tags that taskbell set and that are no longer configured.
    pub remove: Vec<String>,
    /// The number of tags that others set and that stay. AWS's own tags are not counted, as in AWS's limit.
    pub others: usize,
}

/// Reads and writes the resources of one kind. Every method may be repeated after any interruption and still leads to the same
/// state.
pub trait Adapter: Send + Sync + 'static {
    /// The normal form: only the properties that taskbell manages, nothing that AWS adds; equal meaning is equal value.
    type Spec: Serialize + DeserializeOwned + Send + Sync;
    const KIND: Kind;
    const NEEDS: Needs = Needs::NOTHING;
    /// Fields that AWS does not allow anybody to change.
    const FIXED: &'static [&'static str] = &[];
    /// Whether the call that creates a resource fails if the name is taken, so that it never overwrites. If not, the engine reads
    /// the address right before the call.
    const CREATION_REFUSES: bool = false;

    /// Reads the existing resource, of any owner; `None` if there is none.
    fn read(&self, at: &Address) -> impl Future<Output = Result<Option<Found<Self::Spec>>>> + Send;

    /// Makes as much of a resource that does not exist as others need of it and as triggers nothing yet. A kind that gives nothing to
    /// others in between makes the whole resource in [`Adapter::put`].
    fn begin(&self, _at: &Address, _want: &Self::Spec, _tags: &TagChange) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Leads from `have` (half-created or different; none: what [`Adapter::begin`] has just made) to `want`. If both are equal, changes
    /// only the tags.
    fn put(
        &self,
        at: &Address,
        have: Option<&Self::Spec>,
        want: &Self::Spec,
        tags: &TagChange,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Stops a resource that triggers the notifier, before it is deleted.
    fn stop(&self, _at: &Address, _have: &Self::Spec) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Removes the resource with everything attached to it. Succeeds if it no longer exists.
    fn delete(&self, at: &Address, have: &Self::Spec) -> impl Future<Output = Result<()>> + Send;

    /// Returns where the stack may have resources of this kind, wanted or not: names that follow from the stack need no call.
    fn list(&self, stack: &Stack) -> impl Future<Output = Result<Vec<Address>>> + Send;
}

/// The result of reading an address, with the owner.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed {
    Absent,
    Ours(Found<Value>),
    Foreign { evidence: String, found: Found<Value> },
}

impl Observed {
    /// Returns the resource if it has this owner, or `None` if it does not exist.
    ///
    /// # Errors
    /// Returns the present owner if it is another one.
    pub fn held_by(self, owner: &Owner) -> std::result::Result<Option<Found<Value>>, Owner> {
        let found = match self {
            Self::Absent => return Ok(None),
            Self::Ours(found) | Self::Foreign { found, .. } => found,
        };
        let present = Owner::of(&found.tags);
        if present == *owner { Ok(Some(found)) } else { Err(present) }
    }
}

/// A resource that should exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Want {
    pub address: Address,
    pub needs: Needs,
    /// The kind's spec, and under `tags` the tags that the resource shall have.
    spec: Value,
    /// Fields that are not configured in this run: they stay as they are.
    kept: &'static [&'static str],
    fixed: &'static [&'static str],
}

/// Everything that should exist.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Desired {
    pub wants: Vec<Want>,
}

/// An address that was read.
#[derive(Debug)]
pub struct Seen {
    pub address: Address,
    pub needs: Needs,
    pub observed: Result<Observed>,
}

impl Seen {
    /// Returns the resource if it works for the stack: the stack's own, or another engine's from the stack's export. Only the
    /// stack's own may be changed.
    ///
    /// # Errors
    /// If the resource could not be read.
    pub fn serving(&self) -> std::result::Result<Option<&Found<Value>>, &Error> {
        Ok(match self.observed.as_ref()? {
            Observed::Ours(found) => Some(found),
            Observed::Foreign { found, .. } => {
                (served(&found.tags) == Some(self.address.stack.as_str())).then_some(found)
            }
            Observed::Absent => None,
        })
    }
}

/// Returns the stack for which a resource with these tags works: as the stack's own, or as another engine's from the stack's
/// export.
#[must_use]
pub fn served(tags: &Tags) -> Option<&str> {
    tags.get(STACK_TAG).or_else(|| tags.get(EXPORTED_TAG)).map(String::as_str)
}

/// Everything that was read.
pub type Inventory = BTreeMap<Id, Seen>;

impl Want {
    /// # Errors
    /// If the spec is not a JSON object, which cannot happen with any kind.
    pub fn new<A: Adapter>(address: Address, spec: &A::Spec, user_tags: &Tags) -> Result<Self> {
        let mut spec = to_document::<A>(spec)?;
        let fields = spec.as_object_mut().ok_or_else(|| not_an_object(A::KIND))?;
        let mut tags = user_tags.clone();
        tags.insert(STACK_TAG.to_owned(), address.stack.to_string());
        if !user_tags.is_empty() {
            tags.insert(TAG_KEYS_TAG.to_owned(), record_of_keys(user_tags));
        }
        fields.insert("tags".to_owned(), json!(tags));
        Ok(Self { address, needs: A::NEEDS, spec, kept: &[], fixed: A::FIXED })
    }

    /// Returns the field that keeps a resource of somebody else from ever becoming this one.
    #[must_use]
    pub fn hindrance(&self, have: &Value) -> Option<&'static str> {
        self.fixed.iter().copied().find(|field| have[field] != self.spec[field])
    }

    #[must_use]
    pub fn keeping(self, kept: &'static [&'static str]) -> Self {
        Self { kept, ..self }
    }

    /// Returns the whole wanted document, with the record of itself, for a resource that has `have`.
    #[must_use]
    pub fn document(&self, have: Option<&Value>) -> Value {
        let mut document = self.spec.clone();
        for field in self.kept {
            if let Some(value) = have.and_then(|have| have.get(field)) {
                document[field] = value.clone();
            }
        }
        document["tags"][APPLIED_TAG] = Value::from(applied(&document));
        document
    }
}

/// Returns the value of `taskbell:applied` for a spec: a digest of its field names, then one for each field in their order.
fn applied(spec: &Value) -> String {
    let digests = field_digests(spec);
    let names: Vec<&str> = digests.keys().map(String::as_str).collect();
    let fields: Vec<&str> = digests.values().map(String::as_str).collect();
    format!("{}.{}", digest(&json!(names), 4), fields.join("."))
}

fn field_digests(spec: &Value) -> BTreeMap<String, String> {
    let mut spec = spec.clone();
    if let Some(tags) = spec.get_mut("tags").and_then(Value::as_object_mut) {
        tags.remove(APPLIED_TAG);
    }
    let fields = spec.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.clone(), digest(value, 6))).collect()
}

/// Returns whether the top-level `field` is now as taskbell last applied it; `None` without a usable record.
#[must_use]
pub fn is_as_applied(found: &Found<Value>, field: &str) -> Option<bool> {
    let record = found.tags.get(APPLIED_TAG)?;
    let now = applied(&found.spec);
    if record.split('.').next() != now.split('.').next() {
        return None;
    }
    let position = 1 + field_digests(&found.spec).keys().position(|name| name == field)?;
    Some(record.split('.').nth(position)? == now.split('.').nth(position)?)
}

/// Returns the changes of tags for `put` on a resource that has `have` (empty if the resource does not exist).
#[must_use]
pub fn tag_change(have: &Tags, want: &Value) -> TagChange {
    let all = wanted_tags(want);
    let differs = |(key, value): &(&String, &String)| have.get(*key) != Some(value);
    let set = all.iter().filter(differs).map(|(key, value)| (key.clone(), value.clone()));
    let gone = have.keys().filter(|key| is_ours(key, have) && !all.contains_key(*key));
    let is_counted = |key: &str| !["aws:", "taskbell:"].iter().any(|prefix| key.starts_with(prefix));
    let others = have.keys().filter(|key| is_counted(key) && !is_ours(key, have) && !all.contains_key(*key)).count();
    TagChange { set: set.collect(), remove: gone.cloned().collect(), others, all }
}

/// Returns the tags of a wanted document.
#[must_use]
pub fn wanted_tags(want: &Value) -> Tags {
    want.get("tags").and_then(|tags| serde_json::from_value(tags.clone()).ok()).unwrap_or_default()
}

/// Decides who owns a resource. The stack owns it only if its tag names this very stack.
fn judge(found: Found<Value>, stack: &StackName) -> Observed {
    let evidence = match found.tags.get(STACK_TAG) {
        Some(name) if name == stack.as_str() => return Observed::Ours(found),
        other => told(STACK_TAG, other.map(String::as_str)),
    };
    Observed::Foreign { evidence, found }
}

/// Returns the tags that belong to the spec: the tags that taskbell once set. Other tags do not matter to taskbell.
fn promised(tags: &Tags) -> Tags {
    let promised = tags.iter().filter(|(key, _)| is_ours(key, tags));
    promised.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Returns whether taskbell set the tag with this key on a resource that has `tags`.
fn is_ours(key: &str, tags: &Tags) -> bool {
    [STACK_TAG, APPLIED_TAG, TAG_KEYS_TAG].contains(&key)
        || tags.get(TAG_KEYS_TAG).is_some_and(|record| is_recorded(record, key))
}

/// Returns the record of the keys of the user's tags: their digests, separated by dots. If a tag's value has no room for these,
/// returns shorter digests without separators. Few tags keep the first form, in which earlier versions wrote every record.
fn record_of_keys(user_tags: &Tags) -> String {
    let record = user_tags.keys().map(|key| key_digest(key)).collect::<Vec<_>>().join(".");
    match record.len() <= LONGEST_TAG_VALUE {
        true => record,
        false => SHORT_FORM.to_owned() + &user_tags.keys().map(|key| short_digest(key)).collect::<String>(),
    }
}

/// Returns whether a record, in either form, contains the key.
fn is_recorded(record: &str, key: &str) -> bool {
    match record.strip_prefix(SHORT_FORM) {
        Some(digests) => digests.as_bytes().chunks(SHORT_DIGEST).any(|one| one == short_digest(key).as_bytes()),
        None => record.split('.').any(|one| one == key_digest(key)),
    }
}

fn key_digest(key: &str) -> String {
    digest(&Value::from(key), 6)
}

/// Returns a digest of 30 bits, in characters that every service accepts in a tag's value.
fn short_digest(key: &str) -> String {
    let mut text = URL_SAFE_NO_PAD.encode(digest_bytes(&Value::from(key)));
    text.truncate(SHORT_DIGEST);
    text
}

fn to_document<A: Adapter>(spec: &A::Spec) -> Result<Value> {
    serde_json::to_value(spec).map_err(|error| not_an_object(A::KIND).because(error))
}

fn not_an_object(kind: Kind) -> Error {
    Error::new(format!("the spec of kind {kind} is not a JSON object"))
}

/// An error of `put` on creating a resource whose name is taken: another run was faster, or taskbell's own call arrived and its
/// answer was lost. Holds the service's message.
#[derive(Debug)]
pub struct AlreadyExists(pub String);

impl fmt::Display for AlreadyExists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AlreadyExists {}

impl From<AlreadyExists> for Error {
    fn from(exists: AlreadyExists) -> Self {
        Self::new("the resource already exists").because(exists)
    }
}

/// The cause of an error of `put` that did everything else: a difference that AWS, or its owner, does not let taskbell remove now.
/// Later steps need not wait for its removal.
#[derive(Debug)]
pub struct Remainder {
    /// The field of the spec that still differs.
    pub field: &'static str,
}

impl fmt::Display for Remainder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not as configured yet", self.field)
    }
}

impl std::error::Error for Remainder {}

/// An adapter whose specs are JSON documents, as engine and planner use it.
pub trait AnyAdapter: Send + Sync {
    fn kind(&self) -> Kind;
    /// Returns [`Adapter::NEEDS`].
    fn needs(&self) -> Needs;
    /// Returns [`Adapter::CREATION_REFUSES`].
    fn creation_refuses(&self) -> bool;
    fn read<'a>(&'a self, at: &'a Address) -> BoxFuture<'a, Result<Observed>>;
    /// Begins a resource. Returns the error that somebody was faster, if the name is taken by now.
    fn begin<'a>(
        &'a self,
        at: &'a Address,
        want: &'a Value,
        tags: &'a TagChange,
    ) -> BoxFuture<'a, Result<std::result::Result<(), Error>>>;
    fn put<'a>(
        &'a self,
        at: &'a Address,
        have: Option<&'a Value>,
        want: &'a Value,
        tags: &'a TagChange,
    ) -> BoxFuture<'a, Result<()>>;
    fn stop<'a>(&'a self, at: &'a Address, have: &'a Value) -> BoxFuture<'a, Result<()>>;
    fn delete<'a>(&'a self, at: &'a Address, have: &'a Value) -> BoxFuture<'a, Result<()>>;
    fn list<'a>(&'a self, stack: &'a Stack) -> BoxFuture<'a, Result<Vec<Address>>>;
}

impl<A: Adapter> AnyAdapter for A {
    fn kind(&self) -> Kind {
        A::KIND
    }

    fn needs(&self) -> Needs {
        A::NEEDS
    }

    fn creation_refuses(&self) -> bool {
        A::CREATION_REFUSES
    }

    fn read<'a>(&'a self, at: &'a Address) -> BoxFuture<'a, Result<Observed>> {
        Box::pin(async move {
            let Some(Found { spec, tags }) = Adapter::read(self, at).await? else {
                return Ok(Observed::Absent);
            };
            let mut spec = to_document::<A>(&spec)?;
            spec["tags"] = json!(promised(&tags));
            Ok(judge(Found { spec, tags }, &at.stack))
        })
    }

    fn begin<'a>(
        &'a self,
        at: &'a Address,
        want: &'a Value,
        tags: &'a TagChange,
    ) -> BoxFuture<'a, Result<std::result::Result<(), Error>>> {
        Box::pin(async move {
            match Adapter::begin(self, at, &spec_of::<A>(want)?, tags).await {
                Err(error) if error.find::<AlreadyExists>().is_some() => Ok(Err(error)),
                outcome => outcome.map(Ok),
            }
        })
    }

    fn put<'a>(
        &'a self,
        at: &'a Address,
        have: Option<&'a Value>,
        want: &'a Value,
        tags: &'a TagChange,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let have = have.map(spec_of::<A>).transpose()?;
            let spec = spec_of::<A>(want)?;
            match write(self, at, have.as_ref(), &spec, tags).await {
                Err(error) if error.find::<AlreadyExists>().is_some() => converge(self, at, want, &spec, error).await,
                outcome => outcome,
            }
        })
    }

    fn stop<'a>(&'a self, at: &'a Address, have: &'a Value) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { Adapter::stop(self, at, &spec_of::<A>(have)?).await })
    }

    fn delete<'a>(&'a self, at: &'a Address, have: &'a Value) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { Adapter::delete(self, at, &spec_of::<A>(have)?).await })
    }

    fn list<'a>(&'a self, stack: &'a Stack) -> BoxFuture<'a, Result<Vec<Address>>> {
        Box::pin(Adapter::list(self, stack))
    }
}

/// Writes a resource; removes tags before it sets others. IAM takes keys that differ only by case for one key: a later removal of the
/// old key would remove the new tag. A removed tag also stays recorded until it is gone.
async fn write<A: Adapter>(
    adapter: &A,
    at: &Address,
    have: Option<&A::Spec>,
    want: &A::Spec,
    tags: &TagChange,
) -> Result<()> {
    if have.is_none() || tags.remove.is_empty() || tags.set.is_empty() {
        return Box::pin(Adapter::put(adapter, at, have, want, tags)).await;
    }
    let rest =
        match Box::pin(Adapter::put(adapter, at, have, want, &TagChange { set: Tags::new(), ..tags.clone() })).await {
            Err(error) if error.find::<Remainder>().is_none() => return Err(error),
            rest => rest,
        };
    let set = TagChange { remove: Vec::new(), ..tags.clone() };
    Box::pin(Adapter::put(adapter, at, Some(want), want, &set)).await.and(rest)
}

/// Continues from the resource that exists by now, if it has the owner of the wanted one.
async fn converge<A: Adapter>(adapter: &A, at: &Address, want: &Value, spec: &A::Spec, error: Error) -> Result<()> {
    match AnyAdapter::read(adapter, at).await?.held_by(&Owner::of(&wanted_tags(want))) {
        Ok(None) => Err(error),
        Ok(Some(Found { spec: have, tags })) => {
            let have = spec_of::<A>(&have)?;
            write(adapter, at, Some(&have), spec, &tag_change(&tags, want)).await
        }
        Err(present) => Err(created_meanwhile(at, &present).because(error)),
    }
}

/// Returns the error about a resource that did not exist when the run was planned, and that somebody else owns.
#[must_use]
pub fn created_meanwhile(at: &Address, present: &Owner) -> Error {
    Error::new(format!("somebody else created {} in the meantime: {present}", at.name)).hint(Hint::ResolveConflict)
}

/// Reads the spec of a kind from its document, which may contain the tags besides.
///
/// # Errors
/// If the document is of another kind, or was not written by the kind's adapter.
pub fn spec_of<A: Adapter>(document: &Value) -> Result<A::Spec> {
    A::Spec::deserialize(document)
        .map_err(|error| Error::new(format!("the spec of kind {} cannot be read back", A::KIND)).because(error))
}

/// The events of a run, for any listener that shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Started {
        subject: Subject,
        doing: &'static str,
    },
    /// AWS needs time for `what`; `seconds` have passed so far.
    Waiting {
        subject: Subject,
        what: String,
        seconds: u64,
    },
    Done {
        subject: Subject,
    },
    Failed {
        subject: Subject,
    },
}

pub type Listener = Arc<dyn Fn(Event) + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn want_tags(user: &Tags) -> Value {
        let mut all = user.clone();
        all.insert(STACK_TAG.to_owned(), "s".to_owned());
        all.insert(TAG_KEYS_TAG.to_owned(), record_of_keys(user));
        json!({ "tags": all })
    }

    fn many_tags(count: usize) -> Tags {
        (0..count).map(|number| (format!("key-{number}"), "x".to_owned())).collect()
    }

    fn tags_of(want: &Value) -> Tags {
        serde_json::from_value(want["tags"].clone()).unwrap()
    }

    /// Checks every number of tags that AWS accepts, in both forms of the record: 36 tags are the most in the first form.
    #[test]
    fn record_of_tag_keys_fits_a_tags_value_for_any_number_of_tags() {
        for count in 1..=50 {
            let user = many_tags(count);
            let record = record_of_keys(&user);
            assert!(record.chars().count() <= LONGEST_TAG_VALUE, "{count}: {record}");
            assert!(record.chars().all(|c| c.is_ascii_alphanumeric() || "_.-=".contains(c)), "{record}");
            assert_eq!(record.starts_with(SHORT_FORM), count > 36, "{count}: {record}");
            let mut have = tags_of(&want_tags(&user));
            have.insert("stranger".to_owned(), "keep".to_owned());
            assert_eq!(promised(&have).len(), count + 2, "{count}");
            assert!(!promised(&have).contains_key("stranger"), "{count}");
            // All tags are removed but the first, and the stranger's.
            let change = tag_change(&have, &want_tags(&many_tags(1)));
            assert_eq!(change.remove.len(), count - 1, "{count}");
            assert!(!change.remove.contains(&"stranger".to_owned()), "{count}");
        }
    }

    /// Checks records as earlier versions wrote them: also one with more than 36 tags, from a service that accepted it.
    #[test]
    fn record_in_the_first_form_is_still_read() {
        let of = |user: &Tags| user.keys().map(|key| key_digest(key)).collect::<Vec<_>>().join(".");
        assert_eq!(of(&tags(&[("team", "a"), ("env", "x")])), "4147dd.e201fb");
        for count in [1, 36, 40] {
            let user = many_tags(count);
            let mut have = user.clone();
            have.insert(STACK_TAG.to_owned(), "s".to_owned());
            have.insert(TAG_KEYS_TAG.to_owned(), of(&user));
            have.insert("stranger".to_owned(), "keep".to_owned());
            let change = tag_change(&have, &want_tags(&tags(&[("env", "y")])));
            assert_eq!(change.remove, user.keys().cloned().collect::<Vec<_>>(), "{count}");
        }
        // Few tags have the same record as before, so that an upgrade changes none.
        assert_eq!(record_of_keys(&many_tags(36)), of(&many_tags(36)));
    }

    #[test]
    fn only_tags_that_taskbell_set_are_removed() {
        let mut have = tags_of(&want_tags(&tags(&[("team", "a"), ("env", "x")])));
        have.insert("stranger".to_owned(), "keep".to_owned());
        let change = tag_change(&have, &want_tags(&tags(&[("env", "y")])));
        assert_eq!(change.remove, ["team"]);
        assert_eq!(change.set.get("env").map(String::as_str), Some("y"));
        assert!(!promised(&have).contains_key("stranger"));
    }

    #[test]
    fn only_a_tag_with_the_stacks_name_makes_a_resource_its_own() {
        let found = |pairs: &[(&str, &str)]| Found { spec: json!({}), tags: tags(pairs) };
        let stack: StackName = "prod".parse().unwrap();
        assert!(matches!(judge(found(&[(STACK_TAG, "prod")]), &stack), Observed::Ours(_)));
        for foreign in [&[][..], &[(STACK_TAG, "prod-2")], &[("stack", "prod")]] {
            assert!(matches!(judge(found(foreign), &stack), Observed::Foreign { .. }));
        }
    }

    #[test]
    fn exported_resource_serves_its_stack_but_is_not_managed() {
        let seen = |pairs: &[(&str, &str)]| {
            let address =
                Address { id: Id::new(Kind::Rule, "a"), name: "a".to_owned(), stack: "prod".parse().unwrap() };
            let observed = judge(Found { spec: json!({}), tags: tags(pairs) }, &address.stack);
            (matches!(observed, Observed::Ours(_)), Seen { address, needs: Needs::NOTHING, observed: Ok(observed) })
        };
        for (pairs, is_ours, serves) in [
            (&[(STACK_TAG, "prod")][..], true, true),
            (&[(EXPORTED_TAG, "prod")], false, true),
            (&[(EXPORTED_TAG, "prod-2")], false, false),
            (&[], false, false),
        ] {
            let (ours, seen) = seen(pairs);
            assert_eq!((ours, seen.serving().unwrap().is_some()), (is_ours, serves), "{pairs:?}");
        }
    }

    #[test]
    fn record_shows_which_fields_changed() {
        let spec = json!({"a": 1, "b": 2, "tags": {}});
        let record = applied(&spec);
        let mut now = spec;
        now["b"] = json!(3);
        let found = Found { spec: now, tags: tags(&[(APPLIED_TAG, &record)]) };
        assert_eq!(is_as_applied(&found, "a"), Some(true));
        assert_eq!(is_as_applied(&found, "b"), Some(false));
        let unrecorded = Found { tags: Tags::new(), ..found };
        assert_eq!(is_as_applied(&unrecorded, "a"), None);
    }
}
