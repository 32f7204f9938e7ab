//! What the porter holds: attempts and events that were posted, each until the last of its parcels is acknowledged, or has
//! another end.

use std::ops::Range;

use foldhash::HashMap;
use foldhash::HashMapExt;
use slab::Slab;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::sink::parcel::{Instead, Parcel};
use crate::sink::receipt::{Kind, Refusal};
use crate::source::Refused;
use crate::worker::attempt::Attempt;

use super::letter;

/// It holds no more than so many attempts, and bytes of them: what is more waits in the loop.
const ATTEMPTS: Room = Room { count: 16_384, bytes: 256 << 20 };
/// The same of requests; what is more is told to come again.
const POSTS: Room = Room { count: 4096, bytes: 64 << 20 };

#[derive(Debug)]
pub(super) struct Hold {
    cargo: Slab<Cargo>,
    pieces: HashMap<usize, Piece>,
    next: usize,
    attempts: Room,
    posts: Room,
}

/// So many, and so much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Room {
    count: usize,
    bytes: usize,
}

/// Whose parcels they are.
#[derive(Debug)]
pub(super) enum Owner {
    /// Without them.
    Attempt(Box<Attempt>),
    Post(Post),
}

/// Events that were posted to a broker.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) answer: oneshot::Sender<Result<(), Refused>>,
    pub(super) refused: Option<Refused>,
    /// What the publisher holds meanwhile.
    pub(super) _slot: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
struct Cargo {
    owner: Owner,
    parcels: Vec<Parcel>,
    left: usize,
    bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    cargo: usize,
    parcel: usize,
}

impl Hold {
    pub(super) fn new() -> Hold {
        let (attempts, posts) = Default::default();
        Hold { cargo: Slab::new(), pieces: HashMap::new(), next: 0, attempts, posts }
    }

    pub(super) fn has_room_for_attempts(&self) -> bool {
        self.attempts.is_within(ATTEMPTS)
    }

    pub(super) fn has_room_for_posts(&self) -> bool {
        self.posts.is_within(POSTS)
    }

    /// How many parcels there are.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// The tokens of its parcels, in their order. There is one at least.
    pub(super) fn put(&mut self, mut attempt: Attempt) -> Range<usize> {
        let bytes = attempt.bytes();
        let parcels = std::mem::take(&mut attempt.parcels);
        self.keep(Owner::Attempt(Box::new(attempt)), parcels, bytes)
    }

    pub(super) fn put_post(&mut self, post: Post, parcels: Vec<Parcel>) -> Range<usize> {
        let bytes = parcels.iter().map(Parcel::bytes).sum();
        self.keep(Owner::Post(post), parcels, bytes)
    }

    fn keep(&mut self, owner: Owner, parcels: Vec<Parcel>, bytes: usize) -> Range<usize> {
        debug_assert!(!parcels.is_empty(), "it would be held for ever");
        let first = self.next;
        let left = parcels.len();
        self.next += left;
        self.room_of(&owner).add(bytes);
        let cargo = self.cargo.insert(Cargo { owner, parcels, left, bytes });
        self.pieces.extend((0..left).map(|parcel| (first + parcel, Piece { cargo, parcel })));
        first..self.next
    }

    pub(super) fn parcel(&self, token: usize) -> Option<&Parcel> {
        let piece = self.pieces.get(&token)?;
        Some(&self.cargo[piece.cargo].parcels[piece.parcel])
    }

    /// Is it of a publisher who does not wait any more? He comes again with it.
    pub(super) fn is_forgotten(&self, token: usize) -> bool {
        let owner = self.pieces.get(&token).map(|piece| &self.cargo[piece.cargo].owner);
        matches!(owner, Some(Owner::Post(post)) if post.answer.is_closed())
    }

    /// Whose it was, if it was the last of that.
    pub(super) fn acknowledged(&mut self, token: usize, offset: u64) -> Option<Owner> {
        let piece = self.pieces[&token];
        let Cargo { owner, parcels, .. } = &mut self.cargo[piece.cargo];
        if let Owner::Attempt(attempt) = owner
            && parcels[piece.parcel].instead == Instead::Parked
        {
            attempt.parked_at = Some(offset);
        }
        self.end(token)
    }

    /// The same of one that is refused for good; an error: it can't be.
    pub(super) fn refused(&mut self, token: usize, refusal: &Refusal) -> Result<Option<Owner>, ()> {
        let piece = self.pieces[&token];
        let Cargo { owner, parcels, .. } = &mut self.cargo[piece.cargo];
        match owner {
            Owner::Attempt(attempt) => {
                let letter = letter::instead(&parcels[piece.parcel], &attempt.entry, refusal).ok_or(())?;
                attempt.dead_letters.push(letter);
            }
            Owner::Post(post) => {
                let is_large = refusal.kind == Kind::TooLarge;
                post.refused = Some(if is_large { Refused::TooLarge } else { Refused::Backing });
            }
        }
        Ok(self.end(token))
    }

    /// Nothing is to become of it any more.
    pub(super) fn end(&mut self, token: usize) -> Option<Owner> {
        let piece = self.pieces.remove(&token)?;
        let cargo = &mut self.cargo[piece.cargo];
        cargo.left -= 1;
        if cargo.left > 0 {
            return None;
        }
        let Cargo { owner, bytes, .. } = self.cargo.remove(piece.cargo);
        self.room_of(&owner).subtract(bytes);
        Some(owner)
    }

    fn room_of(&mut self, owner: &Owner) -> &mut Room {
        match owner {
            Owner::Attempt(_) => &mut self.attempts,
            Owner::Post(_) => &mut self.posts,
        }
    }
}

impl Room {
    fn is_within(&self, limit: Room) -> bool {
        self.count < limit.count && self.bytes < limit.bytes
    }

    fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes;
    }

    fn subtract(&mut self, bytes: usize) {
        self.count -= 1;
        self.bytes -= bytes;
    }
}

impl Owner {
    #[cfg(test)]
    fn attempt(self) -> Attempt {
        match self {
            Owner::Attempt(attempt) => *attempt,
            Owner::Post(post) => panic!("{post:?} is no attempt"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dispatch::{Outcome, Reason};
    use crate::event::{Position, Uid};
    use crate::journal::Entry;
    use crate::sink::dead_letter::DeadLetter;
    use crate::sink::parcel::{Cluster, Contents, Outlet, Plain};

    fn parcel(instead: Instead) -> Parcel {
        let outlet = Outlet {
            name: "KafkaSink default/out".into(),
            cluster: Arc::new(Cluster::new([])),
            topic: "out".into(),
            is_structured: false,
            create: None,
            stream: None,
            partitions: None,
        };
        let plain = Plain { value: Some(b"whole".to_vec()), ..Plain::default() };
        let (outlet, contents) = (Arc::new(outlet), Contents::Plain(plain));
        Parcel { outlet, partition: Some(3), timestamp: None, contents, instead }
    }

    fn attempt(parcels: Vec<Parcel>) -> Attempt {
        let entry = Entry {
            delivery: Uid(1),
            position: Position { source: Uid(2), partition: 3, offset: 4 },
            trigger: "default/t",
            function: "default/f",
            tenant: "default",
            version: 0,
            replay: 0,
            attempt: 2,
            outcome: Outcome::Succeeded,
            reason: Reason::None,
            ended: 9,
            wall_ns: 5,
            init_ns: None,
            fuel: 0,
            memory: 0,
            memory_limit: 0,
            price: 0,
            bytes_in: 0,
            bytes_out: 0,
            event_id: "1",
            event_source: "/s",
            event_type: "t",
            replies: vec![],
            fenced: false,
            dead_letter: false,
        };
        let mut bytes = Vec::new();
        entry.encode(&mut bytes);
        Attempt { entry: bytes, parcels, ..Attempt::default() }
    }

    #[test]
    fn an_attempt_is_held_until_all_of_its_parcels_are_acknowledged() {
        let mut hold = Hold::new();
        let reply = || parcel(Instead::Reply(Uid(7)));
        let first = hold.put(attempt(vec![reply(), reply(), reply()]));
        let second = hold.put(attempt(vec![reply()]));
        assert_eq!((first.clone(), second, hold.len()), (0..3, 3..4, 4));
        assert!(hold.acknowledged(3, 10).is_some(), "the other is not waited for");
        assert!(hold.acknowledged(2, 11).is_none());
        assert!(hold.acknowledged(0, 12).is_none());
        assert_eq!(hold.acknowledged(1, 13).unwrap().attempt().parked_at, None);
        assert_eq!((hold.len(), hold.attempts), (0, Room::default()));
    }

    #[test]
    fn the_parked_record_s_offset_is_what_it_is_known_by() {
        let mut hold = Hold::new();
        let tokens = hold.put(attempt(vec![parcel(Instead::Reply(Uid(7))), parcel(Instead::Parked)]));
        assert!(hold.acknowledged(tokens.start + 1, 42).is_none());
        assert_eq!(hold.acknowledged(tokens.start, 43).unwrap().attempt().parked_at, Some(42));
    }

    #[test]
    fn what_is_refused_for_good_becomes_a_dead_letter_with_the_reason() {
        let mut hold = Hold::new();
        let mut own = Vec::new();
        let letter = DeadLetter {
            delivery: Uid(1),
            position: Position::default(),
            broker: Uid(5),
            trigger: "default/t",
            function: "default/f",
            attempts: 11,
            replay: 1,
            outcome: Outcome::Permanent,
            reason: Reason::Guest,
            message: "sold out",
            ended: 6,
            record: b"whole",
        };
        letter.encode(&mut own);
        let event = Parcel { contents: Contents::Event(b"reply".to_vec()), ..parcel(Instead::Reply(Uid(7))) };
        let tokens = hold.put(attempt(vec![event, parcel(Instead::Letter(own))]));
        let refusal = Refusal { kind: Kind::TooLarge, why: "too large".to_owned() };
        assert!(hold.refused(tokens.start, &refusal).unwrap().is_none());
        let attempt = hold.refused(tokens.start + 1, &refusal).unwrap().unwrap().attempt();
        let [reply, own] = [0, 1].map(|n| DeadLetter::decode(&attempt.dead_letters[n]).unwrap());
        let expected = DeadLetter {
            delivery: Uid(1),
            position: Position { source: Uid(2), partition: 3, offset: 4 },
            broker: Uid(7),
            attempts: 2,
            replay: 0,
            outcome: Outcome::Permanent,
            reason: Reason::Oversized,
            message: "KafkaSink default/out refused the reply: too large",
            ended: 9,
            record: b"reply",
            ..letter.clone()
        };
        assert_eq!(reply, expected);
        assert!(reply.is_of_a_reply() && !own.is_of_a_reply());
        let message = "sold out (KafkaSink default/out refused its dead letter: too large)";
        assert_eq!(own, DeadLetter { message, ..letter });
    }

    #[test]
    fn a_publisher_is_told_of_what_is_refused_and_what_he_does_not_wait_for_is_not_sent() {
        let mut hold = Hold::new();
        let mut post = || {
            let (answer, told) = oneshot::channel();
            let post = Post { answer, refused: None, _slot: None };
            (hold.put_post(post, vec![parcel(Instead::Told), parcel(Instead::Told)]), told)
        };
        let ((first, told), (second, gone)) = (post(), post());
        let refusal = Refusal { kind: Kind::TooLarge, why: "too large".to_owned() };
        assert!(hold.refused(first.start, &refusal).unwrap().is_none());
        let Some(Owner::Post(post)) = hold.acknowledged(first.start + 1, 1) else { panic!("it is the last") };
        assert_eq!(post.refused, Some(Refused::TooLarge));
        drop((told, gone));
        assert!(hold.is_forgotten(second.start));
        assert!(hold.end(second.start).is_none() && hold.end(second.start + 1).is_some());
        assert_eq!(hold.posts, Room::default());
    }

    #[test]
    fn a_parked_record_is_never_given_up() {
        let mut hold = Hold::new();
        let tokens = hold.put(attempt(vec![parcel(Instead::Parked)]));
        let refusal = Refusal { kind: Kind::Never, why: "no".to_owned() };
        assert!(hold.refused(tokens.start, &refusal).is_err());
        assert!(hold.acknowledged(tokens.start, 1).is_some());
    }
}
