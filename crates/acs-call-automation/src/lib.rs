//! The low-level client of Azure Communication Services Call Automation.
//!
//! [`types`] and the methods of [`Client`] are generated from the `OpenAPI` document under `spec/`
//! of the repository: all operations, all schemas, and the data of all callback events. Nothing
//! here has opinions: no authentication, no retries, no defaults. What happens around a request is
//! the caller's, through one seam, [`Transport`]. For recording calls use the crate
//! `acs-recording`, which is built on this one.
//!
//! Members are added to types without notice, so structs are `#[non_exhaustive]`. A struct with
//! required members has `new`, which takes them, and one without has `Default`; each optional
//! member has a setter of its name:
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
//! let http = reqwest::Client::new();
//! let transport = Arc::new(WithToken(http.clone()));
//! # let endpoint = reqwest::Url::parse("https://contoso.communication.azure.com").unwrap();
//! let client = Client::new(endpoint, http, transport);
//!
//! let recording = client.call_recording_get_recording_properties("eyJQbGF0…").await?;
//! println!("{:?}", recording.recording_state);
//! # Ok(())
//! # }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod client;
mod failure;
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    reason = "progenitor's output; text comes from spec/call-automation.overlay.yaml"
)]
mod generated;
mod open_enum;
mod transport;

/// The examples in the README are compiled with those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use client::Client;
pub use failure::Failure;
pub use generated::types;
pub use progenitor_client::ResponseValue;
/// The HTTP client that requests and responses of the [`Transport`] seam are made of.
pub use reqwest;
pub use transport::{
    BodyError, BoxError, DEFAULT_BODY_LIMIT, Transport, TransportFuture, read_body, with_body,
};

pub(crate) use open_enum::open_enum;
