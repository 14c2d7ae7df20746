//! Lines over real sockets.

mod rtp;
mod twilio;
