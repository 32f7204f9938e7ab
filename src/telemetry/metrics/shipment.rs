//! What is shipped to a BillingSink: by the one thread that ships it.

use super::{Cell, Metric, Snapshot};

#[derive(Debug, Default)]
pub struct Shipment {
    pub(super) sink: String,
    /// Batches, by what became of them.
    pub acknowledged: Cell,
    pub again: Cell,
    pub refused: Cell,
    /// Entries that are there, or among what was refused for good.
    pub entries: Cell,
    pub quarantined: Cell,
    /// How many waited when it began.
    pub behind: Cell,
}

impl Shipment {
    /// `written`: entries since it began.
    pub(super) fn gather(&self, written: u64, all: &mut Snapshot) {
        let sink = self.sink.as_str();
        for (result, cell) in
            [("acknowledged", &self.acknowledged), ("again", &self.again), ("refused", &self.refused)]
        {
            all.whole(Metric::Shipments, &[sink, result], cell.get());
        }
        let gone = self.entries.get();
        all.whole(Metric::ShippedEntries, &[sink], gone);
        all.whole(Metric::QuarantinedEntries, &[sink], self.quarantined.get());
        let waiting = (self.behind.get() + written).saturating_sub(gone);
        all.whole(Metric::WaitingEntries, &[sink], waiting);
    }
}
