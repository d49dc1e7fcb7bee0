//! Creates many objects at once.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::super::body::DocumentBody;
use super::super::calls::{Call, detail};
use super::super::faults::ActiveFault;
use super::super::problem::Problem;
use super::super::recordings::{self, Recording};
use super::super::subscriptions::Subscription;
use super::blocking::blocking;
use super::faults;
use super::new_call::{NewCall, NewIncomingCall, check_conflicts};
use super::recordings::NewRecording;
use super::subscriptions::NewSubscription;
use crate::delivery::event_grid::prepared_subscription::PreparedSubscription;
use crate::faults::Fault;
use crate::http::state::AppState;
use crate::runtime::Runtime;
use crate::service::call_setup::CallSetup;
use crate::service::participant::NewParticipant;
use crate::service::script::CallPlan;
use crate::service::url_policy::UrlPolicy;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/seed", post(seed))
}

/// What to create.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Seed {
    subscriptions: Vec<NewSubscription>,
    faults: Vec<Fault>,
    recordings: Vec<NewRecording>,
    calls: Vec<NewCall>,
    incoming_calls: Vec<NewIncomingCall>,
}

/// What was created, in the order of the request.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SeedResult {
    subscriptions: Vec<Subscription>,
    faults: Vec<ActiveFault>,
    recordings: Vec<Recording>,
    calls: Vec<Call>,
    incoming_calls: Vec<Call>,
}

/// A document that was checked, except for what depends on other objects.
struct CheckedSeed {
    subscriptions: Vec<NewSubscription>,
    faults: Vec<Fault>,
    recordings: Vec<NewRecording>,
    calls: Vec<CallSetup>,
    incoming_calls: Vec<(NewParticipant, CallPlan)>,
}

impl Seed {
    fn check(self, urls: UrlPolicy) -> Result<CheckedSeed, Problem> {
        for (index, one) in self.subscriptions.iter().enumerate() {
            one.check(&format!("/subscriptions/{index}"))?;
        }
        for (index, one) in self.faults.iter().enumerate() {
            faults::check(one, &format!("/faults/{index}"))?;
        }
        for (index, one) in self.recordings.iter().enumerate() {
            one.check(&format!("/recordings/{index}"))?;
        }
        let calls = self.calls.into_iter().enumerate();
        let calls = calls.map(|(index, one)| one.check(&format!("/calls/{index}"), urls));
        let incoming = self.incoming_calls.into_iter().enumerate();
        let incoming = incoming.map(|(index, one)| one.check(&format!("/incomingCalls/{index}")));
        Ok(CheckedSeed {
            calls: calls.collect::<Result<_, _>>()?,
            incoming_calls: incoming.collect::<Result<_, _>>()?,
            subscriptions: self.subscriptions,
            faults: self.faults,
            recordings: self.recordings,
        })
    }
}

async fn seed(
    State(runtime): State<Arc<Runtime>>,
    DocumentBody(document): DocumentBody<Seed>,
) -> Result<(StatusCode, Json<SeedResult>), Problem> {
    let urls = runtime.service.urls;
    let mut document = blocking(move || document.check(urls)).await?;
    check_calls(&runtime, &document.calls)?;
    let mut subscriptions = Vec::new();
    for (index, one) in std::mem::take(&mut document.subscriptions)
        .into_iter()
        .enumerate()
    {
        let at = format!("/subscriptions/{index}");
        subscriptions.push(one.prepare(&runtime.delivery, &at).await?);
    }
    create(&runtime, document, subscriptions).map(|result| (StatusCode::CREATED, Json(result)))
}

fn check_calls(runtime: &Runtime, calls: &[CallSetup]) -> Result<(), Problem> {
    let mut state = runtime.service.state();
    check_conflicts(&runtime.service, &mut state, calls, |index| {
        format!("/calls/{index}")
    })
}

/// Creates everything while the state is locked, so that nothing else happens in between.
fn create(
    runtime: &Runtime,
    document: CheckedSeed,
    subscriptions: Vec<PreparedSubscription>,
) -> Result<SeedResult, Problem> {
    let service = &runtime.service;
    let mut state = service.state();
    // The handshakes took a while.
    check_conflicts(service, &mut state, &document.calls, |index| {
        format!("/calls/{index}")
    })?;
    let subscriptions: Vec<_> = subscriptions
        .into_iter()
        .map(|one| runtime.delivery.add_subscription(one))
        .collect();
    let faults: Vec<_> = document
        .faults
        .into_iter()
        .map(|fault| runtime.faults.add(fault).id())
        .collect();
    let recordings: Vec<_> = document
        .recordings
        .iter()
        .map(|one| one.add(runtime))
        .collect();
    let calls: Vec<_> = document
        .calls
        .into_iter()
        .map(|setup| service.set_up_call(&mut state, setup).key)
        .collect();
    let incoming: Vec<_> = document
        .incoming_calls
        .into_iter()
        .map(|(caller, plan)| service.incoming_call(&mut state, caller, plan).call)
        .collect();
    drop(state);

    let recordings = recordings.iter().map(|id| recordings::find(runtime, id));
    let recordings = recordings.collect::<Result<_, _>>()?;
    // The participants have joined when the state is locked again.
    let state = service.state();
    let view = |keys: Vec<_>| {
        keys.into_iter()
            .map(|key| detail(runtime, &state, key).into_call())
            .collect()
    };
    let active = runtime.faults.list().into_iter();
    let active = active.filter(|one| faults.contains(&one.id));
    Ok(SeedResult {
        subscriptions: subscriptions.iter().map(|one| (&**one).into()).collect(),
        faults: active.map(Into::into).collect(),
        recordings,
        calls: view(calls),
        incoming_calls: view(incoming),
    })
}
