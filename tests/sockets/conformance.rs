//! What every vendor of a kind must do, case by case, against the simulators.

mod tts;
