//! All numbers at one moment, whoever they are for.

use super::cell::Distribution;
use super::table::{Metric, Row, TABLE};

#[derive(Debug)]
pub struct Snapshot(Vec<Vec<Point>>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// In the order of the metric's labels.
    pub labels: Vec<String>,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Whole(u64),
    /// Shown as seconds.
    Nanos(u64),
    Distribution(Distribution),
}

impl Snapshot {
    pub fn nothing() -> Snapshot {
        Snapshot(TABLE.iter().map(|_| Vec::new()).collect())
    }

    pub fn add(&mut self, metric: Metric, labels: &[&str], value: Value) {
        debug_assert_eq!(labels.len(), metric.row().labels.len(), "{metric:?}");
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        self.0[metric as usize].push(Point { labels, value });
    }

    pub fn whole(&mut self, metric: Metric, labels: &[&str], value: u64) {
        self.add(metric, labels, Value::Whole(value));
    }

    pub fn nanos(&mut self, metric: Metric, labels: &[&str], value: u64) {
        self.add(metric, labels, Value::Nanos(value));
    }

    /// Those with points, in the table's order.
    pub fn families(&self) -> impl Iterator<Item = (&'static Row, &[Point])> {
        TABLE
            .iter()
            .zip(&self.0)
            .filter(|(_, points)| !points.is_empty())
            .map(|(row, points)| (row, &**points))
    }
}
