//! Levels as a picture: SVG, written by hand.

use std::fmt::Write;

use super::level::{LATEST, Level, SLOWEST, ms};

/// One line of a chart: its name, its colour and its points.
struct Curve {
    name: &'static str,
    colour: &'static str,
    points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 760.0;
const CHART: f64 = 240.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 50.0;
const BLUE: &str = "#1b6ca8";
const ORANGE: &str = "#d1762c";
const GREY: &str = "#7a7a7a";
const RED: &str = "#b3261e";

/// A picture of four charts over the number of calls: response and barge-in, lateness, CPU, memory. Levels that broke a
/// promise are marked.
pub fn plot(levels: &[Level]) -> String {
    let over = |value: &dyn Fn(&Level) -> Option<f64>| -> Vec<(f64, f64)> {
        levels.iter().filter_map(|level| Some((level.calls as f64, value(level)?))).collect()
    };
    let curve = |name, colour, value: &dyn Fn(&Level) -> Option<f64>| Curve { name, colour, points: over(value) };
    let usual = levels.first().and_then(|level| level.response.quantile(0.95));
    let charts = [
        (
            "Response and barge-in, ms",
            usual.map(|usual| ms(usual + SLOWEST)),
            vec![
                curve("response p50", BLUE, &|level| level.response.quantile(0.5).map(ms)),
                curve("response p95", ORANGE, &|level| level.response.quantile(0.95).map(ms)),
                curve("barge-in p95", GREY, &|level| level.silenced.quantile(0.95).map(ms)),
            ],
        ),
        (
            "Send lateness p99, ms",
            Some(ms(LATEST)),
            vec![
                curve("at the caller", BLUE, &|level| level.lateness.quantile(0.99).map(ms)),
                curve("in the engine", ORANGE, &|level| level.engine_lateness.map(|[_, p99, _]| ms(p99))),
                curve("the callers' own", GREY, &|level| level.own_lateness.quantile(0.99).map(ms)),
            ],
        ),
        (
            "CPU seconds for a minute of a call",
            None,
            vec![curve("engine", BLUE, &|level| level.engine.map(|cost| cost.cpu_per_call_minute))],
        ),
        (
            "Memory of each call, kB",
            None,
            vec![curve("engine", BLUE, &|level| level.engine?.resident_per_call.map(|bytes| bytes / 1_000.0))],
        ),
    ];
    let height = (TOP + CHART + BOTTOM) * charts.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let broken: Vec<f64> =
        levels.iter().filter(|level| !level.broken.is_empty()).map(|level| level.calls as f64).collect();
    let most = levels.iter().map(|level| level.calls).max().unwrap_or(1) as f64;
    for (n, (title, limit, curves)) in charts.iter().enumerate() {
        chart(&mut svg, (TOP + CHART + BOTTOM) * n as f64, title, *limit, curves, most, &broken);
    }
    svg.push_str("</svg>\n");
    svg
}

/// One chart whose upper edge is at `top`, its horizontal axis from 0 to `most` calls.
fn chart(svg: &mut String, top: f64, title: &str, limit: Option<f64>, curves: &[Curve], most: f64, broken: &[f64]) {
    let values = curves.iter().flat_map(|curve| curve.points.iter().map(|(_, value)| *value)).chain(limit);
    let step = tick(values.fold(0.0, f64::max));
    let highest =
        curves.iter().flat_map(|curve| &curve.points).map(|(_, value)| *value).chain(limit).fold(step, f64::max);
    let ticks = (highest / step).ceil().max(1.0);
    let (base, right) = (top + TOP + CHART, WIDTH - RIGHT);
    let x = |calls: f64| LEFT + (right - LEFT) * calls / most;
    let y = |value: f64| base - CHART * value / (ticks * step);
    // Writing to a String cannot fail.
    let _ =
        writeln!(svg, "<text x=\"{LEFT}\" y=\"{}\" font-size=\"14\" font-weight=\"bold\">{title}</text>", top + 24.0);
    for n in 0..=ticks as u32 {
        let value = f64::from(n) * step;
        let at = y(value);
        let _ = writeln!(svg, "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\" stroke=\"#e4e4e4\"/>");
        let digits = if step < 0.01 {
            3
        } else if step < 1.0 {
            2
        } else {
            0
        };
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value:.digits$}</text>",
            LEFT - 8.0,
            at + 4.0
        );
    }
    let across = tick(most);
    for n in 0..=(most / across) as u32 {
        let calls = f64::from(n) * across;
        let at = x(calls);
        let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{calls}</text>", base + 18.0);
    }
    let _ = writeln!(
        svg,
        "<text x=\"{right}\" y=\"{}\" text-anchor=\"end\" fill=\"{GREY}\">calls at once</text>",
        base + 34.0
    );
    for calls in broken {
        let at = x(*calls);
        let _ = writeln!(
            svg,
            "<line x1=\"{at:.1}\" y1=\"{}\" x2=\"{at:.1}\" y2=\"{base}\" stroke=\"{RED}\" stroke-dasharray=\"2 4\"/>",
            top + TOP
        );
    }
    if let Some(limit) = limit {
        let at = y(limit);
        let _ = writeln!(svg, "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\" stroke=\"{RED}\"/>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" fill=\"{RED}\">limit</text>", LEFT + 6.0, at - 4.0);
    }
    let mut legend = LEFT;
    for curve in curves {
        let colour = curve.colour;
        let points: Vec<String> =
            curve.points.iter().map(|(calls, value)| format!("{:.1},{:.1}", x(*calls), y(*value))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        );
        for (calls, value) in &curve.points {
            let _ =
                writeln!(svg, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>", x(*calls), y(*value));
        }
        let at = top + 40.0;
        let _ = writeln!(svg, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{colour}\"/>", legend + 4.0, at - 4.0);
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{at:.1}\">{}</text>", legend + 12.0, curve.name);
        legend += 30.0 + 7.0 * curve.name.len() as f64;
    }
}

/// A round step of which four to ten reach `most`.
fn tick(most: f64) -> f64 {
    let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
    let magnitude = 10f64.powf((most / 4.0).log10().floor());
    let steps = most / 4.0 / magnitude;
    magnitude
        * if steps >= 5.0 {
            5.0
        } else if steps >= 2.0 {
            2.0
        } else {
            1.0
        }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::level::{Broken, Cost};
    use crate::bench::rtp::Measured;

    fn level(calls: usize, late: u64) -> Level {
        let mut measured = Measured::default();
        measured.lateness.note(Duration::from_millis(late));
        measured.tally.response.note(Duration::from_millis(900));
        let mut level = Level::of(calls, Duration::from_secs(1), measured);
        level.engine = Some(Cost {
            cpu_per_call_minute: 0.08,
            cores: 0.5,
            resident: 1 << 25,
            resident_per_call: (calls > 1).then_some(250_000.0),
            descriptors: 20,
        });
        level
    }

    #[test]
    fn every_level_is_a_point_on_every_curve_that_has_a_figure_for_it() {
        let mut levels = [level(1, 1), level(100, 2), level(200, 9)];
        levels[2].broken.push(Broken::Failed(3));
        let svg = plot(&levels);
        assert_eq!(svg.matches("<svg").count() + svg.matches("</svg>").count(), 2);
        // Two responses, one lateness at the caller and the CPU at three levels each, memory at two, eight legends.
        assert_eq!(svg.matches("<circle").count(), 2 * 3 + 3 + 3 + 2 + 8);
        assert_eq!(svg.matches("stroke-dasharray").count(), 4, "the broken level, in each chart");
        assert_eq!(svg.matches(">limit<").count(), 2);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(!plot(&[]).contains("NaN"));
    }

    #[test]
    fn steps_are_round() {
        for (most, step) in [(1_000.0, 200.0), (1.0, 0.2), (7.0, 1.0), (0.09, 0.02), (0.0, 0.2), (4.0, 1.0)] {
            assert!((tick(most) / step - 1.0).abs() < 1e-9, "{most}: {}", tick(most));
        }
    }
}
