//! Whole calls over the in-process line, their services simulated and spoken to over real sockets.

mod caller;
mod services;
mod standby;
