//! What docs/providers.md promises.

use super::{AGENT, parse};
use crate::config::vendor::Vendor;
use crate::config::*;

const DOCUMENT: &str = include_str!("../../../docs/providers.md");

/// The blocks to be pasted, with the variables each wants.
fn blocks() -> Vec<(Vec<&'static str>, &'static str)> {
    let blocks = DOCUMENT.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    blocks
        .map(|block| {
            let wants = block.lines().next().and_then(|line| line.strip_prefix("# Environment: "));
            let wants = wants.unwrap_or_else(|| panic!("does not say what it wants: {block}"));
            (wants.split(", ").filter(|name| *name != "none").collect(), block)
        })
        .collect()
}

#[test]
fn every_block_can_be_pasted_as_it_stands() {
    let blocks = blocks();
    assert!(blocks.len() >= 10, "{}", blocks.len());
    for (wants, block) in blocks {
        let env: Vec<(&str, &str)> = wants.iter().map(|name| (*name, "some-key")).collect();
        let text = format!("{block}\n{AGENT}");
        let config = parse(&text, &env).unwrap_or_else(|error| panic!("{block}\n{error}"));
        assert_eq!(config.simulated().is_empty(), !block.contains("simulator"), "{block}");
        assert_eq!(config.warnings, [], "{block}");
        // What it asks for is all it needs: without one of its variables it is refused or plays a simulator.
        for missing in &wants {
            let env: Vec<_> = env.iter().copied().filter(|(name, _)| name != missing).collect();
            let without = parse(&text, &env);
            let is_lost = |config: Config| config.simulated().len() == 3 || !config.warnings.is_empty();
            assert!(without.map_or(true, is_lost), "{block}\nwants {missing} and does without");
        }
    }
}

#[test]
fn every_vendor_is_in_the_document_and_in_a_block() {
    fn check<V: Vendor>(table: &str) {
        let rows = DOCUMENT.split(table).nth(1).and_then(|rest| rest.split("```toml").next()).unwrap_or_default();
        for preset in V::PRESETS {
            let name = preset.name;
            assert!(rows.contains(&format!("`{name}`")), "{table}: {name} is in no row");
            let used = blocks().iter().any(|(_, block)| block.contains(&format!("provider = \"{name}\"")));
            assert!(used, "{table}: {name} is in no block");
        }
    }
    check::<SttVendor>("### Recognisers");
    check::<LlmVendor>("### Models");
    check::<TtsVendor>("### Voices");
}
