#!/usr/bin/env python3
# interop: slow
# apt: asterisk-core-sounds-es-wav asterisk-core-sounds-fr-wav asterisk-core-sounds-it-wav
# limit: 900
"""Voices of people, as the voice detector finds them: the prompts of a PBX in three languages, clean and in noise.

Calls are made of the prompts (pauses between them, one level), labelled by the energy of the clean sound as the fixtures are,
then white noise or six other voices are laid under them. F1 must be within 0.03 of that of the fixtures in the same noise.
"""

import array
import math
import os
import random
import subprocess
import wave
from pathlib import Path

from proof import Proof

proof = Proof()
SOUNDS = Path("/usr/share/asterisk/sounds")
LANGUAGES = ("es", "fr", "it")
RATE, FRAME = 8000, 80
SECONDS = 90
CONDITIONS = {"clean": "talk", "white-10db": "talk-white-10db", "babble-10db": "talk-babble-10db", "babble-5db": "talk-babble-5db"}
ALLOWED = 0.03


def read(path):
    with wave.open(str(path)) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
            return array.array("h")
        return array.array("h", file.readframes(file.getnframes()))


def write(path, sound):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(array.array("h", (max(-32768, min(32767, round(value))) for value in sound)).tobytes())


def rms(values):
    return math.sqrt(sum(value * value for value in values) / max(1, len(values)))


def frames(sound):
    return [rms(sound[at : at + FRAME]) for at in range(0, len(sound) - FRAME + 1, FRAME)]


def voiced(sound):
    """Which frames of a clean prompt are voiced, by the rule of fixtures/audio/README.md."""
    levels = frames(sound)
    flags = [level > max(levels) / 100 and level > 3 for level in levels]
    return without(without(flags, False, 12, inner=True), True, 2, inner=False)


def without(flags, value, longest, inner):
    """Turns over the runs of a value that are no longer than this; with `inner` not those at the ends."""
    kept, begin = list(flags), 0
    for n in range(1, len(flags) + 1):
        if n == len(flags) or flags[n] != flags[begin]:
            if flags[begin] == value and n - begin <= longest and not (inner and (begin == 0 or n == len(flags))):
                kept[begin:n] = [not value] * (n - begin)
            begin = n
    return kept


def at_level(sound, flags, dbfs):
    spoken = [value for n, value in enumerate(sound) if flags[min(n // FRAME, len(flags) - 1)]]
    gain = 32768 * 10 ** (dbfs / 20) / max(1.0, rms(spoken))
    return [value * gain for value in sound]


def prompts(language):
    found = sorted(path for folder in SOUNDS.glob(f"{language}_*") for path in folder.rglob("*.wav"))
    random.Random(language).shuffle(found)
    for path in found:
        sound = read(path)
        if 0.6 * RATE <= len(sound) <= 8 * RATE:
            yield sound[: len(sound) // FRAME * FRAME]


def call(language):
    """A speaker's half of a call: sound and which of its frames are voiced."""
    pauses = random.Random("pauses" + language)
    sound, flags = [], []
    for prompt in prompts(language):
        speaks = voiced(prompt)
        pause = pauses.randrange(30, 180)
        sound += [0.0] * pause * FRAME + at_level(prompt, speaks, -20)
        flags += [False] * pause + speaks
        if len(flags) >= SECONDS * 100:
            break
    return sound, flags


def babble(language, length):
    """Six of the other languages' voices at once, without pauses."""
    mixed = [0.0] * length
    others = [prompt for other in LANGUAGES if other != language for _, prompt in zip(range(120), prompts(other))]
    chance = random.Random("babble" + language)
    for _ in range(6):
        at = 0
        while at < length:
            prompt = chance.choice(others)
            piece = at_level(prompt, voiced(prompt), -20)[: length - at]
            for n, value in enumerate(piece):
                mixed[at + n] += value
            at += len(piece)
    return mixed


def under(sound, noise, decibels):
    """The noise at so many decibels below a voice at −20 dBFS."""
    gain = 32768 * 10 ** ((-20 - decibels) / 20) / rms(noise)
    return [value + gain * more for value, more in zip(sound, noise)]


def labels(flags):
    begin, lines = 0, []
    for n in range(1, len(flags) + 1):
        if n == len(flags) or flags[n] != flags[begin]:
            lines.append(f"{begin * 10} {n * 10} {int(flags[begin])}")
            begin = n
    return "\n".join(lines) + "\n"


def table(*directory):
    command = ["cargo", "bench", "--quiet", "--profile", "dev", "--bench", "vad", "--", *directory]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    print(out)
    rows = (line.split() for line in out.splitlines())
    return {row[0]: float(row[2]) for row in rows if len(row) > 3 and row[1] == "agentphone"}


there = Path(os.environ["INTEROP_TMP"])
for language in LANGUAGES:
    sound, flags = call(language)
    chance = random.Random("white" + language)
    white = [chance.gauss(0, 1) for _ in sound]
    crowd = babble(language, len(sound))
    for name, mixed in {
        "clean": sound,
        "white-10db": under(sound, white, 10),
        "babble-10db": under(sound, crowd, 10),
        "babble-5db": under(sound, crowd, 5),
    }.items():
        write(there / f"{language}-{name}.wav", mixed)
        (there / f"{language}-{name}.txt").write_text(labels(flags))

fixtures, people = table(), table(str(there))
for language in LANGUAGES:
    for condition, fixture in CONDITIONS.items():

        @proof.check(f"{language} {condition}")
        def _():
            found, wanted = people[f"{language}-{condition}"], fixtures[fixture] - ALLOWED
            assert found >= wanted, f"F1 {found}, expected at least {wanted:.3f}"


proof.end()
