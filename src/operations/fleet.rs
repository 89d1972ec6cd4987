//! Carries out an operation for many stacks: some at a time, none stopped by another.

use std::future::Future;

use futures_util::stream::{Stream, StreamExt, iter};

/// An operation for one stack, in two phases.
pub trait StackOperation {
    type Prepared;
    type Done;

    /// Looks, checks and plans. Writes nothing.
    fn prepare(&self) -> impl Future<Output = Phase<Self::Prepared, Self::Done>>;

    /// Does what was prepared. What was done is in the result, whatever comes.
    fn apply(&self, prepared: Self::Prepared) -> impl Future<Output = Self::Done>;
}

/// How far an operation came without writing anything.
pub enum Phase<P, D> {
    /// There is nothing to write, or it may not be written.
    Over(D),
    /// There is something to write.
    Ready(P),
}

/// Prepares all, so many at a time, in the order in which they end; each with its number.
pub fn prepare<'a, O: StackOperation>(
    operations: &'a [O],
    at_once: usize,
) -> impl Stream<Item = (usize, Phase<O::Prepared, O::Done>)> + use<'a, O> {
    let prepare = |(at, operation): (usize, &'a O)| async move { (at, operation.prepare().await) };
    iter(operations.iter().enumerate().map(prepare)).buffer_unordered(at_once)
}

/// Applies what was prepared, so many at a time, in the order in which they end; each with its number.
pub fn apply<'a, O: StackOperation>(
    operations: &'a [O],
    prepared: Vec<(usize, O::Prepared)>,
    at_once: usize,
) -> impl Stream<Item = (usize, O::Done)> + use<'a, O> {
    let apply = move |(at, prepared): (usize, O::Prepared)| async move { (at, operations[at].apply(prepared).await) };
    iter(prepared.into_iter().map(apply)).buffer_unordered(at_once)
}

/// Prepares and applies each, without a question between: for those that may write unasked.
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
