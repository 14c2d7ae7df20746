//! The server killed in the middle of a call: what it recorded is there, up to the last second.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use agentphone::audio::g711;
use agentphone::audio::wav::Wav;
use serde_json::Value;

const PTIME: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(30);

/// `agentphone serve` with simulated services, killed with the value.
struct Server {
    process: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Server {
    fn start(format: &str, first_port: u16) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("killed-{format}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let config = folder.join("agentphone.toml");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[rtp]\nports = \"{first_port}-{}\"\n\
             [recording]\ndir = {:?}\nformat = \"{format}\"\n\
             [[agents]]\nid = \"desk\"\nsystemPrompt = \"Be brief.\"\n\
             beginMessage = \"Hello, this is the front desk of the clinic, and I have a good deal to tell you today.\"\n",
            first_port + 98,
            folder.join("kept"),
        );
        std::fs::write(&config, text).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_agentphone"))
            .env_clear()
            .env("AGENTPHONE_LOG", "info")
            .args(["--log-json", "serve", "--config"])
            .arg(&config)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "it stopped before it listened");
            let entry: Value = serde_json::from_str(&line).unwrap_or_default();
            if entry["fields"]["message"] == "listening" {
                break entry["fields"]["address"].as_str().unwrap().parse().unwrap();
            }
        };
        // Nobody may wait for its log to be read.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { process, address, folder }
    }

    /// Attaches a call whose other side is at `remote`; where to send to.
    fn attach(&self, remote: SocketAddr) -> SocketAddr {
        let body = format!(r#"{{"agentId":"desk","transport":"rtp","codec":"PCMU","remote":"{remote}"}}"#);
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "POST /v1/media/legs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes()).unwrap();
        socket.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let leg: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
        leg["local"].as_str().unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
    }

    /// `kill -9`; the one recording there is.
    fn kill(mut self) -> Vec<u8> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let files: Vec<_> =
            std::fs::read_dir(self.folder.join("kept")).unwrap().map(|file| file.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        std::fs::read(&files[0]).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(Path::new(&self.folder));
    }
}

/// What the caller knows when the server is killed.
struct Killed {
    /// From the first packet that came to the last.
    lasted: Duration,
    /// The agent's packets as they came, µ-law: which sample each begins with, counted from the first, and its sound.
    came: Vec<(usize, Vec<u8>)>,
    recording: Vec<u8>,
}

/// Holds a call of some seconds, the caller's side a steady tone, and kills the server.
fn killed(format: &str, first_port: u16) -> Killed {
    let server = Server::start(format, first_port);
    let caller = UdpSocket::bind("127.0.0.1:0").unwrap();
    caller.set_nonblocking(true).unwrap();
    let there = server.attach(caller.local_addr().unwrap());
    let tone: Vec<u8> = (0..160).map(|n| g711::linear_to_ulaw(if n % 16 < 8 { 9_000 } else { -9_000 })).collect();
    let (began, mut next, mut sequence) = (Instant::now(), Instant::now(), 0u16);
    let mut came: Vec<(u32, Vec<u8>)> = Vec::new();
    let (mut first, mut last) = (None, began);
    let mut datagram = [0; 2_048];
    loop {
        loop {
            match caller.recv_from(&mut datagram) {
                Ok((length, _)) if length == 172 && datagram[1] & 0x7F == 0 => {
                    last = Instant::now();
                    first.get_or_insert(last);
                    let timestamp = u32::from_be_bytes([datagram[4], datagram[5], datagram[6], datagram[7]]);
                    came.push((timestamp, datagram[12..172].to_vec()));
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        let lasted = first.map_or(Duration::ZERO, |first| last - first);
        // A server that stands still at that moment would have to be judged by when it stopped.
        if lasted > Duration::from_secs(4) && last.elapsed() < 2 * PTIME {
            let recording = server.kill();
            let begin = came.first().map_or(0, |(timestamp, _)| *timestamp);
            let from_first = |(timestamp, sound): (u32, _)| (timestamp.wrapping_sub(begin) as usize, sound);
            return Killed { lasted, came: came.into_iter().map(from_first).collect(), recording };
        }
        assert!(began.elapsed() < PATIENCE, "the agent's packets do not come");
        let mut packet = vec![0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
        packet.extend_from_slice(&tone);
        caller.send_to(&packet, there).unwrap();
        (sequence, next) = (sequence.wrapping_add(1), next + PTIME);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// The share of 20 ms pieces of the caller's side that hold the tone.
fn toned(samples: &[i16]) -> f64 {
    let loud = samples.chunks(160).filter(|piece| piece.iter().any(|sample| sample.abs() > 6_000)).count();
    loud as f64 / (samples.len() / 160) as f64
}

/// The end of what must be there: all but the last second.
fn least(killed: &Killed) -> Duration {
    killed.lasted - Duration::from_secs(1)
}

#[test]
fn a_wav_recording_survives_and_holds_to_the_bit_what_was_sent() {
    let killed = killed("ulaw", 30_000);
    let wav = Wav::parse(&killed.recording).unwrap();
    assert!(wav.duration() >= least(&killed), "{:?} of {:?}", wav.duration(), killed.lasted);
    let counted = u32::from_le_bytes(killed.recording[54..58].try_into().unwrap()) as usize;
    assert_eq!(counted, killed.recording.len() - 58, "the header is true without repair");
    let agent: Vec<u8> = killed.recording[58..].chunks_exact(2).map(|pair| pair[1]).collect();
    assert!(agent.iter().any(|&byte| g711::ulaw_to_linear(byte).abs() > 1_000), "the agent is on the right");
    // Sound may be on its way while the first packets were sent; from there on every byte is the one that came.
    let is_kept = |first: usize| {
        let mut packets = killed.came.iter().map(|(at, sound)| (first + at, sound)).filter(|(at, _)| *at < agent.len());
        packets.all(|(at, sound)| agent[at..].iter().zip(sound).all(|(kept, came)| kept == came))
    };
    assert!((0..8_000).any(is_kept), "what is recorded is not what came");
    assert!(toned(&wav.channels()[0]) > 0.75, "{}", toned(&wav.channels()[0]));
}

#[test]
fn a_wav_recording_in_pcm_opens_in_any_reader() {
    let killed = killed("pcm16", 30_100);
    let reader = hound::WavReader::new(&killed.recording[..]).unwrap();
    assert!(Duration::from_secs_f64(f64::from(reader.duration()) / 8_000.0) >= least(&killed));
    let wav = Wav::parse(&killed.recording).unwrap();
    assert!(toned(&wav.channels()[0]) > 0.75, "{}", toned(&wav.channels()[0]));
}

#[test]
fn an_opus_recording_is_played_up_to_its_last_page() {
    let killed = killed("opus", 30_200);
    let whole = play(&killed.recording);
    assert!(duration(&whole) >= least(&killed), "{:?} of {:?}", duration(&whole), killed.lasted);
    assert!(toned(&whole[0]) > 0.75, "{}", toned(&whole[0]));
    // The machine lost its power as well: the last page is cut off in its middle.
    let cut = play(&killed.recording[..killed.recording.len() - 40]);
    assert!(duration(&whole) - duration(&cut) <= Duration::from_millis(700), "{:?}", duration(&cut));
}

fn duration(sides: &[Vec<i16>; 2]) -> Duration {
    Duration::from_secs_f64(sides[1].len() as f64 / 8_000.0)
}

/// Both sides as a player plays them, at 8 kHz.
fn play(bytes: &[u8]) -> [Vec<i16>; 2] {
    let mut reader = opus_pure::OggOpusReader::new(std::io::Cursor::new(bytes)).unwrap();
    let mut decoder = opus_pure::OpusDecoder::new(8_000, 2).unwrap();
    let (mut room, mut sides) = ([0i16; 2 * 960], [Vec::new(), Vec::new()]);
    while let Ok(Some(packet)) = reader.read_packet() {
        let samples = decoder.decode_s16(&packet.data, 960, &mut room).unwrap();
        for pair in room[..2 * samples].chunks_exact(2) {
            sides[0].push(pair[0]);
            sides[1].push(pair[1]);
        }
    }
    sides
}
