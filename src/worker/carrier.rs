//! One export at a time, by OTLP over gRPC or over HTTP.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, ClientTlsConfig};
use tonic::{Code, Request, Status};

use crate::client::{Body, Bounds, Client, Failure, Limits, Trust};
use crate::config::Reach;
use crate::config::settings::OtlpProtocol;
use crate::telemetry::Shown;

/// Of one export.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of an answer so much is read: nothing in it is needed.
const ANSWER: usize = 64 << 10;

/// Why an export was not taken.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) cause: String,
    /// It may be taken later.
    pub(super) is_passing: bool,
}

pub(super) struct Carrier {
    to: To,
    /// Mostly who the worker is to its receiver: never shown.
    headers: HeaderMap,
}

enum To {
    Grpc(Channel),
    Http { client: Box<Client>, endpoint: String },
}

impl Carrier {
    /// Nothing is connected before the first export. `headers`: `name=value,name=value`.
    pub(super) fn new(endpoint: &str, protocol: OtlpProtocol, headers: &str) -> Result<Carrier, String> {
        let to = match protocol {
            OtlpProtocol::Grpc => {
                To::Grpc(channel(endpoint).map_err(|e| format!("telemetry.otlp.endpoint: {e}"))?)
            }
            OtlpProtocol::Http => {
                // The operator says where it is.
                let client = Client::new(Limits::default(), Arc::new(Reach::everywhere()), &Trust::system());
                To::Http { client: Box::new(client), endpoint: endpoint.trim_end_matches('/').to_owned() }
            }
        };
        let headers =
            read(headers).ok_or("telemetry.otlp.headers: it is not written as name=value,name=value")?;
        Ok(Carrier { to, headers })
    }

    pub(super) async fn spans(&self, message: ExportTraceServiceRequest) -> Result<(), Refused> {
        match &self.to {
            To::Grpc(channel) => {
                let mut client = TraceServiceClient::new(channel.clone());
                client.export(self.request(message)).await.map(drop).map_err(Refused::from)
            }
            To::Http { client, endpoint } => {
                self.post(client, format!("{endpoint}/v1/traces"), &message).await
            }
        }
    }

    /// OpenTelemetry's own, over the same connections.
    pub(super) fn exporter(&self) -> Result<SpanExporter, String> {
        let exporter = match &self.to {
            To::Grpc(channel) => SpanExporter::builder()
                .with_tonic()
                .with_channel(channel.clone())
                .with_metadata(MetadataMap::from_headers(self.headers.clone()))
                .with_timeout(PATIENCE)
                .build(),
            To::Http { client, endpoint } => {
                let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
                let headers = self.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
                SpanExporter::builder()
                    .with_http()
                    .with_http_client(Post(Client::clone(client)))
                    .with_protocol(Protocol::HttpBinary)
                    .with_endpoint(format!("{endpoint}/v1/traces"))
                    .with_headers(headers.collect())
                    .with_timeout(PATIENCE)
                    .build()
            }
        };
        exporter.map_err(|e| format!("telemetry.otlp.endpoint: {e}"))
    }

    pub(super) async fn numbers(&self, message: ExportMetricsServiceRequest) -> Result<(), Refused> {
        match &self.to {
            To::Grpc(channel) => {
                let mut client = MetricsServiceClient::new(channel.clone());
                client.export(self.request(message)).await.map(drop).map_err(Refused::from)
            }
            To::Http { client, endpoint } => {
                self.post(client, format!("{endpoint}/v1/metrics"), &message).await
            }
        }
    }

    fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        *request.metadata_mut() = MetadataMap::from_headers(self.headers.clone());
        request
    }

    async fn post(&self, client: &Client, to: String, message: &impl Message) -> Result<(), Refused> {
        let body = Full::new(message.encode_to_vec().into());
        let never = |cause: String| Refused { cause, is_passing: false };
        let mut request = hyper::Request::post(to).body(body).map_err(|error| never(error.to_string()))?;
        request.headers_mut().extend(self.headers.clone());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let bounds = Bounds { deadline: PATIENCE, body: ANSWER, refusal: ANSWER };
        match client.send(request, bounds).await {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) => Err(Refused::from(answer.status)),
            Err(failure) => {
                let is_passing = !matches!(failure, Failure::Denied(_));
                Err(Refused { cause: failure.to_string(), is_passing })
            }
        }
    }
}

/// The worker's client, as OpenTelemetry's exporter asks for one.
#[derive(Debug)]
struct Post(Client);

impl HttpClient for Post {
    fn send_bytes<'s, 'f>(
        &'s self,
        request: hyper::Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<hyper::Response<Bytes>, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        let bounds = Bounds { deadline: PATIENCE, body: ANSWER, refusal: ANSWER };
        Box::pin(async move {
            let answer = self.0.send(request.map(Full::new), bounds).await?;
            let body = if let Body::Whole(body) = answer.body { body } else { Bytes::new() };
            let mut response = hyper::Response::new(body);
            (*response.status_mut(), *response.headers_mut()) = (answer.status, answer.headers);
            Ok(response)
        })
    }
}

fn channel(endpoint: &str) -> Result<Channel, tonic::transport::Error> {
    let to = Channel::from_shared(endpoint.to_owned()).expect("the settings have read it");
    let to = to.connect_timeout(PATIENCE).timeout(PATIENCE);
    if endpoint.starts_with("https:") {
        return Ok(to.tls_config(ClientTlsConfig::new().with_enabled_roots())?.connect_lazy());
    }
    Ok(to.connect_lazy())
}

/// OTLP says which may be tried again.
impl From<Status> for Refused {
    fn from(status: Status) -> Refused {
        let is_passing = matches!(
            status.code(),
            Code::Cancelled
                | Code::DeadlineExceeded
                | Code::ResourceExhausted
                | Code::Aborted
                | Code::OutOfRange
                | Code::Unavailable
                | Code::DataLoss
        );
        Refused { cause: format!("{}: {}", status.code(), Shown(status.message())), is_passing }
    }
}

impl From<StatusCode> for Refused {
    fn from(status: StatusCode) -> Refused {
        Refused { cause: status.to_string(), is_passing: matches!(status.as_u16(), 429 | 502 | 503 | 504) }
    }
}

fn read(headers: &str) -> Option<HeaderMap> {
    let mut read = HeaderMap::new();
    for pair in headers.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let name: HeaderName = name.trim().to_ascii_lowercase().parse().ok()?;
        let mut value = HeaderValue::from_str(value.trim()).ok()?;
        value.set_sensitive(true);
        read.append(name, value);
    }
    Some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_pairs() {
        let headers = read(" Authorization=Bearer a=b , x-key=1,").unwrap();
        assert_eq!((headers["authorization"].as_bytes(), headers.len()), (&b"Bearer a=b"[..], 2));
        assert!(read("").unwrap().is_empty());
        for wrong in ["x", "x y=1", "=1", "x=a\nb"] {
            assert!(read(wrong).is_none(), "{wrong:?}");
        }
    }
}
