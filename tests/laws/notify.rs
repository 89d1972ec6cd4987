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
