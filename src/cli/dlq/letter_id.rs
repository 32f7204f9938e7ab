//! How a dead letter is named: by its number in the worker's store, by partition and offset in a topic.

/// Offsets have so many bits here, which is more than any partition has seen.
const OFFSET_BITS: u32 = 44;

/// Of a letter in a topic, as a number.
pub(super) fn of(partition: i32, offset: i64) -> u64 {
    u64::from(partition.cast_unsigned()) << OFFSET_BITS | offset.cast_unsigned()
}

pub(super) fn place(id: u64) -> (i32, i64) {
    let offset = id & ((1 << OFFSET_BITS) - 1);
    (i32::try_from(id >> OFFSET_BITS).unwrap_or(i32::MAX), offset.cast_signed())
}

pub(super) fn shown(id: u64, is_in_topic: bool) -> String {
    let (partition, offset) = place(id);
    if is_in_topic { format!("{partition}/{offset}") } else { id.to_string() }
}

/// `7`, or `2/17`.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let wrong = || "write it as the listing has it: 7, or in a topic 2/17".to_owned();
    let Some((partition, offset)) = text.split_once('/') else { return text.parse().map_err(|_| wrong()) };
    let partition = partition.parse::<u32>().ok().and_then(|partition| i32::try_from(partition).ok());
    let offset = offset.parse::<u64>().ok().filter(|offset| offset >> OFFSET_BITS == 0);
    Ok(of(
        partition.filter(|p| p >> (63 - OFFSET_BITS) == 0).ok_or_else(wrong)?,
        offset.ok_or_else(wrong)?.cast_signed(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_shown() {
        for (partition, offset) in [(0, 0), (0, 17), (2, 0), (399_999, (1 << 44) - 1)] {
            let id = of(partition, offset);
            assert_eq!((place(id), parse(&shown(id, true))), ((partition, offset), Ok(id)));
        }
        assert_eq!((parse("7"), shown(7, false)), (Ok(7), "7".to_owned()));
        for wrong in ["", "a", "1/", "/1", "-1/2", "1/2/3", "1/17592186044416", "9999999999/1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
