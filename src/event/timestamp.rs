//! RFC 3339 timestamps, checked where they stand: an event's time is passed on as it was written.

/// The grammar and the calendar: the date exists, the offset is there, a leap second stands where one can be.
pub(crate) fn check(text: &str) -> Result<(), &'static str> {
    let bytes = text.as_bytes();
    let number = |at: usize, digits: usize| -> Option<i32> {
        bytes
            .get(at..at + digits)?
            .iter()
            .try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i32::from(byte - b'0')))
    };
    let mark = |at: usize, legal: &[u8]| bytes.get(at).is_some_and(|byte| legal.contains(byte));

    let (Some(year), Some(month), Some(day)) = (number(0, 4), number(5, 2), number(8, 2)) else {
        return Err("it does not begin with a date");
    };
    if !mark(4, b"-") || !mark(7, b"-") {
        return Err("it does not begin with a date");
    }
    if !(1..=12).contains(&month) || !(1..=days(year, month)).contains(&day) {
        return Err("there is no such day");
    }
    if !mark(10, b"Tt") {
        return Err("no `T` between date and time");
    }
    let (Some(hour), Some(minute), Some(second)) = (number(11, 2), number(14, 2), number(17, 2)) else {
        return Err("the time is not hours, minutes and seconds");
    };
    if !mark(13, b":") || !mark(16, b":") {
        return Err("the time is not hours, minutes and seconds");
    }
    if hour > 23 || minute > 59 || second > 60 {
        return Err("there is no such time of day");
    }
    let mut at = 19;
    if mark(at, b".") {
        let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Err("no digits after the decimal point");
        }
        at += 1 + digits;
    }
    let offset = match bytes.get(at) {
        Some(b'Z' | b'z') => {
            at += 1;
            0
        }
        Some(sign @ (b'+' | b'-')) => {
            let (Some(hours), Some(minutes)) = (number(at + 1, 2), number(at + 4, 2)) else {
                return Err("the offset is not hours and minutes");
            };
            if !mark(at + 3, b":") || hours > 23 || minutes > 59 {
                return Err("the offset is not hours and minutes");
            }
            at += 6;
            (hours * 60 + minutes) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return Err("no offset from UTC (`Z` or like `+01:00`)"),
    };
    if at != bytes.len() {
        return Err("something follows the offset");
    }
    if second == 60 && !is_last_minute_of_month(year, month, day, hour * 60 + minute - offset) {
        return Err("there is no leap second here");
    }
    Ok(())
}

/// `minute` is UTC's, counted from the local day's midnight: it may lie in the day before or after.
fn is_last_minute_of_month(year: i32, month: i32, day: i32, minute: i32) -> bool {
    const DAY: i32 = 24 * 60;
    let last = match minute.div_euclid(DAY) {
        0 => day == days(year, month),
        1 => day + 1 == days(year, month),
        _ => day == 1,
    };
    last && minute.rem_euclid(DAY) == DAY - 1
}

fn days(year: i32, month: i32) -> i32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn legal() {
        for text in [
            "2018-04-05T17:31:00Z",
            "2018-04-05t17:31:00z",
            "2018-04-05T17:31:00.123456789012Z",
            "2018-04-05T17:31:00-00:00",
            "2018-04-05T17:31:00+23:59",
            "2024-02-29T00:00:00Z",
            "2000-02-29T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "1990-12-31T23:59:60Z",
            "1990-12-31T15:59:60-08:00",
            "1991-01-01T08:59:60+09:00",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn illegal() {
        for text in [
            "",
            "2018",
            "2018-04-05",
            "2018-04-05T17:31:00",
            "2018-04-05 17:31:00Z",
            "2018-04-05T17:31Z",
            "2018-04-05T17:31:00.Z",
            "2018-04-05T17:31:00,5Z",
            "2018-04-05T17:31:00+0100",
            "2018-04-05T17:31:00+01",
            "2018-04-05T17:31:00+24:00",
            "2018-04-05T17:31:00+01:60",
            "2018-04-05T17:31:00Zx",
            "2018-04-05T17:31:00Z ",
            " 2018-04-05T17:31:00Z",
            "2018-13-05T17:31:00Z",
            "2018-00-05T17:31:00Z",
            "2018-04-31T17:31:00Z",
            "2018-04-00T17:31:00Z",
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2018-04-05T24:00:00Z",
            "2018-04-05T17:60:00Z",
            "2018-04-05T17:31:61Z",
            "2018-04-05T17:31:60Z",
            "2018-04-05T23:59:60Z",
            "1990-12-31T23:59:60-08:00",
            "+2018-04-05T17:31:00Z",
            "18-04-05T17:31:00Z",
            "２018-04-05T17:31:00Z",
            "1522949460",
            "Thu, 05 Apr 2018 17:31:00 GMT",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
