//! The lines the agent says that are not the model's, in the language of the conversation.

use super::DialogueSpec;
use super::language::{Language, Lines};

impl DialogueSpec {
    /// The same spec with every line that was left at its default put into the spec's [`language`](Self::language).
    ///
    /// English, German, Spanish, French, Italian, Dutch and Portuguese are known; others keep the English lines. What the
    /// kept sound says ([`last_resort`](Self::last_resort)) stays: the sound is a recording.
    #[must_use]
    pub fn in_its_language(mut self) -> Self {
        let (english, own) = (Self::default(), &Language::of(&self.language).lines);
        let put = |line: &mut String, default: &str, own: &str| {
            if line == default {
                own.clone_into(line);
            }
        };
        let Lines {
            apology,
            repeat_request,
            idle_prompt,
            goodbye,
            filler,
            transfer_failed,
            transfer_wait,
            handing_over,
            welcome_back,
            duration_warning,
            cut_in,
            backchannels,
        } = own;
        put(&mut self.apology, &english.apology, apology);
        put(&mut self.repeat_request, &english.repeat_request, repeat_request);
        put(&mut self.idle_prompt, &english.idle_prompt, idle_prompt);
        put(&mut self.goodbye, &english.goodbye, goodbye);
        put(&mut self.filler, &english.filler, filler);
        put(&mut self.transfer_failed, &english.transfer_failed, transfer_failed);
        put(&mut self.transfer_wait, &english.transfer_wait, transfer_wait);
        put(&mut self.handing_over, &english.handing_over, handing_over);
        put(&mut self.welcome_back, &english.welcome_back, welcome_back);
        put(&mut self.duration_warning, &english.duration_warning, duration_warning);
        put(&mut self.cut_in, &english.cut_in, cut_in);
        if self.backchannels == english.backchannels {
            self.backchannels = backchannels.map(str::to_owned).into();
        }
        self
    }
}

impl DialogueSpec {
    /// The lines that are said as they stand here: what is spoken that no model wrote.
    pub fn fixed_lines(&self) -> Vec<String> {
        let lines = [
            &self.begin_message,
            &self.apology,
            &self.repeat_request,
            &self.idle_prompt,
            &self.goodbye,
            &self.filler,
            &self.transfer_failed,
            &self.transfer_wait,
            &self.handing_over,
            &self.welcome_back,
            &self.duration_warning,
            &self.cut_in,
        ];
        let all = lines.into_iter().chain(&self.voicemail_message).chain(&self.backchannels);
        all.filter(|line| !line.trim().is_empty()).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(language: &str) -> DialogueSpec {
        DialogueSpec { language: language.into(), ..DialogueSpec::default() }
    }

    #[test]
    fn lines_left_alone_are_said_in_the_callers_language() {
        let german = DialogueSpec { goodbye: "Tschüs!".into(), ..spec("de-AT") }.in_its_language();
        assert_eq!(german.idle_prompt, "Sind Sie noch da?");
        assert_eq!(german.goodbye, "Tschüs!");
        assert_eq!(german.backchannels, ["mhm", "aha", "ja"]);
        assert_eq!(german.clone().in_its_language(), german, "once is enough");
        for (known, as_it_was) in [("en-GB", true), ("pl", true), ("fr", false), ("es", false), ("it", false)] {
            assert_eq!(spec(known).in_its_language() == spec(known), as_it_was, "{known}");
        }
    }

    #[test]
    fn no_line_of_a_known_language_is_english_or_empty() {
        let english = &Language::of("en").lines;
        for tag in ["de", "es", "fr", "it", "nl", "pt"] {
            let (own, spec) = (&Language::of(tag).lines, spec(tag).in_its_language());
            for (own, english) in [
                (own.apology, english.apology),
                (own.repeat_request, english.repeat_request),
                (own.idle_prompt, english.idle_prompt),
                (own.goodbye, english.goodbye),
                (own.filler, english.filler),
                (own.transfer_failed, english.transfer_failed),
                (own.transfer_wait, english.transfer_wait),
                (own.handing_over, english.handing_over),
                (own.welcome_back, english.welcome_back),
                (own.duration_warning, english.duration_warning),
                (own.cut_in, english.cut_in),
            ] {
                assert!(own != english && own.ends_with(['.', '?']), "{tag}: {own:?}");
            }
            assert_eq!((spec.apology.as_str(), spec.filler.as_str()), (own.apology, own.filler));
        }
    }
}
