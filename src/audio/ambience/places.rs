//! What is to be heard in each place, as loud as one part is to another.

use std::f32::consts::TAU;

use super::canvas::{Canvas, Filter, Random, burst, hill};
use super::talker::talk;

pub(super) fn office(canvas: &mut Canvas) {
    let mut random = Random(0x0FF1CE);
    // Air conditioning, and what is left of two voices behind a wall.
    canvas.noise(1, 0.55, &[Filter::Low(350.0), Filter::Low(500.0)], |_| 1.0);
    canvas.noise(2, 0.22, &[Filter::High(300.0), Filter::Low(1_400.0)], |_| 1.0);
    canvas.hum(120.0, 0.08);
    canvas.hum(240.0, 0.05);
    talk(canvas, 3, 0.3);
    talk(canvas, 4, 0.25);
    let mut at = 0.8;
    while at < canvas.length() - 2.5 {
        for _ in 0..random.between(5.0, 15.0) as usize {
            key_stroke(canvas, &mut random, at);
            at += random.between(0.11, 0.27);
        }
        at += random.between(1.2, 3.2);
    }
    for at in [6.3, 17.1] {
        paper(canvas, &mut random, at);
    }
}

pub(super) fn coffee_shop(canvas: &mut Canvas) {
    let mut random = Random(0xC0FFEE);
    canvas.noise(11, 0.4, &[Filter::Low(700.0), Filter::High(120.0)], |_| 1.0);
    for talker in 0..7 {
        talk(canvas, 0xCAFE + talker, 0.36);
    }
    for _ in 0..10 {
        let at = random.between(0.0, canvas.length());
        for _ in 0..random.between(1.0, 3.9) as usize {
            clink(canvas, &mut random, at);
        }
    }
    // The steam wand: it comes at once and goes slowly.
    let (hz, seconds) = (canvas.hz(), 2.4);
    let steam = burst(12, (hz * seconds) as usize, hz, &[Filter::High(1_600.0), Filter::High(1_200.0)]);
    let shaped = steam.into_iter().enumerate().map(|(n, value)| {
        let second = n as f32 / hz;
        value * 1.1 * (second / 0.2).min(1.0) * ((seconds - second) / 0.7).clamp(0.0, 1.0)
    });
    canvas.add(14.0, shaped);
}

pub(super) fn outdoor(canvas: &mut Canvas) {
    let mut random = Random(0x5EED);
    // Gusts: a few slow waves over one another, each of which fits into the loop.
    let gust = |along: f32| {
        let wave = |turns: f32, shift: f32| (TAU * (turns * along + shift)).sin();
        0.75 + 0.2 * wave(3.0, 0.1) + 0.13 * wave(5.0, 0.4) + 0.08 * wave(11.0, 0.7)
    };
    canvas.noise(21, 0.75, &[Filter::Low(420.0), Filter::Low(900.0)], gust);
    canvas.noise(22, 0.22, &[Filter::High(1_400.0), Filter::Low(3_200.0)], |along| gust(along).powi(2));
    canvas.noise(23, 0.25, &[Filter::Low(900.0), Filter::High(150.0)], |_| 1.0);
    // Two cars, far away.
    let hz = canvas.hz();
    for (seed, at, seconds) in [(24, 3.0, 6.0), (25, 14.5, 7.0)] {
        let samples = (hz * seconds) as usize;
        let car = burst(seed, samples, hz, &[Filter::Low(800.0), Filter::High(100.0)]);
        canvas.add(
            at,
            car.into_iter().enumerate().map(|(n, value)| 1.6 * value * hill(n as f32 / samples as f32).powi(2)),
        );
    }
    for _ in 0..7 {
        let mut at = random.between(0.0, canvas.length());
        let (high, fall) = (random.between(2_500.0, 3_200.0), random.between(-700.0, 500.0));
        for _ in 0..random.between(2.0, 5.9) as usize {
            chirp(canvas, &mut random, at, high, fall);
            at += random.between(0.14, 0.26);
        }
    }
}

/// A key of a keyboard goes down, and comes up again.
fn key_stroke(canvas: &mut Canvas, random: &mut Random, at: f32) {
    let released = at + random.between(0.06, 0.11);
    for (at, strength) in [(at, random.between(2.6, 4.2)), (released, random.between(1.0, 1.8))] {
        let (hz, centre) = (canvas.hz(), random.between(1_900.0, 2_900.0));
        let click = burst(random.between(0.0, 1e6) as u64, (hz * 0.02) as usize, hz, &[Filter::Band(centre, 1_400.0)]);
        let body = random.between(240.0, 330.0);
        let sound = click.into_iter().enumerate().map(|(n, value)| {
            let second = n as f32 / hz;
            let thump = 0.35 * (TAU * body * second).sin() * (-second / 0.008).exp();
            strength * (3.0 * value * (-second / 0.0035).exp() + thump) * (second / 0.001).min(1.0)
        });
        canvas.add(at, sound);
    }
}

/// A sheet is turned.
fn paper(canvas: &mut Canvas, random: &mut Random, at: f32) {
    let hz = canvas.hz();
    let samples = (hz * 0.55) as usize;
    let rustle = burst(random.between(0.0, 1e6) as u64, samples, hz, &[Filter::High(1_300.0)]);
    let (first, second) = (random.between(9.0, 13.0), random.between(17.0, 23.0));
    let sound = rustle.into_iter().enumerate().map(|(n, value)| {
        let along = n as f32 / samples as f32;
        let crumple = 0.5 + 0.5 * (TAU * first * along).sin() * (TAU * second * along).cos();
        1.1 * value * hill(along) * crumple
    });
    canvas.add(at, sound);
}

/// A spoon against a cup: partials that have nothing to do with each other, dying away.
fn clink(canvas: &mut Canvas, random: &mut Random, at: f32) {
    let hz = canvas.hz();
    let at = at + random.between(0.0, 0.3);
    let base = random.between(1_700.0, 2_100.0);
    let strength = random.between(0.7, 1.5);
    let partials = [(1.0, 0.09, 1.0), (1.43, 0.06, 0.7), (1.62, 0.04, 0.5)];
    let sound = (0..(hz * 0.35) as usize).map(|n| {
        let second = n as f32 / hz;
        let ring = |(ratio, decay, gain): (f32, f32, f32)| {
            gain * (TAU * base * ratio * second).sin() * (-second / decay).exp()
        };
        strength * partials.into_iter().map(ring).sum::<f32>() * (second / 0.001).min(1.0)
    });
    canvas.add(at, sound.collect::<Vec<_>>());
}

/// One note of a bird: a tone that slides.
fn chirp(canvas: &mut Canvas, random: &mut Random, at: f32, high: f32, fall: f32) {
    let hz = canvas.hz();
    let samples = (hz * random.between(0.06, 0.13)) as usize;
    let strength = random.between(0.7, 1.3);
    let mut phase = 0.0f32;
    let sound = (0..samples).map(|n| {
        let along = n as f32 / samples as f32;
        phase = (phase + (high - fall * along) / hz).fract();
        strength * hill(along).powi(2) * (TAU * phase).sin()
    });
    canvas.add(at, sound.collect::<Vec<_>>());
}
