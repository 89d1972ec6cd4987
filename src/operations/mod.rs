//! Contains the use cases. They print nothing, ask nothing, and know no format: the command line, or another program, does that.
//!
//! Another program can set a stack up, compare AWS with the configuration, and remove the stack. `prepare` and `compare` write
//! nothing. `apply` never fails as a whole: its result contains everything that was done.
//!
//! ```
//! use taskbell::config::settings::Settings;
//! use taskbell::config::{WebhookHosts, webhook};
//! use taskbell::operations::goal::Goal;
//! use taskbell::operations::target::{Context, Target};
//! use taskbell::operations::verdict::Verdict;
//! use taskbell::operations::{drift, setup, teardown};
//! use taskbell::reconcile::plan::Exceptions;
//! # #[path = "../../tests/support/mod.rs"]
//! # mod support;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> taskbell::error::Result<()> {
//! # let aws = support::aws::Aws::new().await;
//! let settings = Settings { clusters: Some(vec!["batch".to_owned()]), ..Settings::default() };
//! let target = Target { stack: "batch".parse()?, site: Default::default() };
//! let config = settings.config(target.stack.clone())?;
//! let webhook = webhook("https://hooks.slack.com/services/T00000000/B00000000/example", WebhookHosts::Known)?;
//! # let _ = || {
//! let context = Context::new();
//! # };
//! # let context = Context { connections: std::sync::Arc::new(taskbell::aws::client::connections::Connections::given(aws.sdk())), ..Context::new() };
//!
//! let request = setup::Request {
//!     goal: Goal::Whole(Box::new(config.clone())),
//!     webhook: Some(webhook.clone()),
//!     exceptions: Exceptions::default(),
//!     allow_missing_cluster: false,
//!     check_patterns: true,
//!     is_one_of_many: false,
//! };
//! let prepared = setup::prepare(request, &target, &context).await?;
//! println!("{} changes in {}", prepared.plan.steps.len(), prepared.place.region);
//! let applied = prepared.apply(None).await; // no drill
//! assert!(applied.failed.is_none(), "{:?} was done", applied.report.done);
//!
//! let request = drift::Request { goal: Goal::Whole(Box::new(config.clone())), webhook: Some(webhook), exceptions: Exceptions::default() };
//! let comparison = drift::compare(request, &target, &context).await?;
//! assert_eq!(comparison.verdict(), Verdict::InSync);
//!
//! let applied = teardown::prepare(&config.clusters, None, &target, &context).await?.apply().await;
//! assert!(applied.is_gone());
//! # Ok(())
//! # }
//! ```

pub mod check;
pub mod doctor;
pub mod drift;
pub mod drill;
pub mod event_file;
pub mod events;
pub mod fleet;
pub mod goal;
pub mod import;
pub mod init;
pub mod jobs;
pub mod links;
pub mod names;
pub mod notify;
pub mod overlap;
pub mod pattern_test;
pub mod preview;
pub mod replay;
pub mod room;
pub mod session;
pub mod setup;
pub mod stacks;
pub mod status;
pub mod target;
pub mod task_definition;
pub mod teardown;
mod uncovered;
pub mod verdict;
