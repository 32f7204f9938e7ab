//! Workers and lag over time, as SVG.

use std::fmt::Write;

use super::loads::Load;
use super::replay::{Point, Replayed};

const WIDE: f64 = 860.0;
const LEFT: f64 = 70.0;
const HIGH: f64 = 110.0;
const COLOURS: [(&str, &str, &str); 2] =
    [("ours", "#1b6ac9", ""), ("KEDA's own", "#d9730d", " stroke-dasharray=\"5 3\"")];

pub(crate) fn svg(load: &Load, replayed: &[Replayed; 2]) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} 460\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n<text x=\"{LEFT}\" y=\"18\" font-size=\"14\">{}</text>\n",
        LEFT + WIDE + 20.0,
        load.title,
    );
    for (number, (name, colour, dash)) in COLOURS.iter().enumerate() {
        let x = LEFT + 500.0 + 150.0 * number as f64;
        writeln!(
            out,
            "<path d=\"M{x} 14h30\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/><text x=\"{}\" y=\"18\">{name}</text>",
            x + 36.0
        )
        .unwrap();
    }
    let rates: Vec<f64> = (0..load.long).map(|second| load.at(second)).collect();
    panel(&mut out, 30.0, "events/s", &[(&rates, "#555555", "")]);
    let of = |value: fn(&Point) -> f64| replayed.each_ref().map(|one| one.points.iter().map(value).collect());
    let workers: [Vec<f64>; 2] = of(|point| point.workers as f64);
    let lags: [Vec<f64>; 2] = of(|point| point.lag);
    for (top, name, values) in [(165.0, "workers", workers), (300.0, "lag", lags)] {
        let lines: Vec<_> =
            values.iter().zip(COLOURS).map(|(values, (_, colour, dash))| (values, colour, dash)).collect();
        panel(&mut out, top, name, &lines);
    }
    for minute in (0..=load.long / 60).step_by(10) {
        let x = LEFT + WIDE * f64::from(minute * 60) / f64::from(load.long);
        writeln!(out, "<text x=\"{x:.0}\" y=\"430\" text-anchor=\"middle\">{minute} min</text>").unwrap();
    }
    out + "</svg>\n"
}

fn panel(out: &mut String, top: f64, name: &str, lines: &[(&Vec<f64>, &str, &str)]) {
    let most = lines.iter().flat_map(|(values, ..)| values.iter()).copied().fold(1.0, f64::max);
    let bottom = top + HIGH;
    writeln!(
        out,
        "<path d=\"M{LEFT} {top}V{bottom}h{WIDE}\" fill=\"none\" stroke=\"#999999\"/>\n\
         <text x=\"{0}\" y=\"{1}\" text-anchor=\"end\">{2}</text><text x=\"{0}\" y=\"{bottom}\" text-anchor=\"end\">0</text>\n\
         <text x=\"{0}\" y=\"{3}\" text-anchor=\"end\">{name}</text>",
        LEFT - 6.0,
        top + 10.0,
        short(most),
        top + HIGH / 2.0,
    )
    .unwrap();
    for (values, colour, dash) in lines {
        // A point where the line turns, and no more than one for each unit of the drawing.
        let step = (values.len() as f64 / WIDE).ceil() as usize;
        let mut path = String::new();
        for (number, part) in values.chunks(step).enumerate() {
            let value = part.iter().copied().fold(0.0, f64::max);
            let x = LEFT + WIDE * (number * step) as f64 / values.len() as f64;
            let y = bottom - HIGH * value / most;
            write!(path, "{}{x:.1} {y:.1}", if number == 0 { "M" } else { "L" }).unwrap();
        }
        writeln!(out, "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"{dash}/>")
            .unwrap();
    }
}

fn short(number: f64) -> String {
    match number {
        n if n >= 1e6 => format!("{:.1} M", n / 1e6),
        n if n >= 1e3 => format!("{:.0} k", n / 1e3),
        n => format!("{n:.0}"),
    }
}
