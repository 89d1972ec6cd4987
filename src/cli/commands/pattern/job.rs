//! Runs `pattern test --job`: explains why no alert came about a job.

use crate::cli::args::common::{Common, Format};
use crate::cli::exit::code;
use crate::cli::render;
use crate::cli::run::progress::Progress;
use crate::cli::terminal::World;
use crate::config::Cluster;
use crate::error::{Error, Result, nearest};
use crate::operations::jobs::why::explain;
use crate::operations::jobs::{self, Job};
use crate::operations::verdict::Verdict;
use crate::secret::echoed;

pub async fn run(name: &str, clusters: &[Cluster], common: &Common, world: &World) -> Result<u8> {
    let (target, progress) = (common.target(clusters)?, Progress::new(common, world));
    let jobs = progress.over(jobs::look(clusters, &target, progress.context())).await?;
    let found: Vec<&Job> = jobs.jobs.iter().filter(|job| job.name == name).collect();
    if found.is_empty() && jobs.unread.is_empty() {
        let near = nearest(jobs.jobs.iter().map(|job| job.name.as_str()), name);
        let near = near.map(|near| format!("did you mean {near}? ")).unwrap_or_default();
        return Err(Error::new(format!("there is no job {} here", echoed(name)))
            .hint(format!("{near}`taskbell jobs` lists the jobs of the clusters")));
    }
    for reason in &jobs.unread {
        world.err.print(&format!("warning: {}\n", crate::input::printable(reason)));
    }
    // If a part was not read, an expectation may be missing.
    let is_sure = |job: &&&Job| jobs.unread.is_empty() || !job.expectations.is_empty();
    let explained: Vec<_> = found.iter().filter(is_sure).map(|job| (*job, explain(job, jobs.now))).collect();
    world.out.print(&match common.output {
        Format::Json => {
            let object = |(job, all): &(&Job, Vec<_>)| render::jobs::explanation_object(job, jobs.now, all);
            render::json(&explained.iter().map(object).collect())
        }
        _ => {
            world.laid_out(&explained.iter().map(|(job, all)| render::jobs::explanation(job, all)).collect::<String>())
        }
    });
    let alerted = explained.iter().flat_map(|(_, all)| all).any(|(_, why)| why.alerted());
    Ok(code(match (alerted, jobs.verdict()) {
        (true, _) => Verdict::InSync,
        (false, Verdict::Unreadable) => Verdict::Unreadable,
        (false, _) => Verdict::Failed,
    }))
}
