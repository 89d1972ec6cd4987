//! Carries out an operation for many stacks: some at a time, and no stack stops another one.

use std::future::Future;

use futures_util::stream::{Stream, StreamExt, iter};

/// An operation for one stack, in two phases.
pub trait StackOperation {
    type Prepared;
    type Done;

    /// Reads, checks and plans. Writes nothing.
    fn prepare(&self) -> impl Future<Output = Phase<Self::Prepared, Self::Done>>;

    /// Carries out the prepared operation. The result contains everything that was done, also after a failure.
    fn apply(&self, prepared: Self::Prepared) -> impl Future<Output = Self::Done>;
}

/// The end of the first phase of an operation, which writes nothing.
pub enum Phase<P, D> {
    /// The result: nothing has to be written, or nothing may be written.
    Over(D),
    /// The prepared changes.
    Ready(P),
}

/// Prepares all operations, at most `at_once` at a time. Returns the results in the order in which the operations end, each with
/// the operation's number.
pub fn prepare<'a, O: StackOperation>(
    operations: &'a [O],
    at_once: usize,
) -> impl Stream<Item = (usize, Phase<O::Prepared, O::Done>)> + use<'a, O> {
    let prepare = |(at, operation): (usize, &'a O)| async move { (at, operation.prepare().await) };
    iter(operations.iter().enumerate().map(prepare)).buffer_unordered(at_once)
}

/// Applies all prepared operations, at most `at_once` at a time. Returns the results in the order in which the operations end, each
/// with the operation's number.
pub fn apply<O: StackOperation>(
    operations: &[O],
    prepared: Vec<(usize, O::Prepared)>,
    at_once: usize,
) -> impl Stream<Item = (usize, O::Done)> + use<'_, O> {
    let apply = move |(at, prepared): (usize, O::Prepared)| async move { (at, operations[at].apply(prepared).await) };
    iter(prepared.into_iter().map(apply)).buffer_unordered(at_once)
}

/// Prepares and applies each operation without a question between the two phases: for operations that may write unasked.
pub fn prepare_and_apply<'a, O: StackOperation>(
    operations: &'a [O],
    at_once: usize,
) -> impl Stream<Item = (usize, O::Done)> + use<'a, O> {
    let both = |(at, operation): (usize, &'a O)| async move {
        let done = match operation.prepare().await {
            Phase::Over(done) => done,
            Phase::Ready(prepared) => operation.apply(prepared).await,
        };
        (at, done)
    };
    iter(operations.iter().enumerate().map(both)).buffer_unordered(at_once)
}
