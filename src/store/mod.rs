//! BODY · what outlives a call: plain records.
