//! The variables of OpenTelemetry that the exporter does not read itself.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry_otlp::OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT;

use crate::failure::Failure;

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signal {
    Traces,
    Metrics,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
        }
    }
}

/// The variables of OpenTelemetry.
pub(super) struct Variables(HashMap<String, String>);

impl Variables {
    /// Those of the process. An empty variable counts as one that is not set.
    pub(super) fn read() -> Self {
        let variables = std::env::vars_os();
        let texts = variables.filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self(
            texts
                .filter(|(name, _)| name.starts_with("OTEL_"))
                .collect(),
        )
    }

    fn get(&self, name: &str) -> Option<String> {
        let value = self.0.get(name)?;
        (!value.trim().is_empty()).then(|| value.clone())
    }

    /// A variable of the exporter: that of the signal, or else that of all signals.
    pub(super) fn exporter(&self, signal: Signal, name: &str) -> Option<String> {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{name}", signal.name());
        self.get(&own)
            .or_else(|| self.get(&format!("OTEL_EXPORTER_OTLP_{name}")))
    }

    /// Whether a signal is sent.
    pub(super) fn is_sent(&self, signal: Signal) -> Result<bool, Failure> {
        let is_disabled = self
            .get("OTEL_SDK_DISABLED")
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        if is_disabled || self.exporter(signal, "ENDPOINT").is_none() {
            return Ok(false);
        }
        let exporter = format!("OTEL_{}_EXPORTER", signal.name());
        match self.get(&exporter).as_deref().map(str::trim) {
            Some("none") => return Ok(false),
            None | Some("otlp") => {}
            Some(other) => {
                let text = format!("{exporter} is {other:?}, which is not supported");
                return Err(Failure::usage(text).hint("set it to otlp or none"));
            }
        }
        match self.exporter(signal, "PROTOCOL").as_deref().map(str::trim) {
            None | Some("http/protobuf") => Ok(true),
            Some(other) => {
                let text =
                    format!("OTEL_EXPORTER_OTLP_PROTOCOL is {other:?}, which is not supported");
                Err(Failure::usage(text).hint(
                    "set it to http/protobuf; the endpoint of a collector for it has port 4318",
                ))
            }
        }
    }

    /// How long a request may take.
    pub(super) fn timeout(&self, signal: Signal) -> Duration {
        let millis = self.exporter(signal, "TIMEOUT");
        let millis = millis.and_then(|text| text.trim().parse().ok());
        millis.map_or(OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT, Duration::from_millis)
    }

    /// Whether the user names the service.
    pub(super) fn has_service_name(&self) -> bool {
        let attributes = self.get("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        let mut attributes = attributes.split(',');
        self.get("OTEL_SERVICE_NAME").is_some()
            || attributes.any(|attribute| attribute.trim().starts_with("service.name="))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(set: &[(&str, &str)]) -> Variables {
        let set = set.iter().copied();
        Variables(
            set.map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    #[test]
    fn nothing_is_sent_without_an_endpoint() {
        let sets = [
            (&[][..], false, false),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")], false, false),
            (
                &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318")],
                true,
                true,
            ),
            (
                &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/t")],
                true,
                false,
            ),
            (
                &[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://c/m")],
                false,
                true,
            ),
            (
                &[
                    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
                    ("OTEL_SDK_DISABLED", "TRUE"),
                ],
                false,
                false,
            ),
            (
                &[
                    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
                    ("OTEL_TRACES_EXPORTER", "none"),
                    ("OTEL_METRICS_EXPORTER", "otlp"),
                ],
                false,
                true,
            ),
        ];
        for (set, traces, metrics) in sets {
            let read = variables(set);
            assert_eq!(read.is_sent(Signal::Traces).unwrap(), traces, "{set:?}");
            assert_eq!(read.is_sent(Signal::Metrics).unwrap(), metrics, "{set:?}");
        }
    }

    #[test]
    fn what_is_not_supported_is_an_error() {
        for set in [
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317"),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ][..],
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
                ("OTEL_TRACES_EXPORTER", "zipkin"),
            ],
        ] {
            let failure = variables(set).is_sent(Signal::Traces).unwrap_err();
            assert_eq!(failure.exit_code(), 2, "{}", failure.message());
            assert!(failure.message().contains(set[1].1));
        }
    }

    #[test]
    fn the_variable_of_a_signal_takes_precedence() {
        let read = variables(&[
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "500"),
        ]);
        assert_eq!(read.timeout(Signal::Traces), Duration::from_millis(500));
        assert_eq!(read.timeout(Signal::Metrics), Duration::from_secs(2));
        let read = variables(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")]);
        assert_eq!(read.timeout(Signal::Traces), Duration::from_secs(10));
    }

    #[test]
    fn a_name_of_the_service_is_kept() {
        assert!(!variables(&[]).has_service_name());
        assert!(variables(&[("OTEL_SERVICE_NAME", "a")]).has_service_name());
        let attributes = &[("OTEL_RESOURCE_ATTRIBUTES", "a=b, service.name=c")];
        assert!(variables(attributes).has_service_name());
    }
}
