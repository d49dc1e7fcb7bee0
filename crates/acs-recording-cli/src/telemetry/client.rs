//! Sends the requests of the exporters.

use std::error::Error as _;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response, ResponseBodyTooLarge};
use tokio::runtime::Handle;

use super::variables::{Signal, Variables};
use crate::failure::Failure;
use crate::options::Global;

/// More than any collector has to say.
const MAX_RESPONSE: usize = 1 << 20;

/// A client for the threads of the exporters, which are in no runtime.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    runtime: Handle,
    /// What is wrong, if the last request failed.
    problem: Mutex<Option<String>>,
}

impl Client {
    pub(super) fn new(
        variables: &Variables,
        signal: Signal,
        global: &Global,
        runtime: &Handle,
    ) -> Result<Self, Failure> {
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(variables.timeout(signal));
        let files = variables.exporter(signal, "CERTIFICATE").map(Into::into);
        for path in global.ca_certs.iter().chain(&files) {
            let pem = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem);
            let certificates = certificates.ok().filter(|list| !list.is_empty());
            let certificates = certificates.ok_or_else(|| {
                Failure::usage(format!("{} holds no certificate in PEM", path.display()))
            })?;
            for certificate in certificates {
                builder = builder.add_root_certificate(certificate);
            }
        }
        Ok(Self {
            http: builder.build().map_err(|error| Failure::other(&error))?,
            runtime: runtime.clone(),
            problem: Mutex::default(),
        })
    }

    /// Logs what is wrong, once.
    fn note(&self, problem: Option<String>) {
        let mut before = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        if *before == problem {
            return;
        }
        if let Some(problem) = &problem {
            tracing::warn!("telemetry is not sent to the collector: {problem}");
        } else {
            tracing::info!("telemetry is sent to the collector again");
        }
        *before = problem;
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = send(self.http.clone(), request);
        let sent = self.runtime.spawn(sent).await?;
        self.note(match &sent {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("it responds with status {}", response.status())),
            Err(error) => Some(error.to_string()),
        });
        sent
    }
}

async fn send(
    client: reqwest::Client,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let request = request.try_into().map_err(reqwest::Error::without_url)?;
    let mut response = client.execute(request).await.map_err(|error| {
        let error = error.without_url();
        // reqwest's own text does not say why.
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    })?;
    let mut body = Vec::new();
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(reqwest::Error::without_url)?
    {
        if body.len() + piece.len() > MAX_RESPONSE {
            return Err(ResponseBodyTooLarge::new().into());
        }
        body.extend_from_slice(&piece);
    }
    let mut received = Response::new(Bytes::from(body));
    *received.status_mut() = response.status();
    std::mem::swap(received.headers_mut(), response.headers_mut());
    Ok(received)
}
