//! What an attempt costs, by its function's price: rounded once, upwards, to a trillionth of the unit of money.

use crate::config::Price;

const MILLION: u128 = 1_000_000;
const GIB: u128 = 1 << 30;

/// In trillionths; `memory` in bytes. What was begun of a millisecond counts whole; a call takes one at least.
pub(super) fn of_attempt(price: &Price, wall_ns: u64, memory: u64, fuel: u64) -> u64 {
    if *price == Price::default() {
        return 0;
    }
    let milliseconds = u128::from(wall_ns).div_ceil(MILLION).max(1);
    // In trillionths over a million GiB, so that only the end is rounded. What would be beyond u128 costs as much as fits.
    let whole = price.call.0.saturating_add(milliseconds.saturating_mul(price.millisecond.0));
    let memory = milliseconds.saturating_mul(memory.into()).saturating_mul(price.gib_millisecond.0);
    let fuel = u128::from(fuel).saturating_mul(price.million_fuel.0);
    let parts = memory.saturating_mul(MILLION).saturating_add(fuel.saturating_mul(GIB));
    let amount = whole.saturating_add(parts.div_ceil(MILLION * GIB));
    u64::try_from(amount.max(price.minimum.0)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::Money;

    fn price(call: u128, millisecond: u128, gib_millisecond: u128, million_fuel: u128) -> Price {
        Price {
            call: Money(call),
            millisecond: Money(millisecond),
            gib_millisecond: Money(gib_millisecond),
            million_fuel: Money(million_fuel),
            minimum: Money(0),
        }
    }

    #[test]
    fn each_part_counts_and_what_was_begun_counts_whole() {
        let of = |price, wall_ns| of_attempt(&price, wall_ns, 1 << 27, 2_500_000);
        assert_eq!(of(Price::default(), 5), 0);
        assert_eq!(of(price(7, 0, 0, 0), 0), 7);
        assert_eq!([0, 1, 1_000_000, 1_000_001].map(|ns| of(price(0, 10, 0, 0), ns)), [10, 10, 10, 20]);
        // An eighth of a GiB for two milliseconds.
        assert_eq!(of(price(0, 0, 1000, 0), 1_500_000), 250);
        assert_eq!(of(price(0, 0, 0, 1000), 1), 2_500);
        assert_eq!(of(price(0, 0, 1, 1), 1), 3, "an eighth and two and a half, rounded once");
        assert_eq!(of(Price { minimum: Money(99), ..price(1, 1, 0, 0) }, 1), 99);
        assert_eq!(of(price(u128::MAX, 1, 1, 1), u64::MAX), u64::MAX);
    }

    proptest! {
        #[test]
        fn more_of_anything_never_costs_less(
            parts: [u32; 4], minimum: u32, wall: u32, memory: u32, fuel: u32, more: [u16; 3],
        ) {
            let [call, millisecond, gib, million] = parts.map(u128::from);
            let price = Price { minimum: Money(minimum.into()), ..price(call, millisecond, gib, million) };
            let of = |wall, memory, fuel| of_attempt(&price, wall, memory, fuel);
            let (wall, memory, fuel) = (u64::from(wall), u64::from(memory), u64::from(fuel));
            let least = of(wall, memory, fuel);
            prop_assert!(u128::from(least) >= price.minimum.0.max(price.call.0));
            let [wall_more, memory_more, fuel_more] = more.map(u64::from);
            prop_assert!(of(wall + wall_more, memory + memory_more, fuel + fuel_more) >= least);
        }
    }
}
