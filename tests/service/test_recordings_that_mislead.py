"""Recordings that a reader can take for something else, trained and scored.

At 100 Hz with a tone of 13 Hz; the fault is the same, ten times as strong. Each is
either understood, and then every window of the fault is an anomaly, or it is refused
with the channel or the rows named.
"""

import json

import numpy as np
import pytest
from processes import sensorml

from sensorml.pipeline import model_files

RATE_HZ = 100
ROWS = 30_000
EPOCH_MS = 1_767_225_600_000


def tone(amplitude, seed):
    t_s = np.arange(ROWS) / RATE_HZ
    noise = np.random.default_rng(seed).normal(0, 0.05, ROWS)
    return amplitude * (np.sin(2 * np.pi * 13 * t_s) + noise)


def table(path, header, *columns, separator=",", decimal="."):
    lines = [header, *map(separator.join, zip(*columns, strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


def texts(values, form, decimal="."):
    return [(form % value).replace(".", decimal) for value in values]


STEPS = np.arange(ROWS)
TIMES_S = texts(STEPS / RATE_HZ, "%.2f")


def temperature(seed):
    noise = np.random.default_rng(seed).normal(0, 0.002, ROWS)
    return np.round(21 + 0.5 * np.sin(STEPS / 6000) + noise, 1)


def pair(folder, write):
    """Write a healthy recording and one of the fault."""
    return [
        write(folder / f"{name}.csv", tone(amplitude, seed), seed)
        for seed, (name, amplitude) in enumerate({"healthy": 1, "fault": 10}.items())
    ]


def train(folder, healthy, *options):
    return sensorml("train", "--normal", healthy, "--out", folder / "model", *options)


def assert_every_window_of_the_fault_is_an_anomaly(folder, fault, *options):
    reply = sensorml("score", "--model", folder / "model", fault, "--json", *options)
    assert reply.returncode == 0, reply.stderr
    [file] = json.loads(reply.stdout)["files"]
    assert file["windows"] > 100
    assert file["anomalies"] == file["windows"]
    assert file["state"] == "anomaly"


def test_milliseconds_since_1970_are_the_time(tmp_path):
    def write(path, x, _seed):
        return table(
            path, "epoch_ms,x", texts(EPOCH_MS + STEPS * 10, "%d"), texts(x, "%.5f")
        )

    healthy, fault = pair(tmp_path, write)
    reply = train(tmp_path, healthy, "--rate", "100")
    assert reply.returncode == 0, reply.stderr
    assert model_files.load(tmp_path / "model").input.channels == ("x",)
    assert_every_window_of_the_fault_is_an_anomaly(tmp_path, fault, "--rate", "100")


def test_a_temperature_in_coarse_steps_is_refused_by_name(tmp_path):
    def write(path, x, seed):
        stepped = texts(temperature(seed), "%.1f")
        return table(path, "t,x,temp", TIMES_S, texts(x, "%.5f"), stepped)

    healthy, fault = pair(tmp_path, write)
    reply = train(tmp_path, healthy)
    assert reply.returncode == 1
    assert "healthy.csv: channel 'temp' is in steps of 0.1" in reply.stderr
    assert not (tmp_path / "model").exists()
    reply = train(tmp_path, healthy, "--channels", "x")
    assert reply.returncode == 0, reply.stderr
    assert_every_window_of_the_fault_is_an_anomaly(tmp_path, fault)


def test_half_a_recording_dead_is_refused_with_its_rows(tmp_path):
    def write(path, x, seed):
        if seed == 0:
            x[ROWS // 2 :] = 0.0
        return table(path, "t,x", TIMES_S, texts(x, "%.5f"))

    healthy, fault = pair(tmp_path, write)
    reply = train(tmp_path, healthy)
    assert reply.returncode == 1
    assert "channel 'x' is frozen at 0 in rows 15001 to 30000, 50 %" in reply.stderr
    reply = train(tmp_path, healthy, "--force")
    assert reply.returncode == 0, reply.stderr
    card = model_files.load(tmp_path / "model")
    [forced] = card.provenance.forced
    assert forced.startswith("healthy.csv: channel 'x' is frozen at 0 in rows 15001")
    assert_every_window_of_the_fault_is_an_anomaly(tmp_path, fault)
    rows = sensorml("score", "--model", tmp_path / "model", healthy).stdout.splitlines()
    assert {row.split(",")[7] for row in rows[65:]} == {"unknown"}


def test_half_a_recording_of_noise_is_refused_with_its_rows(tmp_path):
    def write(path, x, seed):
        if seed == 0:
            noise = np.random.default_rng(9).normal(0, 0.0005, ROWS // 2)
            x[ROWS // 2 :] = 0.25 + noise
        return table(path, "t,x", TIMES_S, texts(x, "%.5f"))

    healthy, _ = pair(tmp_path, write)
    reply = train(tmp_path, healthy)
    assert reply.returncode == 1
    assert "channel 'x' has nearly no signal in rows 15041 to 30000" in reply.stderr
    assert not (tmp_path / "model").exists()


def test_milliseconds_from_zero_are_the_time(tmp_path):
    def write(path, x, _seed):
        return table(path, "timestamp,x", texts(STEPS * 10, "%d"), texts(x, "%.5f"))

    healthy, fault = pair(tmp_path, write)
    reply = train(tmp_path, healthy, "--rate", "100")
    assert reply.returncode == 0, reply.stderr
    card = model_files.load(tmp_path / "model")
    assert card.input.rate_hz == pytest.approx(100)
    assert card.input.channels == ("x",)
    assert_every_window_of_the_fault_is_an_anomaly(tmp_path, fault, "--rate", "100")


def test_decimal_commas_are_numbers_in_every_column(tmp_path):
    def write(path, x, seed):
        rpm = 1480 + 5 * np.random.default_rng(seed + 7).normal(size=ROWS)
        columns = (
            texts(STEPS * 10, "%d"),
            texts(x / 100, "%.4f", ","),
            texts(rpm, "%.1f", ","),
        )
        return table(path, "timestamp;x;rpm", *columns, separator=";")

    healthy, fault = pair(tmp_path, write)
    reply = train(tmp_path, healthy, "--rate", "100")
    assert reply.returncode == 0, reply.stderr
    assert model_files.load(tmp_path / "model").input.channels == ("x", "rpm")
    assert_every_window_of_the_fault_is_an_anomaly(tmp_path, fault, "--rate", "100")


def test_temperature_and_humidity_without_times_are_two_channels(tmp_path):
    def write(path, x, seed):
        slow = 1 if seed == 0 else 10
        t = slow * temperature(seed)[:6000]
        rh = slow * (45 + 5 * np.sin(STEPS[:6000] / 500) + 0.2 * x[:6000])
        return table(path, "T,RH", texts(t, "%.1f"), texts(rh, "%.1f"))

    healthy, fault = pair(tmp_path, write)
    reply = train(tmp_path, healthy, "--rate", "1")
    assert reply.returncode == 0, reply.stderr
    assert model_files.load(tmp_path / "model").input.channels == ("T", "RH")
    assert_every_window_of_the_fault_is_an_anomaly(tmp_path, fault, "--rate", "1")
