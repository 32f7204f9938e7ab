//! Inputs that were right once.

use super::corpus::{ROWS, WORDS};
use super::dice::Dice;

/// Longer ones are not made: what grows with an input shows before.
const MOST: usize = 64 << 10;

/// One of these, changed in a few places.
pub(crate) fn mutated(dice: &mut Dice, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = pick(dice, corpus).clone();
    for _ in 0..dice.within(0..6) {
        change(dice, &mut input, corpus);
        input.truncate(MOST);
    }
    input
}

fn pick<'t, T>(dice: &mut Dice, things: &'t [T]) -> &'t T {
    &things[dice.within(0..things.len() as u64) as usize]
}

/// A place in it, or its end.
fn place(dice: &mut Dice, input: &[u8]) -> usize {
    dice.within(0..input.len() as u64 + 1) as usize
}

/// A few bytes of it, or a few lines.
fn part(dice: &mut Dice, input: &[u8]) -> std::ops::Range<usize> {
    let (a, most) = (place(dice, input), dice.pick(&[2, 8, 40, 400]));
    let mut range = a..(a + dice.within(0..most) as usize).min(input.len());
    if dice.chance(40) {
        let line_end =
            |at: usize| input[at..].iter().position(|&b| b == b'\n').map_or(input.len(), |n| at + n + 1);
        range.start = input[..a].iter().rposition(|&byte| byte == b'\n').map_or(0, |n| n + 1);
        range.end = line_end(range.end);
    }
    range
}

fn change(dice: &mut Dice, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    match dice.within(0..11) {
        0 => {
            let at = place(dice, input);
            if let Some(byte) = input.get_mut(at) {
                *byte = dice.next() as u8;
            }
        }
        1 => drop(input.drain(part(dice, input))),
        2 => input.truncate(place(dice, input)),
        3 | 4 => {
            let (at, word) = (place(dice, input), dice.pick(&WORDS));
            input.splice(at..at, word.bytes());
        }
        // Deep or long.
        5 => {
            let (at, word) = (place(dice, input), dice.pick(&WORDS));
            let times = dice.pick(&[2, 10, 70, 300, 5_000]);
            input.splice(at..at, word.bytes().cycle().take(word.len() * times).take(MOST));
        }
        6 => {
            let part = part(dice, input);
            let (at, copy, times) = (place(dice, input), input[part].to_vec(), dice.pick(&[1, 1, 3, 100]));
            input.splice(at..at, copy.iter().copied().cycle().take(copy.len() * times).take(MOST));
        }
        7 => {
            let (at, row, times) = (place(dice, input), dice.pick(&ROWS), dice.pick(&[3, 100, 1_000, 5_000]));
            let rows: String = (0..times).map(|n: u32| row.replace('#', &n.to_string())).collect();
            input.splice(at..at, rows.into_bytes());
        }
        8 => {
            let other = pick(dice, corpus);
            let (from, at) = (part(dice, other), part(dice, input));
            input.splice(at, other[from].iter().copied());
        }
        9 => {
            // Indented, or not any more.
            let at = part(dice, input).start;
            match input.get(at) {
                Some(b' ') if dice.chance(50) => drop(input.remove(at)),
                _ => drop(input.splice(at..at, *b"  ")),
            }
        }
        _ => {
            let moved: Vec<u8> = input.drain(part(dice, input)).collect();
            let at = place(dice, input);
            input.splice(at..at, moved);
        }
    }
}
