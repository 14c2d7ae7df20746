//! What is wrong with a configuration.

use std::fmt;

/// One thing wrong: where, and what would be right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// `agentphone.toml:12: [llm] temperature`, or the name of an environment variable.
    pub place: String,
    /// What was found and what was expected. Never holds a key.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Everything that is wrong with a configuration, in the order of the file. Never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    /// The problems.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
