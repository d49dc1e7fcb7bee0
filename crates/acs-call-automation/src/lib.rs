//! A low-level client for Azure Communication Services Call Automation.
//!
//! [`types`] and the methods of [`Client`] are generated from the `OpenAPI` document in `spec/` of
//! the repository. They cover all operations, all schemas, and the data of all callback events. The
//! crate does not authenticate, retry or set defaults. The caller controls how requests are sent,
//! by implementing [`Transport`]. To record calls, use the crate `acs-recording`, which builds on
//! this one.
//!
//! Structs are `#[non_exhaustive]`, because the service adds members without notice. A struct with
//! required members has a constructor `new` with them as arguments, and a struct without implements
//! `Default`. Each optional member has a setter with its name:
//!
//! ```
//! use acs_call_automation::types::{FileSource, PlayRequest, PlaySource, PlaySourceType};
//!
//! let sound = PlaySource::new(PlaySourceType::File)
//!     .file(FileSource::new("https://app.example/hello.wav"));
//! let request = PlayRequest::new([sound]).operation_context("greeting");
//! assert_eq!(request.play_sources.len(), 1);
//! ```
//!
//! # Example
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use acs_call_automation::{
//!     Client, DEFAULT_BODY_LIMIT, Failure, Transport, TransportFuture, reqwest, with_body,
//! };
//!
//! /// Adds a bearer token to every request.
//! #[derive(Debug)]
//! struct WithToken(reqwest::Client);
//!
//! impl Transport for WithToken {
//!     fn send<'a>(&'a self, mut request: reqwest::Request, _operation: &'a str) -> TransportFuture<'a> {
//!         Box::pin(async move {
//!             request.headers_mut().insert("authorization", "Bearer …".parse()?);
//!             Ok(with_body(self.0.execute(request).await?, DEFAULT_BODY_LIMIT).await?)
//!         })
//!     }
//! }
//!
//! # async fn run() -> Result<(), Failure> {
//! let transport = Arc::new(WithToken(reqwest::Client::new()));
//! # let endpoint = reqwest::Url::parse("https://contoso.communication.azure.com").unwrap();
//! let client = Client::new(endpoint, transport);
//!
//! let recording = client.call_recording_get_recording_properties("eyJQbGF0…", None).await?;
//! println!("{:?}", recording.recording_state);
//! # Ok(())
//! # }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    reason = "generated code; its text comes from spec/call-automation.overlay.yaml"
)]
mod generated;
#[allow(
    dead_code,
    unreachable_pub,
    clippy::missing_errors_doc,
    clippy::unnecessary_wraps,
    clippy::must_use_candidate,
    reason = "for generated code, which needs only a part of it"
)]
mod runtime;

/// Compiles the examples in the README as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use generated::{Client, options, types};
/// The HTTP client whose requests and responses a [`Transport`] uses.
pub use reqwest;
pub use runtime::{
    BodyError, BoxError, DEFAULT_BODY_LIMIT, Failure, ResponseValue, Transport, TransportFuture,
    read_body, with_body,
};
