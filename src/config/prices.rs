//! `[prices]`: what services cost whoever runs this server.

use toml::de::DeValue;

use super::document::Section;

/// `[prices]`: by vendor, or by vendor and model.
#[derive(Clone, PartialEq, Debug)]
pub struct Prices {
    /// Of all prices: three letters, like `USD`.
    pub currency: String,
    /// `[prices.stt]`: for a minute of sound.
    pub stt: Vec<(String, f64)>,
    /// `[prices.llm]`: for a million tokens read, and for a million written.
    pub llm: Vec<(String, f64, f64)>,
    /// `[prices.tts]`: for a thousand characters.
    pub tts: Vec<(String, f64)>,
}

/// The most prices of a kind.
const MOST: usize = 200;
/// The highest price.
const HIGHEST: f64 = 100_000.0;

pub(super) fn prices(mut section: Section<'_>) -> Option<Prices> {
    let currency = section.text("currency").unwrap_or_else(|| "USD".into());
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        section.wrong("currency", format!("found \"{currency}\", expected three letters like \"USD\""));
    }
    let (stt, tts) = (single(&mut section, "stt"), single(&mut section, "tts"));
    let mut llm = Vec::new();
    for (name, value) in entries(&mut section, "llm") {
        let DeValue::Table(table) = value else {
            section.wrong("llm", format!("{name}: expected {{ input = …, output = … }}"));
            continue;
        };
        let field = |key: &str| table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value.get_ref());
        match (field("input").and_then(price), field("output").and_then(price)) {
            (Some(input), Some(output)) if table.len() == 2 => llm.push((name, input, output)),
            _ => section
                .wrong("llm", format!("{name}: expected {{ input = …, output = … }}, prices of a million tokens")),
        }
    }
    let is_present = section.is_present();
    section.finish();
    is_present.then_some(Prices { currency, stt, llm, tts })
}

fn single(section: &mut Section<'_>, key: &'static str) -> Vec<(String, f64)> {
    let mut prices = Vec::new();
    for (name, value) in entries(section, key) {
        match price(value) {
            Some(price) => prices.push((name, price)),
            None => section.wrong(key, format!("{name}: expected a price from 0 to {HIGHEST}")),
        }
    }
    prices
}

fn entries<'d>(section: &mut Section<'d>, key: &'static str) -> Vec<(String, &'d DeValue<'d>)> {
    let Some(value) = section.value(key) else { return Vec::new() };
    let DeValue::Table(table) = value.get_ref() else {
        section.wrong(key, "expected a table of prices by vendor, or by \"vendor/model\"");
        return Vec::new();
    };
    if table.len() > MOST {
        section.wrong(key, format!("found {} prices, expected at most {MOST}", table.len()));
    }
    table.iter().take(MOST).map(|(name, value)| (name.get_ref().to_string(), value.get_ref())).collect()
}

fn price(value: &DeValue<'_>) -> Option<f64> {
    let price = match value {
        DeValue::Integer(digits) => digits.as_str().replace('_', "").parse().ok(),
        DeValue::Float(digits) => digits.as_str().replace('_', "").parse::<f64>().ok(),
        _ => None,
    };
    price.filter(|price| (0.0..=HIGHEST).contains(price))
}
