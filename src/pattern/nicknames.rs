//! Knows the patterns by the short names of samples: who has seen `taskbell preview oom` may type `--pattern oom`.

/// The short names of samples, each with the narrowest pattern of the catalogue for such events.
const NICKNAMES: [(&str, &str); 13] = [
    ("exit-nonzero", "nonzero-exit"),
    ("job-failed", "task-failed"),
    ("oom", "out-of-memory"),
    ("cannot-pull", "start-failed"),
    ("cannot-start", "start-failed"),
    ("resource-init", "start-failed"),
    ("logger-init", "start-failed"),
    ("spot", "spot-interrupted"),
    ("elb-unhealthy", "health-check-failed"),
    ("container-unhealthy", "health-check-failed"),
    ("placement-failure", "service-impaired"),
    ("start-impaired", "service-impaired"),
    ("run-denied", "run-rejected"),
];

/// Returns the name of the pattern for a sample's short name, if the catalogue has one.
#[must_use]
pub fn of_sample(short: &str) -> Option<&'static str> {
    NICKNAMES.iter().find(|(sample, _)| *sample == short).map(|(_, pattern)| *pattern)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::matcher::Matcher;
    use crate::pattern::samples::{SAMPLES, of_cluster_by_name, without_number};
    use crate::pattern::{Drill, Pattern};

    #[test]
    fn pattern_of_a_sample_matches_the_sample() {
        let arn = "arn:aws:ecs:us-east-1:123456789012:cluster/batch";
        for (short, pattern) in NICKNAMES {
            let sample = SAMPLES.iter().find(|sample| without_number(sample.name) == short);
            let event = of_cluster_by_name(sample.unwrap().name, arn).unwrap();
            let found = Pattern::find(short).unwrap();
            assert_eq!(found.name, pattern);
            let bound = found.bind(&[arn.to_owned()], Drill::Accepted).unwrap();
            let matcher = Matcher::new(&crate::pattern::tree::Tree::from(&bound)).unwrap();
            assert_eq!(matcher.mismatch(&event), None, "{short}");
        }
    }
}
