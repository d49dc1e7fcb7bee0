//! What every delivery needs.

use std::sync::Arc;

use uuid::Uuid;

use super::delivery_log::DeliveryLog;
use crate::activity::ActivityLog;
use crate::auth::Auth;
use crate::faults::Faults;
use crate::service::clock::Clock;
use crate::service::url_policy::UrlPolicy;
use crate::tasks::Tasks;

/// The parts of the emulator that deliveries use.
pub(crate) struct DeliveryContext {
    pub(crate) client: reqwest::Client,
    pub(crate) clock: Clock,
    pub(crate) auth: Arc<Auth>,
    pub(crate) resource: Uuid,
    pub(crate) urls: UrlPolicy,
    /// The factor for the delays between delivery attempts.
    pub(crate) retry_scale: f64,
    pub(crate) faults: Faults,
    pub(crate) activity: ActivityLog,
    pub(crate) log: DeliveryLog,
    pub(crate) tasks: Tasks,
}
