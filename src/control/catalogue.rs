//! What the doors know of the services behind the agents: their health, their prices, their voices.

use std::sync::Arc;

use crate::engine::{Cost, Instance, Service};

/// What is known of the services that all calls share.
#[derive(Clone, Default, Debug)]
pub struct Catalogue {
    /// The services, first choices and those that stand by.
    pub instances: Vec<Arc<Instance>>,
    /// What they cost; `None`: nobody has said.
    pub prices: Option<Prices>,
    /// The voices an agent may have.
    pub voices: Vec<Voice>,
}

impl Catalogue {
    /// The services taken for gone, as `llm groq`.
    pub(super) fn open_circuits(&self) -> Vec<String> {
        let open = self.instances.iter().filter(|instance| instance.is_open());
        open.map(|instance| format!("{} {}", instance.service().name(), instance.vendor())).collect()
    }
}

/// What services cost, by whoever runs this server.
#[derive(Clone, PartialEq, Debug)]
pub struct Prices {
    /// Of all prices, like `USD`.
    pub currency: String,
    /// The prices; of two for one thing the one that names the model counts.
    pub rates: Vec<Rate>,
}

/// What one service costs; what it does not bill is 0.
#[derive(Clone, PartialEq, Debug)]
pub struct Rate {
    /// What it does.
    pub service: Service,
    /// Whose: `vendor`, or `vendor/model`.
    pub name: String,
    /// For a minute of sound.
    pub minute: f64,
    /// For a million tokens read.
    pub input: f64,
    /// For a million tokens written.
    pub output: f64,
    /// For a thousand characters spoken.
    pub characters: f64,
}

impl Prices {
    /// What something cost; `None`: there is no price for it.
    pub fn of(&self, cost: &Cost) -> Option<f64> {
        let named = |name: &str| self.rates.iter().find(|rate| rate.service == cost.service && rate.name == name);
        let rate = named(&format!("{}/{}", cost.vendor, cost.model)).or_else(|| named(&cost.vendor))?;
        let millions = |tokens: u64| tokens as f64 / 1e6;
        let tokens = millions(cost.prompt_tokens) * rate.input + millions(cost.completion_tokens) * rate.output;
        let sound = cost.audio.as_secs_f64() / 60.0 * rate.minute;
        Some(tokens + sound + cost.characters as f64 / 1e3 * rate.characters)
    }
}

/// A voice an agent may have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Voice {
    /// What an agent's `voice` says.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Whose it is.
    pub provider: String,
    /// `male`, `female` or `neutral`, where the vendor says so.
    pub gender: Option<String>,
    /// Where one speaks like that, where the vendor says so.
    pub accent: Option<String>,
}

/// A voice with a name of our own: what the vendors call it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VoiceName {
    /// What it is called outside.
    pub name: String,
    /// What the first choice calls it; `None`: only what stands by knows it.
    pub first: Option<String>,
    /// What the voice that stands by calls it; `None`: it speaks with its own.
    pub second: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_a_call_used_has_a_price_by_model_or_else_by_vendor() {
        let none =
            Rate { service: Service::Llm, name: String::new(), minute: 0.0, input: 0.0, output: 0.0, characters: 0.0 };
        let rates = vec![
            Rate { name: "openai".into(), input: 2.0, output: 8.0, ..none.clone() },
            Rate { name: "openai/small".into(), input: 0.2, output: 0.8, ..none.clone() },
            Rate { service: Service::Stt, name: "ear".into(), minute: 0.01, ..none.clone() },
            Rate { service: Service::Tts, name: "mouth".into(), characters: 0.1, ..none },
        ];
        let prices = Prices { currency: "USD".into(), rates };
        let price = |cost: Cost| prices.of(&cost).map(|price| (price * 1e6).round());
        let tokens = Cost {
            vendor: "openai".into(),
            model: "small".into(),
            prompt_tokens: 1_000,
            completion_tokens: 100,
            ..Cost::none(Service::Llm)
        };
        assert_eq!(price(tokens.clone()), Some(280.0));
        assert_eq!(price(Cost { model: "large".into(), ..tokens.clone() }), Some(2_800.0));
        assert_eq!(price(Cost { vendor: "groq".into(), ..tokens }), None);
        let sound = Cost { vendor: "ear".into(), audio: Duration::from_secs(90), ..Cost::none(Service::Stt) };
        assert_eq!(price(sound), Some(15_000.0));
        let text = Cost { vendor: "mouth".into(), characters: 250, ..Cost::none(Service::Tts) };
        assert_eq!(price(text), Some(25_000.0));
    }
}
