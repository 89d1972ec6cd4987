//! Checks what `notify` refuses.

use crate::support::aws::{Aws, Failure, Fault, On};
use crate::support::taskbell;

#[tokio::test(start_paused = true)]
async fn refused_alert_and_missing_message_are_errors() {
    let aws = Aws::new().await;
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("events:PutEvents"), nth: 0, times: 9 });
    let denied = taskbell(&aws, "notify broken").await;
    assert!(denied.code == 1 && denied.err.contains("events:PutEvents"), "{denied:?}");
    assert_eq!(taskbell(&aws, "notify").await.code, 64);
    assert_eq!(taskbell(&aws, "notify x --detail-file /nowhere").await.code, 64);
}

#[tokio::test(start_paused = true)]
async fn success_needs_the_valid_name_of_a_job() {
    let aws = Aws::new().await;
    for line in [
        "notify --ok",
        "notify --ok --job",
        "notify --ok --job a|b",
        "notify --seconds 3 x",
        "notify --ok --job a --run -- true",
    ] {
        let refused = taskbell(&aws, line).await;
        assert_eq!((refused.code, aws.calls().len()), (64, 0), "{line}: {refused:?}");
    }
    for line in
        ["notify --ok --job backup", "notify --ok --job backup --seconds 412 done", "notify failed --job backup"]
    {
        let sent = taskbell(&aws, line).await;
        assert_eq!(sent.code, 0, "{line}: {sent:?}");
    }
    aws.fail(Fault { failure: Failure::Denied, on: On::Action("events:PutEvents"), nth: 0, times: 9 });
    let denied = taskbell(&aws, "notify --ok --job backup").await;
    assert!(denied.code == 1 && denied.err.contains("events:PutEvents"), "{denied:?}");
}
