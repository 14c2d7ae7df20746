//! One service as all calls know it: whose it is, and whether it is worth asking.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::breaker::Breaker;
use crate::conversation::Service;

/// A service that many calls ask: its name for records, and its circuit breaker.
#[derive(Debug)]
pub struct Instance {
    service: Service,
    vendor: String,
    model: String,
    breaker: Mutex<Breaker>,
}

/// The services of an agent by kind and rank: the first choice, then what stands by.
#[derive(Clone, Debug)]
pub struct Instances {
    /// Recognisers.
    pub stt: [Arc<Instance>; 2],
    /// Models.
    pub llm: [Arc<Instance>; 2],
    /// Voices.
    pub tts: [Arc<Instance>; 2],
}

impl Instance {
    /// A service of which nothing is known yet. `vendor` and `model` are for records, and `vendor` labels metrics.
    pub fn new(service: Service, vendor: impl Into<String>, model: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { service, vendor: vendor.into(), model: model.into(), breaker: Mutex::default() })
    }

    /// What it does.
    pub const fn service(&self) -> Service {
        self.service
    }

    /// Whose it is.
    pub fn vendor(&self) -> &str {
        &self.vendor
    }

    /// Which model is asked when a call names none.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether its circuit is open: what stands by is asked in its place.
    pub fn is_open(&self) -> bool {
        self.breaker().is_open()
    }

    /// How often its circuit has opened.
    pub fn opened(&self) -> u64 {
        self.breaker().opened()
    }

    /// Whether it may be asked. Of one whose circuit is open a single question is let through now and then.
    pub(super) fn may_ask(&self, now: Instant) -> bool {
        self.breaker().may_ask(now)
    }

    /// It has answered.
    pub(super) fn answered(&self, now: Instant) {
        self.change(|breaker| breaker.answered(now));
    }

    /// It has failed, or was not waited for any longer.
    pub(super) fn failed(&self, now: Instant) {
        self.change(|breaker| breaker.failed(now));
    }

    fn change(&self, change: impl FnOnce(&mut Breaker)) {
        let mut breaker = self.breaker();
        let (was_open, opened) = (breaker.is_open(), breaker.opened());
        change(&mut breaker);
        let (is_open, opened) = (breaker.is_open(), breaker.opened() - opened);
        drop(breaker);
        if opened == 0 && is_open == was_open {
            return;
        }
        let labels = [("service", self.service.name().to_owned()), ("vendor", self.vendor.clone())];
        metrics::counter!("agentphone_circuit_opened_total", &labels).increment(opened);
        metrics::gauge!("agentphone_circuit_open", &labels).set(f64::from(u8::from(is_open)));
        let (service, vendor) = (self.service.name(), self.vendor.as_str());
        if is_open {
            tracing::warn!(service, vendor, "the circuit is open: what stands by is asked first");
        } else {
            tracing::info!(service, vendor, "the circuit is closed: it answers again");
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        // A breaker is whole between any two of its statements.
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Instances {
    /// Services without a name, known to this one agent only.
    fn default() -> Self {
        let pair = |service| [0, 1].map(|_| Instance::new(service, "unnamed", ""));
        Self { stt: pair(Service::Stt), llm: pair(Service::Llm), tts: pair(Service::Tts) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circuit_is_counted_when_it_opens_and_when_it_closes() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let (instance, now) = (Instance::new(Service::Llm, "acme", "m"), Instant::now());
        for _ in 0..3 {
            instance.failed(now);
        }
        assert!(instance.is_open() && !instance.may_ask(now));
        let labels = "{service=\"llm\",vendor=\"acme\"}";
        let page = recorder.handle().render();
        assert!(page.contains(&format!("agentphone_circuit_open{labels} 1\n")), "{page}");
        instance.answered(now);
        let page = recorder.handle().render();
        assert!(page.contains(&format!("agentphone_circuit_open{labels} 0\n")), "{page}");
        assert!(page.contains(&format!("agentphone_circuit_opened_total{labels} 1\n")), "{page}");
        assert_eq!(instance.opened(), 1);
    }
}
