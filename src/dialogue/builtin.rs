//! The tools every agent has: end the call, hand the caller on, press keys.

use crate::conversation::ToolSpec;

use super::{DialogueSpec, Direction};

/// The built-in tool with which the model ends the call: its words are played to the end, then we hang up.
pub const END_CALL: &str = "end_call";
/// The built-in tool with which the model hands the caller to someone else, once its words were heard.
pub const TRANSFER_CALL: &str = "transfer_call";
/// The built-in tool with which the model presses keys of the telephone.
pub const SEND_DTMF: &str = "send_dtmf";

/// Names that no tool of an agent's own may have: the built-in tools', and those of deeds that are to come.
pub const RESERVED: [&str; 8] =
    [END_CALL, TRANSFER_CALL, SEND_DTMF, "hang_up", "transfer", "press_digit", "send_message", "current_time"];

const NO_ARGUMENTS: &str = r#"{"type":"object","properties":{}}"#;

/// Name, description, JSON Schema of the arguments.
const END_CALL_TOOL: [&str; 3] = [
    END_CALL,
    "Ends the phone call. Use it when the caller has said goodbye or has nothing more to ask. Say your goodbye in the \
     same answer: it is heard to its end before the line closes.",
    NO_ARGUMENTS,
];

const TRANSFER_CALL_TOOL: [&str; 3] = [
    TRANSFER_CALL,
    "Hands the caller to a person on another line. Use it when the caller asks for a person or you cannot help. Say in the \
     same answer that you are connecting them: it is heard to its end before the other line rings.",
    NO_ARGUMENTS,
];

const SEND_DTMF_TOOL: [&str; 3] = [
    SEND_DTMF,
    "Presses keys on the telephone, for example to choose from the menu of an automated system. Do not say the keys aloud. \
     Then wait for what the other side says.",
    r##"{"type":"object","properties":{"digits":{"type":"string","pattern":"^[0-9*#A-Dw,]{1,32}$","description":"The keys in order: 0-9, * and #; w waits half a second, a comma two seconds."}},"required":["digits"]}"##,
];

impl DialogueSpec {
    /// Everything the model may call: the built-in tools that can work in this call, then the agent's own. An own tool
    /// that bears a built-in tool's name is left out.
    pub fn offered_tools(&self) -> Vec<ToolSpec> {
        let mut offered = vec![END_CALL_TOOL];
        if self.transfer_number.is_some() {
            offered.push(TRANSFER_CALL_TOOL);
        }
        // A browser has no keys to press on the other side.
        if self.direction != Direction::Web {
            offered.push(SEND_DTMF_TOOL);
        }
        let built_in = offered.into_iter().map(|[name, description, parameters]| ToolSpec {
            name: name.into(),
            description: description.into(),
            parameters: parameters.into(),
        });
        let is_own = |tool: &&ToolSpec| ![END_CALL, TRANSFER_CALL, SEND_DTMF].contains(&tool.name.as_str());
        built_in.chain(self.tools.iter().filter(is_own).cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Pii;

    fn names(spec: &DialogueSpec) -> Vec<String> {
        spec.offered_tools().into_iter().map(|tool| tool.name).collect()
    }

    #[test]
    fn a_built_in_tool_is_offered_only_where_it_can_work() {
        let mut spec = DialogueSpec::default();
        assert_eq!(names(&spec), [END_CALL, SEND_DTMF]);
        spec.transfer_number = Some(Pii::new("+14155550100".into()));
        assert_eq!(names(&spec), [END_CALL, TRANSFER_CALL, SEND_DTMF]);
        spec.direction = Direction::Web;
        assert_eq!(names(&spec), [END_CALL, TRANSFER_CALL]);
    }

    #[test]
    fn an_own_tool_cannot_take_the_place_of_a_built_in_one() {
        let own = |name: &str| ToolSpec { name: name.into(), description: "own".into(), parameters: "{}".into() };
        let spec = DialogueSpec { tools: vec![own(END_CALL), own("lookup")], ..DialogueSpec::default() };
        let offered = spec.offered_tools();
        assert_eq!(names(&spec), [END_CALL, SEND_DTMF, "lookup"]);
        assert_ne!(offered[0].description, "own");
    }
}
