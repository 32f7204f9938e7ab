//! A receiver of OTLP, over gRPC and HTTP at one address: real HTTP/1.1 and HTTP/2, the protobuf read by the types that
//! OpenTelemetry's own definitions make.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// What it has been sent.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) traces: Vec<ExportTraceServiceRequest>,
    pub(crate) metrics: Vec<ExportMetricsServiceRequest>,
    /// Of each request: its path, and what stood in `x-key`.
    pub(crate) requests: Vec<(String, String)>,
    /// So long it takes over each answer.
    pub(crate) delay: Duration,
}

impl Received {
    /// Of events.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.spans_of("weir")
    }

    /// Of what the worker does itself.
    pub(crate) fn doings(&self) -> Vec<Span> {
        self.spans_of("weir.worker")
    }

    fn spans_of(&self, scope: &str) -> Vec<Span> {
        let resources = self.traces.iter().flat_map(|request| &request.resource_spans);
        let scopes = resources.flat_map(|of| &of.scope_spans);
        let mine = scopes.filter(|of| of.scope.as_ref().is_some_and(|found| found.name == scope));
        mine.flat_map(|of| of.spans.clone()).collect()
    }
}

/// The text of an attribute; a number or a flag as it is written.
pub(crate) fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    Some(match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(flag) => flag.to_string(),
        other => format!("{other:?}"),
    })
}

/// Serves until the test ends.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    pub(crate) received: Arc<Mutex<Received>>,
    _runtime: tokio::runtime::Runtime,
}

impl Receiver {
    pub(crate) fn start() -> Receiver {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::<Mutex<Received>>::default();
        let keeps = Arc::clone(&received);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let keeps = Arc::clone(&keeps);
                let service = service_fn(move |request| receive(request, Arc::clone(&keeps)));
                tokio::spawn(async move {
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Receiver { address, received, _runtime: runtime }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&Received) -> T) -> T {
        look(&self.received.lock().unwrap())
    }
}

type Answer = http_body_util::combinators::BoxBody<Bytes, Infallible>;

async fn receive(
    request: Request<Incoming>,
    keeps: Arc<Mutex<Received>>,
) -> Result<Response<Answer>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let kind =
        head.headers.get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    let is_grpc = kind.starts_with("application/grpc");
    assert!(is_grpc || kind == "application/x-protobuf", "{kind}");
    // Not compressed, and so long: what stands before a message of gRPC.
    let message = if is_grpc {
        assert_eq!((body[0], u32::from_be_bytes(body[1..5].try_into().unwrap())), (0, body.len() as u32 - 5));
        body.slice(5..)
    } else {
        body
    };
    let path = head.uri.path().to_owned();
    let delay = keeps.lock().unwrap().delay;
    let key = head.headers.get("x-key").map(|key| key.to_str().unwrap().to_owned()).unwrap_or_default();
    {
        let mut received = keeps.lock().unwrap();
        received.requests.push((path.clone(), key));
        match path.as_str() {
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export" | "/v1/traces" => {
                received.traces.push(ExportTraceServiceRequest::decode(message).unwrap());
            }
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" | "/v1/metrics" => {
                received.metrics.push(ExportMetricsServiceRequest::decode(message).unwrap());
            }
            other => panic!("{other}"),
        }
    }
    tokio::time::sleep(delay).await;
    let mut response = if is_grpc {
        let trailers =
            HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
        let body = Full::new(Bytes::from_static(&[0; 5])).with_trailers(async move { Some(Ok(trailers)) });
        Response::new(body.boxed())
    } else {
        Response::new(Full::default().boxed())
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_str(&kind).unwrap());
    Ok(response)
}
