//! The state of the web application. Handlers take the parts that they need.

use std::sync::Arc;

use axum::extract::FromRef;

use super::repeatability::RepeatabilityStore;
use crate::activity::ActivityLog;
use crate::auth::Auth;
use crate::delivery::Delivery;
use crate::faults::Faults;
use crate::runtime::Runtime;
use crate::service::Service;
use crate::storage::store::Store;
use crate::tasks::Tasks;

/// The parts that handlers and middleware can take, such as `State<Arc<Service>>`.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(super) runtime: Arc<Runtime>,
    pub(super) repeatability: Arc<RepeatabilityStore>,
}

impl AppState {
    pub(super) fn new(runtime: &Arc<Runtime>) -> Self {
        Self {
            runtime: Arc::clone(runtime),
            repeatability: Arc::default(),
        }
    }
}

/// Implements [`FromRef`] for the parts of the state.
macro_rules! parts {
    ($($part:ty: $($field:ident).+;)+) => {$(
        impl FromRef<AppState> for $part {
            fn from_ref(state: &AppState) -> Self {
                state.$($field).+.clone()
            }
        }
    )+};
}

parts! {
    Arc<Runtime>: runtime;
    Arc<Service>: runtime.service;
    Arc<Store>: runtime.store;
    Arc<Auth>: runtime.auth;
    Arc<Delivery>: runtime.delivery;
    Faults: runtime.faults;
    ActivityLog: runtime.activity;
    Tasks: runtime.tasks;
    Arc<RepeatabilityStore>: repeatability;
}
