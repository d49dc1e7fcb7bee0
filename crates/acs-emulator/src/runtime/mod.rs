//! Puts the parts of the emulator together, and decides what follows an event of the service.

mod clockwork;
mod event_router;
mod expiry;
pub(crate) mod recording_pipeline;
pub(crate) mod reset;
pub(crate) mod synthetic_recording;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::activity::{ActivityLog, Change};
use crate::auth::Auth;
use crate::auth::admin_token::AdminToken;
use crate::auth::authorities::Authorities;
use crate::auth::keys::{AccessKey, Keys};
use crate::delivery::context::DeliveryContext;
use crate::delivery::delivery_log::DeliveryLog;
use crate::delivery::{Delivery, http_client};
use crate::error::Error;
use crate::faults::Faults;
use crate::server::listeners::BoundAddresses;
use crate::service::ids;
use crate::service::url_policy::UrlPolicy;
use crate::service::{Service, ServiceSettings};
use crate::storage::settings::StorageSettings;
use crate::storage::store::Store;
use crate::tasks::Tasks;

use event_router::EventRouter;
use recording_pipeline::RecordingPipeline;

/// The settings of the builder that do not concern listeners.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) service: ServiceSettings,
    pub(crate) storage: StorageSettings,
    /// The time from the end of a recording until its event is sent.
    pub(crate) event_delay: Duration,
    pub(crate) server_time_offset: SignedDuration,
    /// The factor for the delays between delivery attempts.
    pub(crate) retry_scale: f64,
    pub(crate) well_known_keys: bool,
    /// The id of the resource. `None` generates one.
    pub(crate) resource: Option<Uuid>,
}

/// How clients reach the emulator.
#[derive(Clone, Debug, Default)]
pub(crate) struct Site {
    /// The endpoint for clients, such as `http://127.0.0.1:PORT`.
    pub(crate) endpoint: String,
    /// The host names that requests may be signed for.
    pub(crate) authorities: Authorities,
    /// The origin of content locations.
    pub(crate) content_origin: String,
    /// The address of the admin interface, if enabled.
    pub(crate) admin: Option<SocketAddr>,
    /// The token of the admin interface, if it needs one.
    pub(crate) admin_token: Option<AdminToken>,
    /// Names of the admin interface in addition to loopback.
    pub(crate) admin_hosts: Vec<String>,
    /// Whether plain HTTP is allowed for webhooks, callbacks and storage on other machines.
    pub(crate) allows_http: bool,
    pub(crate) addresses: BoundAddresses,
    /// Host names that requests may be signed for, in addition to loopback.
    pub(crate) host_names: Vec<String>,
    /// The CA certificate in PEM format, if HTTPS is enabled.
    pub(crate) ca: Option<String>,
}

/// The parts of a running emulator.
pub(crate) struct Runtime {
    pub(crate) service: Arc<Service>,
    pub(crate) store: Arc<Store>,
    pub(crate) auth: Arc<Auth>,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) faults: Faults,
    pub(crate) activity: ActivityLog,
    pub(crate) tasks: Tasks,
    pub(crate) recordings: Arc<RecordingPipeline>,
    pub(crate) site: Site,
    /// When the emulator was started, in real time.
    pub(crate) started_at: Timestamp,
}

impl Runtime {
    /// Creates the parts and starts the background tasks, but not the script. Must be called in a tokio
    /// runtime.
    pub(crate) fn new(settings: Settings, site: Site) -> Result<Self, Error> {
        let tasks = Tasks::new();
        let activity = ActivityLog::new();
        let faults = Faults::default();
        faults.observe({
            let activity = activity.clone();
            move |change| {
                activity.changed(Change::Fault {
                    id: change.id,
                    hits: change.hits,
                    removed: change.removed,
                });
            }
        });
        let clock = settings.service.clock.clone();
        let urls = UrlPolicy {
            admin: site.admin,
            allows_http: site.allows_http,
        };
        let client = http_client()?;
        let resource = settings.resource.unwrap_or_else(ids::new_id);
        let keys = if settings.well_known_keys {
            Keys::well_known()
        } else {
            Keys::new()
        };
        let auth = Arc::new(Auth::new(
            keys,
            site.endpoint.clone(),
            site.authorities.clone(),
            settings.server_time_offset,
        ));
        let store = Arc::new(Store::new(
            settings.storage,
            site.content_origin.clone(),
            resource,
        ));
        let delivery = Arc::new(Delivery::new(DeliveryContext {
            client,
            clock: clock.clone(),
            auth: Arc::clone(&auth),
            resource,
            urls,
            retry_scale: settings.retry_scale,
            faults: faults.clone(),
            log: DeliveryLog::new(activity.clone()),
            activity: activity.clone(),
            tasks: tasks.clone(),
        }));
        let recordings = Arc::new(RecordingPipeline {
            store: Arc::clone(&store),
            delivery: Arc::clone(&delivery),
            clock,
            event_delay: settings.event_delay,
            tasks: tasks.clone(),
        });
        let sink = EventRouter {
            activity: activity.clone(),
            recordings: Arc::clone(&recordings),
            delivery: Arc::clone(&delivery),
        };
        let service = Arc::new(Service::new(
            settings.service,
            resource,
            urls,
            Box::new(sink),
        ));
        tasks.spawn(expiry::report(
            Arc::clone(&store),
            service.clock().clone(),
            activity.clone(),
        ));
        tasks.spawn(clockwork::run(Arc::clone(&service)));
        tasks.spawn(clockwork::report_changes(
            service.clock().clone(),
            activity.clone(),
        ));
        Ok(Self {
            service,
            store,
            auth,
            delivery,
            faults,
            activity,
            tasks,
            recordings,
            site,
            started_at: Timestamp::now(),
        })
    }
    /// Replaces an access key and returns the new one.
    pub(crate) fn regenerate_key(&self, key: AccessKey) -> String {
        let new = self.auth.keys.regenerate(key);
        self.activity.changed(Change::Keys);
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::Activity;
    use crate::service::clock::Clock;
    use crate::service::event::{CallChange, RecordingChange, ServiceEvent};
    use crate::service::recording_request::{
        CallTarget, ChannelLayout, RecordingSpec, StartRecording,
    };
    use crate::service::script::{ScriptStep, ScriptedCall};

    fn runtime(calls: &str) -> Runtime {
        let settings = Settings {
            service: ServiceSettings {
                clock: Clock::manual(),
                connect_delay: Duration::ZERO,
                start_delay: Duration::ZERO,
                call_retention: Duration::MAX,
                script_steps: Vec::<ScriptStep>::new(),
                scripted_calls: serde_json::from_str::<Vec<ScriptedCall>>(calls).unwrap(),
            },
            storage: StorageSettings::default(),
            event_delay: Duration::ZERO,
            server_time_offset: SignedDuration::ZERO,
            retry_scale: 1.0,
            well_known_keys: false,
            resource: None,
        };
        let site = Site {
            endpoint: "http://127.0.0.1:1".to_owned(),
            authorities: Authorities::new(Vec::new(), None),
            content_origin: "http://127.0.0.1:1".to_owned(),
            ..Site::default()
        };
        Runtime::new(settings, site).unwrap()
    }

    /// The name of a change, without the values in it.
    fn name(change: &impl std::fmt::Debug) -> String {
        let text = format!("{change:?}");
        let end = text.find([' ', '(']).unwrap_or(text.len());
        text[..end].to_owned()
    }

    #[tokio::test]
    async fn subscribers_receive_all_changes_in_order() {
        let runtime = runtime(
            r#"[{"at_ms": 1000, "room": "7", "participants": ["8:acs:a", "8:acs:b"], "steps": [
                {"at_ms": 1000, "who": "8:acs:a", "do": "speak", "for_ms": 500},
                {"at_ms": 2000, "who": "8:acs:b", "do": "mute"},
                {"at_ms": 9000, "who": "8:acs:b", "do": "leave"},
                {"at_ms": 9000, "do": "end"}
            ]}]"#,
        );
        let mut activities = runtime.activity.subscribe();
        let service = &runtime.service;
        service.begin_script();
        let clock = service.clock();
        clock.advance(Duration::from_secs(1));
        let start = StartRecording {
            call: CallTarget::Room("7".to_owned()),
            spec: RecordingSpec {
                channels: ChannelLayout::Mixed,
                format: crate::media::Format::Wav,
                container: None,
                content_origin: None,
            },
            paused: false,
            state_callback_uri: None,
        };
        let recording = service.start_recording(start).unwrap();
        clock.advance(Duration::from_secs(4));
        for on in [false, true] {
            let mut state = service.state();
            let now = state.now;
            service
                .switch_recording(&mut state, &recording, on, now)
                .unwrap();
        }
        clock.advance(Duration::from_secs(5));
        drop(service.state());

        let mut changes = Vec::new();
        let mut recorded = None;
        while let Ok(activity) = activities.try_recv() {
            match activity {
                Activity::Service(ServiceEvent::Call(event)) => match &event.change {
                    CallChange::ParticipantSpeaking { raw_id, .. } => {
                        assert_eq!(raw_id, "8:acs:a");
                        changes.push("Speaking".to_owned());
                    }
                    change => changes.push(name(change)),
                },
                Activity::Service(ServiceEvent::Recording(event)) => {
                    if let RecordingChange::Ended(ended) = &event.change {
                        recorded = Some((ended.length(), event.at));
                    }
                    changes.push(format!("recording {}", name(&event.change)));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(
            changes,
            [
                "Created",
                "Started",
                "ParticipantAdded",
                "ParticipantAdded",
                "recording Started",
                "recording RecorderJoined",
                "Speaking",
                "ParticipantMuted",
                "recording Paused",
                "recording Resumed",
                "ParticipantRemoved",
                "recording Ended",
                "Ended",
            ]
        );
        let seconds = SignedDuration::from_secs(9);
        assert_eq!(recorded, Some((seconds, clock.now())));
        assert_eq!(runtime.store.list(clock.now()).len(), 1);
    }
}
