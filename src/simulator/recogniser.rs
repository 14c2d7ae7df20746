//! Hears utterances and gives them the words of a script: samples and times in, reports out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::audio::SampleRate;

use super::config::RecogniserConfig;
use super::ear::Ear;
use super::lines::{LineId, Lines, Word, WordPlan};
use super::prompter::Utter;

/// What a client asks of the recogniser.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Options {
    pub(super) rate: SampleRate,
    pub(super) interim_results: bool,
    /// Silence that ends an utterance; `None`: nothing does.
    pub(super) endpointing: Option<Duration>,
    /// Silence after the last word that is reported as such.
    pub(super) utterance_end: Option<Duration>,
    pub(super) vad_events: bool,
}

/// What the recogniser reports. Times count the audio it was sent.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Report {
    /// A voice begins.
    SpeechStarted(Duration),
    /// Words, or the lack of them.
    Results(Results),
    /// Nothing was said for a while after a word.
    UtteranceEnd(Duration),
}

/// The words of a stretch of audio.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Results {
    pub(super) words: Vec<Word>,
    pub(super) start: Duration,
    pub(super) duration: Duration,
    pub(super) is_final: bool,
    pub(super) speech_final: bool,
    pub(super) from_finalize: bool,
}

/// One connection's recogniser, told the time.
///
/// ```text
/// voice     ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇                         ends: its last voiced 10 ms
/// interims      hello  hello I  hello I have           `interim_lag` behind the voice
/// final                        ├─ max(endpointing, final_delay) ─┤ is_final, speech_final
/// Finalize                        ↓├ finalize_delay ┤ is_final, from_finalize
/// ```
#[derive(Debug)]
pub(super) struct Recogniser {
    options: Options,
    config: RecogniserConfig,
    lines: Lines,
    ear: Ear,
    /// Samples of a frame that is not complete yet.
    partial: Vec<i16>,
    /// Audio heard, in whole frames.
    heard: Duration,
    /// Voiced frames in a row.
    run: u32,
    utterance: Option<Utterance>,
    pause: Option<Pause>,
    finalize_due: Option<Instant>,
    /// Up to where results are final.
    covered: Duration,
    last_word_end: Option<Duration>,
    reports: VecDeque<Report>,
}

/// A voice under way, or ended a moment ago.
#[derive(Debug)]
struct Utterance {
    start: Duration,
    /// Where its last voiced frame ended, in audio and by the clock.
    end: Duration,
    end_at: Instant,
    /// The line it seems to be; fixed once some of its words are final.
    plan: Option<(LineId, WordPlan)>,
    /// Words that are final, and where their sound ends.
    frozen: usize,
    frozen_end: Duration,
    /// Words reported so far.
    shown: usize,
    /// Voice of the same line before a pause.
    spoken_before: Duration,
    /// Its line is used up: what follows has no words.
    spent: bool,
}

/// A line the caller has paused in.
#[derive(Debug)]
struct Pause {
    plan: (LineId, WordPlan),
    frozen: usize,
    spoken: Duration,
    since: Duration,
}

/// Why words become final.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reason {
    Endpoint,
    Finalize,
    Close,
    Long,
}

impl Recogniser {
    /// A recogniser that has heard nothing.
    pub(super) fn new(options: Options, config: RecogniserConfig, lines: Lines) -> Self {
        Self {
            options,
            config,
            lines,
            ear: Ear::new(),
            partial: Vec::new(),
            heard: Duration::ZERO,
            run: 0,
            utterance: None,
            pause: None,
            finalize_due: None,
            covered: Duration::ZERO,
            last_word_end: None,
            reports: VecDeque::new(),
        }
    }

    /// Hears `samples`, the last of which arrived at `now`.
    pub(super) fn hear(&mut self, samples: &[i16], now: Instant) {
        self.partial.extend_from_slice(samples);
        let frame = self.options.rate.samples_in(FRAME).max(1);
        let whole = self.partial.len() / frame;
        let partial = std::mem::take(&mut self.partial);
        for (n, samples) in partial.chunks_exact(frame).enumerate() {
            let behind = FRAME * (whole - n - 1) as u32;
            let is_voiced = match self.lines.is_prompted() {
                true => Ear::is_sound(samples),
                false => self.ear.is_voiced(samples),
            };
            self.frame(is_voiced, now.checked_sub(behind).unwrap_or(now), now);
        }
        self.partial = partial.get(whole * frame..).unwrap_or_default().to_vec();
    }

    /// The client wants what there is.
    pub(super) fn finalize(&mut self, now: Instant) {
        // The final of what was told as it was said has its own time.
        if !self.lines.is_prompted() {
            self.finalize_due = Some(now + self.config.finalize_delay);
        }
    }

    /// Reports `utter`, whatever was heard.
    pub(super) fn utter(&mut self, utter: &Utter) {
        let words = utter.text.split_whitespace();
        let words = words.map(|word| Word { text: word.to_owned(), start: self.heard, end: self.heard }).collect();
        self.report(words, utter.is_final, utter.speech_final, false);
    }

    /// The client is done: whatever is not final yet becomes so.
    pub(super) fn close(&mut self) {
        if self.utterance.is_some() {
            self.conclude(Reason::Close);
        }
    }

    /// When [`Recogniser::handle_timeout`] wants to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let endpoint = self.utterance.as_ref().filter(|u| self.is_silent_enough(u)).and_then(|u| self.endpoint_due(u));
        [endpoint, self.finalize_due].into_iter().flatten().min()
    }

    /// The clock says `now`.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.finalize_due.is_some_and(|due| due <= now) {
            self.finalize_due = None;
            self.conclude(Reason::Finalize);
        }
        let due = self.utterance.as_ref().filter(|u| self.is_silent_enough(u)).and_then(|u| self.endpoint_due(u));
        if due.is_some_and(|due| due <= now) {
            self.conclude(Reason::Endpoint);
        }
    }

    /// The next report.
    pub(super) fn poll_report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// From here on so much silence ends an utterance.
    pub(super) fn set_endpointing(&mut self, silence: Duration) {
        self.options.endpointing = Some(silence);
    }

    /// How long the voice that is being heard has been silent; `None`: none is.
    pub(super) fn silence(&self) -> Option<Duration> {
        self.utterance.as_ref().map(|utterance| self.heard.saturating_sub(utterance.end))
    }

    /// Audio heard.
    pub(super) fn heard(&self) -> Duration {
        self.heard
    }

    /// The silence after which a final comes; `None`: none does.
    fn endpoint_delay(&self, utterance: &Utterance) -> Option<Duration> {
        match utterance.cued() {
            Some((final_after, _)) => final_after,
            None => Some(self.config.final_delay.max(self.options.endpointing.unwrap_or_default())),
        }
    }

    fn endpoint_due(&self, utterance: &Utterance) -> Option<Instant> {
        self.endpoint_delay(utterance).map(|delay| utterance.end_at + delay)
    }

    /// Whether the client's silence has been heard, but for the packet under way.
    fn is_silent_enough(&self, utterance: &Utterance) -> bool {
        let wanted = match utterance.cued() {
            Some((final_after, _)) => final_after.unwrap_or(Duration::MAX),
            None => self.options.endpointing.unwrap_or_default(),
        };
        self.heard > utterance.end && self.heard - utterance.end + PACKET >= wanted
    }

    /// Ten milliseconds of sound that ended at `ended_at`.
    fn frame(&mut self, is_voiced: bool, ended_at: Instant, now: Instant) {
        self.heard += FRAME;
        self.run = if is_voiced { self.run + 1 } else { 0 };
        self.follow_cue();
        let is_expecting = self.is_expecting();
        match &mut self.utterance {
            None if self.run >= ONSET_FRAMES && is_expecting => self.begin(ended_at),
            Some(utterance) if self.run >= 2 && !utterance.is_past_cue(self.heard) => {
                (utterance.end, utterance.end_at) = (self.heard, ended_at);
            }
            _ => {}
        }
        self.recognise();
        let silent = self.utterance.as_ref().map(|u| self.heard - u.end);
        // Audio that came faster than real time is judged by its own clock.
        let delay = self.utterance.as_ref().and_then(|u| self.endpoint_delay(u));
        if silent.zip(delay).is_some_and(|(silent, delay)| silent >= delay + PACKET) {
            self.handle_timeout(now);
            if self.utterance.is_some() {
                self.conclude(Reason::Endpoint);
            }
        }
        if let (None, Some(last), Some(gap)) = (&self.utterance, self.last_word_end, self.options.utterance_end)
            && self.heard >= last + gap
        {
            self.reports.push_back(Report::UtteranceEnd(last));
            self.last_word_end = None;
        }
    }

    /// Whether a voice may be somebody's words: told what is said, it takes what nobody said for noise.
    fn is_expecting(&self) -> bool {
        !self.lines.is_prompted() || self.lines.cued().is_some()
    }

    /// A cue that came since ends what was being heard: it is another sound.
    fn follow_cue(&mut self) {
        let Some(cued) = self.lines.cued() else { return };
        if self.pause.as_ref().is_some_and(|pause| pause.plan.0 != cued) {
            self.pause = None;
        }
        let Some(utterance) = &self.utterance else { return };
        if utterance.plan.as_ref().is_some_and(|(id, _)| *id == cued) {
            return;
        }
        let is_open = utterance.cued().is_some_and(|(final_after, _)| final_after.is_some()) && !utterance.spent;
        if is_open {
            self.conclude(Reason::Endpoint);
        }
        (self.utterance, self.pause) = (None, None);
    }

    /// A voice has begun a few frames ago.
    fn begin(&mut self, now: Instant) {
        let start = self.heard.saturating_sub(FRAME * ONSET_FRAMES);
        self.covered = self.covered.max(start.saturating_sub(LEAD));
        if self.options.vad_events {
            self.reports.push_back(Report::SpeechStarted(start));
        }
        let mut utterance = Utterance {
            start,
            end: self.heard,
            end_at: now,
            plan: None,
            frozen: 0,
            frozen_end: start,
            shown: 0,
            spoken_before: Duration::ZERO,
            spent: false,
        };
        if let Some(pause) = self.pause.take() {
            if start <= pause.since + LONGEST_PAUSE {
                // A cue's times count its pauses.
                let paused =
                    if pause.plan.1.cued().is_some() { start.saturating_sub(pause.since) } else { Duration::ZERO };
                (utterance.frozen, utterance.shown, utterance.spoken_before) =
                    (pause.frozen, pause.frozen, pause.spoken + paused);
                utterance.plan = Some(pause.plan);
            } else {
                self.lines.take(pause.plan.0);
            }
        }
        self.utterance = Some(utterance);
    }

    /// Finds the line of the utterance, and its next interim.
    fn recognise(&mut self) {
        let Some(utterance) = &mut self.utterance else { return };
        if utterance.spent {
            return;
        }
        utterance.choose_line(&self.lines, false);
        let Some((_, plan)) = utterance.plan.as_ref().filter(|(_, plan)| utterance.is_long_enough(plan)) else {
            return;
        };
        let position = self.heard.saturating_sub(self.config.interim_lag).min(utterance.end);
        let spoken = utterance.spoken_before + position.saturating_sub(utterance.start);
        let said = plan.said(spoken);
        if self.options.interim_results && said > utterance.shown {
            utterance.shown = said;
            let words = plan.spread(utterance.frozen..said, utterance.frozen_end, position);
            self.report(words, false, false, false);
        }
        let since_final = self.utterance.as_ref().map(|u| u.end.saturating_sub(u.frozen_end));
        let is_cued = self.lines.is_prompted();
        if !is_cued && since_final.is_some_and(|since| since >= LONGEST_SEGMENT) {
            self.conclude(Reason::Long);
        }
    }

    /// Makes the words spoken so far final.
    fn conclude(&mut self, reason: Reason) {
        let is_finalize = reason == Reason::Finalize;
        let Some(mut utterance) = self.utterance.take() else {
            return self.report(Vec::new(), true, is_finalize, is_finalize);
        };
        let has_ended = match reason {
            Reason::Endpoint | Reason::Close => true,
            Reason::Finalize => self.heard - utterance.end >= ENDED,
            Reason::Long => false,
        };
        let speech_final = match reason {
            // Whether a cue's words end the turn is for the client to find out.
            _ if self.lines.is_prompted() => false,
            Reason::Endpoint => self.options.endpointing.is_some(),
            Reason::Finalize => has_ended,
            Reason::Close | Reason::Long => false,
        };
        utterance.choose_line(&self.lines, has_ended);
        let plan = utterance.plan.clone().filter(|(_, plan)| !utterance.spent && utterance.is_long_enough(plan));
        let Some((id, plan)) = plan else {
            // The voice goes on without a word that could be final: only a client that asks is told so.
            if reason != Reason::Long {
                self.report(Vec::new(), true, speech_final, is_finalize);
            }
            if !has_ended {
                utterance.frozen_end = utterance.end;
                self.utterance = Some(utterance);
            }
            return;
        };
        let spoken = utterance.spoken_before + (utterance.end - utterance.start);
        let said = match reason {
            _ if has_ended && !plan.is_pause(spoken) => plan.len(),
            // The last word waits for the end of the voice.
            Reason::Long => plan.said(spoken).min(plan.len().saturating_sub(1)),
            _ => plan.said_by_end(spoken),
        };
        let said = said.max(utterance.frozen);
        let words = plan.spread(utterance.frozen..said, utterance.frozen_end, utterance.end);
        self.last_word_end = words.last().map(|word| word.end).or(self.last_word_end);
        self.report(words, true, speech_final, is_finalize);
        if said == plan.len() {
            self.lines.take(id);
            utterance.spent = true;
        } else if has_ended {
            self.pause = Some(Pause { plan: (id, plan), frozen: said, spoken, since: utterance.end });
        }
        if !has_ended {
            (utterance.frozen, utterance.shown, utterance.frozen_end) = (said, said, utterance.end);
            self.utterance = Some(utterance);
        }
    }

    fn report(&mut self, words: Vec<Word>, is_final: bool, speech_final: bool, from_finalize: bool) {
        let (start, duration) = (self.covered, self.heard.saturating_sub(self.covered));
        if is_final {
            self.covered = self.heard;
        }
        let results = Results { words, start, duration, is_final, speech_final, from_finalize };
        self.reports.push_back(Report::Results(results));
    }
}

impl Utterance {
    /// Settles on the line this is, or may become while the voice goes on, unless words of one are final already.
    fn choose_line(&mut self, lines: &Lines, has_ended: bool) {
        // A cue is known from the first; another one is another sound.
        if self.is_fixed() || self.spent || self.cued().is_some() {
            return;
        }
        let voice = self.end - self.start;
        let id = if has_ended { lines.fit(voice) } else { lines.may_become(voice) };
        if id != self.plan.as_ref().map(|(id, _)| *id) {
            self.plan = id.map(|id| (id, lines.plan(id)));
            self.shown = 0;
        }
    }

    /// When its final comes and how long its sound is, when its line was told as it was said.
    fn cued(&self) -> Option<(Option<Duration>, Duration)> {
        self.plan.as_ref().and_then(|(_, plan)| plan.cued())
    }

    /// Whether its sound was over before `heard`, though there is a voice still.
    fn is_past_cue(&self, heard: Duration) -> bool {
        self.cued().is_some_and(|(_, lasts)| heard.saturating_sub(self.start) + self.spoken_before > lasts)
    }

    /// Whether some of its line's words are final.
    fn is_fixed(&self) -> bool {
        self.frozen > 0 || self.spoken_before > Duration::ZERO
    }

    /// Whether it may be the line of `plan` by its length so far.
    fn is_long_enough(&self, plan: &WordPlan) -> bool {
        self.is_fixed() || plan.holds(self.end - self.start)
    }
}

/// What is judged at once.
const FRAME: Duration = Duration::from_millis(10);
/// Voiced frames that begin an utterance: a click has fewer.
const ONSET_FRAMES: u32 = 3;
/// The next packet of a client that sends in real time is not further away.
const PACKET: Duration = Duration::from_millis(40);
/// After this much silence a `Finalize` finds the voice ended.
const ENDED: Duration = Duration::from_millis(60);
/// Sound before the first voiced frame that its results cover too.
const LEAD: Duration = Duration::from_millis(300);
/// A caller who pauses longer has given up the sentence.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// A voice that goes on longer gets a final without `speech_final`.
const LONGEST_SEGMENT: Duration = Duration::from_secs(5);

#[cfg(test)]
#[path = "recogniser_tests.rs"]
mod tests;
