//! Spans and numbers as OTLP's messages. What carries them is the worker's: `worker/exporter.rs`.

mod numbers;
mod spans;

use opentelemetry::KeyValue as KeyValuePair;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource as Message;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

use super::metrics::Snapshot;
use super::trace::Span;

/// Who says it all: this worker.
#[derive(Clone, Debug)]
pub struct Resource(Vec<(String, String)>);

impl Resource {
    /// `instance` is this one's among all workers. OpenTelemetry's own variables may add to it, and name it otherwise.
    pub fn new(instance: &str, env: &dyn Fn(&str) -> Option<String>) -> Resource {
        let mut resource = Resource(Vec::new());
        resource.set("service.name", "weir");
        resource.set("service.version", env!("CARGO_PKG_VERSION"));
        resource.set("service.instance.id", instance);
        for pair in env("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default().split(',') {
            if let Some((name, value)) = pair.split_once('=') {
                resource.set(name.trim(), value.trim());
            }
        }
        if let Some(name) = env("OTEL_SERVICE_NAME").filter(|name| !name.is_empty()) {
            resource.set("service.name", &name);
        }
        resource
    }

    pub fn spans<'s>(&self, spans: impl IntoIterator<Item = &'s Span>) -> ExportTraceServiceRequest {
        let spans = spans.into_iter().map(spans::message).collect();
        let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans, ..ScopeSpans::default() }];
        let resource = Some(self.message());
        let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
        ExportTraceServiceRequest { resource_spans }
    }

    /// Counted since `begun`, as it was `now`; both in nanoseconds since 1970.
    pub fn numbers(&self, snapshot: &Snapshot, begun: u64, now: u64) -> ExportMetricsServiceRequest {
        let metrics =
            snapshot.families().map(|(row, points)| numbers::message(row, points, begun, now)).collect();
        let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics, ..ScopeMetrics::default() }];
        let resource = Some(self.message());
        let resource_metrics =
            vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
        ExportMetricsServiceRequest { resource_metrics }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// As OpenTelemetry's SDK has it.
    pub fn sdk(&self) -> opentelemetry_sdk::Resource {
        let attribute = |(name, value): &(String, String)| KeyValuePair::new(name.clone(), value.clone());
        opentelemetry_sdk::Resource::builder_empty().with_attributes(self.0.iter().map(attribute)).build()
    }

    fn message(&self) -> Message {
        Message {
            attributes: self.0.iter().map(|(name, value)| attribute(name, &**value)).collect(),
            ..Message::default()
        }
    }
}

fn scope() -> InstrumentationScope {
    let (name, version) = ("weir".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    InstrumentationScope { name, version, ..InstrumentationScope::default() }
}

/// What an attribute may be.
enum Said {
    Text(String),
    Number(i64),
    Flag(bool),
}

impl From<&str> for Said {
    fn from(text: &str) -> Said {
        Said::Text(text.to_owned())
    }
}

impl From<u64> for Said {
    fn from(number: u64) -> Said {
        Said::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Said {
    fn from(flag: bool) -> Said {
        Said::Flag(flag)
    }
}

fn attribute(name: &str, value: impl Into<Said>) -> KeyValue {
    let value = match value.into() {
        Said::Text(text) => Value::StringValue(text),
        Said::Number(number) => Value::IntValue(number),
        Said::Flag(flag) => Value::BoolValue(flag),
    };
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_named_as_its_environment_says() {
        let none = Resource::new("i", &|_| None);
        assert_eq!(none.0[0], ("service.name".into(), "weir".into()));
        let env = |name: &str| match name {
            "OTEL_RESOURCE_ATTRIBUTES" => {
                Some("service.name=a, deployment.environment=test,nonsense".to_owned())
            }
            "OTEL_SERVICE_NAME" => Some("b".to_owned()),
            _ => None,
        };
        let mut named = Resource::new("i", &env).0;
        named.sort();
        let names: Vec<_> = named.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let version = concat!("service.version=", env!("CARGO_PKG_VERSION"));
        assert_eq!(
            names,
            ["deployment.environment=test", "service.instance.id=i", "service.name=b", version]
        );
    }
}
