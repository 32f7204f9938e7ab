//! Every metric that there is: one table, from which /metrics, OTLP and docs/metrics.md are made. Labels come from
//! documents (trigger, function) and closed lists alone, never from events.

/// What is known of a metric beforehand.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// Without the `_total` that a counter's sample has; with its unit at the end.
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Never goes back while the worker runs.
    Counter,
    Gauge,
    Histogram,
    /// Always 1: its labels are what it says.
    Info,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    None,
    Seconds,
    Bytes,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
        }
    }
}

impl Unit {
    pub fn as_str(self) -> &'static str {
        match self {
            Unit::None => "",
            Unit::Seconds => "seconds",
            Unit::Bytes => "bytes",
        }
    }
}

impl Row {
    /// The name of its samples in Prometheus' text.
    pub fn sample(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.name),
            Kind::Info => format!("{}_info", self.name),
            Kind::Gauge | Kind::Histogram => self.name.to_owned(),
        }
    }
}

macro_rules! metrics {
    ($($metric:ident: $kind:ident $unit:ident $name:literal [$($label:literal)*] $help:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Metric { $($metric,)* }

        /// In the order in which they are shown.
        pub static TABLE: &[Row] = &[$(Row {
            name: $name,
            kind: Kind::$kind,
            unit: Unit::$unit,
            labels: &[$($label),*],
            help: $help,
        },)*];
    };
}

impl Metric {
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

metrics! {
    Build: Info None "weir_build" ["version"] "Which version runs.";
    Ready: Gauge None "weir_ready" [] "1 while events are taken, as /readyz says it; else 0.";
    Requests: Counter None "weir_http_requests" ["code"] "Requests to the listener for events, by the status of their answer.";
    Events: Counter None "weir_events" [] "Events taken in: durable, and their publisher told so; in direct mode, of senders who wait.";
    EventBytes: Counter Bytes "weir_event_bytes" [] "What these take up.";
    RefusedRequests: Counter None "weir_refused_requests" ["reason"] "Requests that the store did not take, by the reason.";
    Arrived: Counter None "weir_arrived_events" [] "Events read from a source: new ones, replies, and after a start what was left.";
    Routed: Counter None "weir_routed_events" [] "Of these, those that met a trigger.";
    Unrouted: Counter None "weir_unrouted_events" [] "Of these, those that met none.";
    Settled: Counter None "weir_settled_events" [] "Events that are done with.";
    Fenced: Counter None "weir_fenced" [] "Events and results that came too late: their partition had been lost.";
    EventsInFlight: Gauge None "weir_events_in_flight" [] "Events in memory that are not settled.";
    EventMemory: Gauge Bytes "weir_event_memory_bytes" [] "What these take up.";
    Deliveries: Gauge None "weir_deliveries" ["state"] "Deliveries: waiting for their turn, running here, at remote subscribers, being written down, held in memory for a retry, or parked.";
    Attempts: Counter None "weir_attempts" ["trigger" "outcome" "reason"] "Attempts, by how they ended and why.";
    Retries: Counter None "weir_retries" [] "Attempts after which another is to follow.";
    Ended: Counter None "weir_ended_deliveries" ["end"] "Deliveries that ended: delivered, as a dead letter, or returned to a sender who waited.";
    ParkedDeliveries: Counter None "weir_parked_deliveries" [] "Deliveries written aside until it is their time.";
    FetchedDeliveries: Counter None "weir_fetched_deliveries" [] "Parked deliveries that came back into memory.";
    Pauses: Counter None "weir_pauses" [] "How often a trigger was paused because what it sets off failed too often in a row.";
    BudgetUsed: Gauge None "weir_budget_used_percent" ["trigger"] "Of what a trigger's attempts may take in this day of UTC, how much they have taken on this worker.";
    DeliveryDuration: Histogram Seconds "weir_delivery_duration_seconds" ["trigger"] "From the moment an event is durable to the end of its delivery, retries and waiting included. Of events in the queue, and not of what was parked.";
    CallDuration: Histogram Seconds "weir_call_duration_seconds" ["function"] "The time of an attempt's call alone.";
    Fuel: Counter None "weir_fuel" ["function"] "Units of work that calls have used.";
    CallInput: Counter Bytes "weir_call_input_bytes" ["function"] "What calls were given.";
    CallOutput: Counter Bytes "weir_call_output_bytes" ["function"] "What calls answered.";
    ColdStarts: Counter None "weir_cold_starts" ["function"] "Attempts for which an instance had to be made.";
    ColdStartTime: Counter Seconds "weir_cold_start_seconds" ["function"] "The time that took.";
    Instances: Gauge None "weir_instances" ["function" "state"] "Instances: busy with a call, or idle.";
    Watermark: Gauge None "weir_watermark" ["source" "partition"] "The offset below which every event is settled.";
    Lag: Gauge None "weir_lag_events" ["source" "partition"] "Events that are in the source, from the watermark on.";
    Unacknowledged: Gauge None "weir_unacknowledged_events" ["source" "partition"] "Of these, those that NATS has handed out, to whomever, and that are not acknowledged.";
    OldestAge: Gauge Seconds "weir_oldest_event_age_seconds" ["source" "partition"] "For how long the event at the watermark has been there; at most since the worker started.";
    CommittedOffset: Gauge None "weir_committed_offset" ["source" "partition"] "What the broker has of that: of Kafka what the group has committed, of NATS what stands after all that is acknowledged.";
    Commits: Counter None "weir_commits" ["source" "partition" "result"] "How often the watermark was handed on to be kept: acknowledged, or failed and to be tried again.";
    JournalEntries: Counter None "weir_journal_entries" [] "Entries written to the journal.";
    JournalBytes: Counter Bytes "weir_journal_written_bytes" [] "What these take up.";
    Shipments: Counter None "weir_shipments" ["sink" "result"] "Batches of usage for a BillingSink: acknowledged, to be sent again, or refused and sent again in halves.";
    ShippedEntries: Counter None "weir_shipped_entries" ["sink"] "Entries that a BillingSink has, those that it refused for good among them.";
    QuarantinedEntries: Counter None "weir_quarantined_entries" ["sink"] "Entries that a BillingSink refused for good; they are kept in data/shipments. There should be none: raise an alarm.";
    WaitingEntries: Gauge None "weir_waiting_entries" ["sink"] "Entries that are durable and not shipped yet.";
    WriteDuration: Histogram Seconds "weir_write_duration_seconds" [] "The time of one write of all that had gathered, and its flush.";
    StoreBytes: Gauge Bytes "weir_store_bytes" ["log"] "What is on disk: queue, journal, parking, dead letters.";
    DeadLetters: Gauge None "weir_dead_letters" [] "Dead letters in the worker's own store.";
    SinkRecords: Counter None "weir_sink_records" ["result"] "Records for Kafka and messages for NATS: acknowledged; refused for now, to be sent again; or refused for good and kept as dead letters of the worker's own, of which there should be none: raise an alarm.";
    SinkWaiting: Gauge None "weir_sink_waiting_records" [] "Records for Kafka and messages for NATS that are not acknowledged yet; what they belong to waits with them.";
    Triggers: Gauge None "weir_triggers" [] "Triggers in force.";
    Functions: Gauge None "weir_functions" [] "Functions in force.";
    Reloads: Counter None "weir_reloads" ["result"] "Changes of documents or modules: taken, or refused.";
    Compiles: Counter None "weir_compiles" [] "Functions compiled ahead of time, because the cache had them not.";
    SuppressedLines: Counter None "weir_log_suppressed_lines" [] "Lines left out of the log because too many like them had come.";
    Spans: Counter None "weir_spans" ["result"] "Spans of traces: sent, refused by their receiver, or dropped because it was too slow.";
    FailedExports: Counter None "weir_failed_exports" ["signal"] "Exports by OTLP that failed, of spans or of metrics.";
    ProcessMemory: Gauge Bytes "process_resident_memory_bytes" [] "Resident memory.";
    ProcessCpu: Counter Seconds "process_cpu_seconds" [] "Processor time used, by user and system.";
    ProcessDescriptors: Gauge None "process_open_fds" [] "Open file descriptors.";
    ProcessStart: Gauge Seconds "process_start_time_seconds" [] "When the process was started, since 1970.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions() {
        let plain = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        for (n, row) in TABLE.iter().enumerate() {
            let Row { name, kind, unit, labels, help } = row;
            assert!(name.starts_with("weir_") || name.starts_with("process_"), "{name}");
            assert!(plain(name) && labels.iter().all(|label| plain(label) && *label != "le"), "{name}");
            assert!(!name.ends_with("_total") && !name.ends_with("_info"), "{name}: its samples get that");
            assert_eq!(name.ends_with("_seconds"), *unit == Unit::Seconds, "{name}");
            assert_eq!(name.ends_with("_bytes"), *unit == Unit::Bytes, "{name}");
            assert!(*kind != Kind::Histogram || *unit == Unit::Seconds, "{name}: cells hold nanoseconds");
            assert!(help.ends_with('.') && !help.contains(['\n', '\\', '"', '|']), "{name}");
            // Neither may its samples be taken for another's.
            let like = |other: &Row| {
                other.name == *name
                    || other.name.strip_prefix(name).is_some_and(|rest| SUFFIXES.contains(&rest))
            };
            assert!(
                TABLE.iter().enumerate().all(|(m, other)| m == n || !like(other)),
                "{name} is there twice"
            );
        }
    }

    const SUFFIXES: [&str; 6] = ["_total", "_info", "_bucket", "_sum", "_count", "_created"];
}
