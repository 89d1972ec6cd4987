//! Reads the time at AWS: every answer contains it, also a refusal.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

/// A client that reads the dates of the answers that it receives.
#[derive(Debug, Clone)]
pub struct Dates {
    inner: SharedHttpClient,
    /// Seconds by which this machine's clock is ahead of AWS's, according to the last answer.
    ahead: Arc<Mutex<Option<i64>>>,
    clock: fn() -> SystemTime,
}

impl Dates {
    #[must_use]
    pub fn new(inner: SharedHttpClient, clock: fn() -> SystemTime) -> Self {
        Self { inner, ahead: Arc::default(), clock }
    }

    /// Returns the seconds by which this machine's clock is ahead of AWS's; negative if it is behind, none before an answer.
    #[must_use]
    pub fn ahead(&self) -> Option<i64> {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, date: Option<&str>) {
        let Some(date) = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok()) else { return };
        let ours = (self.clock)().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let ahead = i64::try_from(ours).unwrap_or(i64::MAX).saturating_sub(date.secs());
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
    }
}

impl HttpClient for Dates {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { inner, dates: self.clone() })
    }
}

#[derive(Debug)]
struct Connector {
    inner: SharedHttpConnector,
    dates: Dates,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, dates) = (self.inner.clone(), self.dates.clone());
        HttpConnectorFuture::new(async move {
            let answer = inner.call(request).await?;
            dates.note(answer.headers().get("date"));
            Ok(answer)
        })
    }
}
