//! Checks processes that set stacks up at once, against control planes that accept only so many calls per second.

use tokio::time::Instant;

use crate::support::emulator::{Emulator, taskbell_at};
use crate::support::limits::Limits;
use crate::support::proxy::Proxy;
use crate::support::{self, Outcome};

const PROCESSES: usize = 10;

#[tokio::test]
async fn ten_processes_at_once_survive_throttling() {
    let emulator = Emulator::start("ministack");
    let ecs = aws_sdk_ecs::Client::new(&emulator.sdk().await);
    ecs.create_cluster().cluster_name("batch").send().await.unwrap();
    let before = emulator.listing().await;
    let proxy = Proxy::start(&emulator.endpoint);
    proxy.limit(Limits::of_the_control_planes().and_every(10));
    for command in ["setup --cluster batch --yes", "drift --cluster batch", "teardown --cluster batch --yes"] {
        let (start, calls, throttled) = (Instant::now(), proxy.calls(), proxy.throttled());
        let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
            let lines = (0..PROCESSES).map(|number| format!("{command} --stack storm-{number}"));
            let run = |line: String| taskbell_at(&proxy.endpoint, &line, Some(support::WEBHOOK));
            let running: Vec<_> = lines.map(|line| scope.spawn(move || run(line))).collect();
            running.into_iter().map(|running| running.join().unwrap()).collect()
        });
        println!(
            "{PROCESSES} processes, {command}: {:?}, {} of {} calls throttled",
            start.elapsed(),
            proxy.throttled() - throttled,
            proxy.calls() - calls
        );
        for outcome in outcomes {
            assert_eq!(outcome.code, 0, "{command}: {outcome:?}");
        }
    }
    emulator.is_again(&before).await;
    assert!(proxy.throttled() > 0, "nothing was throttled");
}
