//! Records all requests to the service.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::activity::{Activity, ActivityLog, RequestRecord};
use crate::auth::hmac::Denied;

/// The outermost middleware of the service.
pub(super) async fn record(
    State(activity): State<ActivityLog>,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let denied = response.extensions().get::<Denied>();
    activity.record(Activity::Request(RequestRecord {
        method,
        path,
        status: response.status(),
        denied: denied.map(ToString::to_string),
    }));
    response
}
