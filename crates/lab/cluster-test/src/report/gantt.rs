//! The bring-up of a switch as SVG: a row for each stage, on the time from its beginning.

use anyhow::Result;
use serde_json::json;

use super::templates;
use crate::record::BringUp;

const LABELS: f64 = 170.0;
const BARS: f64 = 440.0;
/// For the length behind the last bar.
const BEHIND: f64 = 74.0;
const ROW: f64 = 20.0;
const HEAD: f64 = 26.0;
/// How narrow a bar may be and still be seen.
const LEAST: f64 = 2.0;
/// How many lines of the time there are at most.
const TICKS: f64 = 9.0;

/// `span` is the seconds that the chart is wide, so that several can be compared.
pub fn chart(bring_up: &BringUp, span: f64) -> Result<String> {
    let span = span.max(0.1);
    let x = |moment: f64| LABELS + ((moment - bring_up.began) / span).clamp(0.0, 1.0) * BARS;
    let rows = bring_up.stages.iter().enumerate().map(|(number, stage)| {
        json!({
            "name": stage.name,
            "line": stage.line,
            "y": HEAD + number as f64 * ROW,
            "x": x(stage.began),
            "width": (x(stage.ended) - x(stage.began)).max(LEAST),
            "took": format!("{:.1} s", (stage.ended - stage.began).max(0.0)),
        })
    });
    let bottom = HEAD + bring_up.stages.len() as f64 * ROW;
    let step = step(span);
    let ticks = (0_u32..).map(|number| f64::from(number) * step).take_while(|second| *second <= span);
    let tick = |moment: f64, text: String| json!({ "x": x(moment), "text": text });
    let chart = json!({
        "title": format!("{}: {}", bring_up.device, bring_up.occasion),
        "width": LABELS + BARS + BEHIND,
        "height": bottom + 8.0,
        "bottom": bottom,
        "label_x": LABELS - 8.0,
        "rows": rows.collect::<Vec<_>>(),
        "ticks": ticks.map(|second| tick(bring_up.began + second, format!("{second} s"))).collect::<Vec<_>>(),
        "ready": bring_up.ready.map(|ready| tick(ready, format!("ready {:.1} s", ready - bring_up.began))),
    });
    templates::render("gantt.svg", &chart)
}

/// How long it took, as far as is known.
pub fn span(bring_up: &BringUp) -> f64 {
    let ends = bring_up.stages.iter().map(|stage| stage.ended).chain(bring_up.ready);
    ends.fold(bring_up.began, f64::max) - bring_up.began
}

/// The round number of seconds between two lines.
fn step(span: f64) -> f64 {
    let steps = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0];
    steps.into_iter().find(|step| span / step <= TICKS).unwrap_or((span / TICKS).ceil())
}
