//! The promises to the outside: every JSON shape against its golden, and the HTTP door over a real loopback socket.
#![cfg(feature = "engine")]

mod client;
mod door;
mod doors;
mod fakes;
mod goldens;
mod live;
mod stream;
