//! A metric of the table with its points.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric as Message, NumberDataPoint, Sum,
};

use super::attribute;
use crate::telemetry::metrics::table::{Kind, Row, Unit};
use crate::telemetry::metrics::{Point, Value};

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

pub(super) fn message(row: &'static Row, points: &[Point], begun: u64, now: u64) -> Message {
    let unit = match row.unit {
        Unit::None => "",
        Unit::Seconds => "s",
        Unit::Bytes => "By",
    };
    let number = |point| number(row, point, begun, now);
    let data = match row.kind {
        Kind::Counter => Data::Sum(Sum {
            data_points: points.iter().map(number).collect(),
            aggregation_temporality: CUMULATIVE,
            is_monotonic: true,
        }),
        Kind::Gauge | Kind::Info => Data::Gauge(Gauge { data_points: points.iter().map(number).collect() }),
        Kind::Histogram => Data::Histogram(Histogram {
            data_points: points.iter().filter_map(|point| histogram(row, point, begun, now)).collect(),
            aggregation_temporality: CUMULATIVE,
        }),
    };
    Message {
        name: row.name.to_owned(),
        description: row.help.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Message::default()
    }
}

fn number(row: &Row, point: &Point, begun: u64, now: u64) -> NumberDataPoint {
    let value = match &point.value {
        Value::Whole(value) => Number::AsInt(i64::try_from(*value).unwrap_or(i64::MAX)),
        Value::Nanos(nanos) => Number::AsDouble(seconds(*nanos)),
        Value::Distribution(distribution) => Number::AsDouble(seconds(distribution.sum)),
    };
    NumberDataPoint {
        attributes: labels(row, point),
        start_time_unix_nano: begun,
        time_unix_nano: now,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

fn histogram(row: &Row, point: &Point, begun: u64, now: u64) -> Option<HistogramDataPoint> {
    let Value::Distribution(distribution) = &point.value else { return None };
    Some(HistogramDataPoint {
        attributes: labels(row, point),
        start_time_unix_nano: begun,
        time_unix_nano: now,
        count: distribution.count(),
        sum: Some(seconds(distribution.sum)),
        bucket_counts: distribution.counts.clone(),
        explicit_bounds: distribution.bounds.iter().map(|&bound| seconds(bound)).collect(),
        ..HistogramDataPoint::default()
    })
}

fn labels(row: &Row, point: &Point) -> Vec<KeyValue> {
    row.labels.iter().zip(&point.labels).map(|(name, value)| attribute(name, &**value)).collect()
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}
