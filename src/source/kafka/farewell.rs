//! A consumer's way out of its group. All is committed by then; but while a group is being balanced it hears nobody, for as
//! long as a dead member's session lasts.

use std::sync::Arc;
use std::time::Instant;

use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::consumer::MOMENT;
use super::group::Group;

/// To be dropped, which may take long.
pub struct Farewell {
    client: Arc<BaseConsumer<Group>>,
    /// As the log has it: `default/orders`.
    pub source: String,
    /// How long that is waited for.
    pub by: Instant,
}

impl Farewell {
    pub(super) fn begin(client: Arc<BaseConsumer<Group>>, source: String, by: Instant) -> Farewell {
        client.context().close();
        client.context().answer(&client);
        // The client leaves the group as it is dropped.
        client.unsubscribe();
        Farewell { client, source, by }
    }

    /// Until the group has let go of it.
    pub fn leave(self) {
        // Somebody may be asking it just now whether it hears anybody.
        while Arc::strong_count(&self.client) > 1 {
            std::thread::park_timeout(MOMENT);
        }
        drop(self.client);
    }
}
