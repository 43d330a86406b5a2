"""The self-test of an accelerometer: how it is judged, limits, `probe --self-test`."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import owner

from sensorml.acquisition.self_test import STILL_G, judge, run, trimmed_g
from sensorml.buses.i2c import I2cConnection
from sensorml.commands.probe import command as probe
from sensorml.commands.probe import self_test as selftest
from sensorml.commands.probe.i2c_scan import Answer, Sensors
from sensorml.drivers import adxl355, mpu6050
from sensorml.errors import BusError, SensorError
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import adxl345 as sim_adxl345
from sensorml.sim.chips import adxl355 as sim_adxl355
from sensorml.sim.chips import mpu6050 as sim_mpu6050
from sensorml.sim.chips import mpu6500 as sim_mpu6500
from sensorml.sim.machine import Machine, MachineOptions

ROOTS = Path(__file__).parents[2] / "rootfs"
LIMITS = ((0.2, 0.6), (-0.6, -0.2), (0.2, 0.6))
LEVEL = np.array([[0.0, 0.0, 1.0]] * 8, np.float32)
RIGHT = np.array((0.4, -0.4, 0.4), np.float32)


class Clock:
    def __init__(self):
        self.now = 10**12

    def __call__(self):
        self.now += 5_000
        return self.now

    def wait(self, seconds):
        self.now += round(seconds * 1e9)


class Bench:
    """Chips on one simulated bus, and what is on none."""

    def __init__(self, machine=None):
        self.clock = Clock()
        self.machine = Machine(machine or MachineOptions(harmonics=()))
        self.bus = SimBus({})

    def add(self, address, module, **options):
        chip = module.Chip(self.machine, self.clock, **options)
        self.bus.chips[address] = chip
        return chip

    def connect(self, options, chip):
        return I2cConnection(self.bus, options, chip)

    def run(self, *answers):
        sensors = [Sensors(1, tuple(Answer(*each) for each in answers))]
        return list(selftest.run(sensors, self.connect, self.clock.wait))


def test_a_change_within_its_limits_passes():
    result = judge(LEVEL, LEVEL + RIGHT, LIMITS)
    assert result.verdict == "passed"
    assert [round(each.change_g, 2) for each in result.axes] == [0.4, -0.4, 0.4]
    assert result.why == ""


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ((0.1, -0.4, 0.4), "x outside"),
        ((0.4, -0.4, 0.7), "z outside"),
        ((0.4, 0.4, 0.4), "y outside"),
        ((0.0, 0.0, 0.4), "x and y outside"),
    ],
)
def test_a_change_outside_its_limits_fails_and_names_the_axes(change, wrong):
    result = judge(LEVEL, LEVEL + np.float32(change), LIMITS)
    assert result.verdict == "failed"
    assert result.why.startswith(wrong)
    assert "replace it" in result.why


def test_where_the_sign_does_not_count_a_push_the_other_way_passes():
    limits = ((0.2, 0.6),) * 3
    assert judge(LEVEL, LEVEL - RIGHT, limits, "any").verdict == "passed"
    assert judge(LEVEL, LEVEL - RIGHT, limits).verdict == "failed"


@pytest.mark.parametrize("moving", ["still", "pushed"])
def test_what_moves_in_either_half_is_undecided_however_large_the_change(moving):
    shake = np.zeros_like(LEVEL)
    shake[::2, 1] = 4 * STILL_G
    still, pushed = LEVEL, LEVEL + RIGHT
    if moving == "still":
        still = still + shake
    else:
        pushed = pushed + shake
    result = judge(still, pushed, LIMITS)
    assert result.verdict == "undecided"
    assert result.why.startswith("y moves by 0.10 g")


def test_the_push_ends_also_when_the_chip_stops_answering():
    done = []

    def read():
        if "push" in done:
            raise BusError("gone")
        return LEVEL[:1]

    with pytest.raises(BusError):
        run(
            read,
            lambda: done.append("push"),
            lambda: done.append("rest"),
            pause=lambda seconds: None,
            limits=LIMITS,
        )
    assert done == ["push", "rest"]


@pytest.mark.parametrize("vibration_hz", [50.0, 99.9, 100.0, 200.0])
def test_a_vibration_at_the_rate_of_the_rows_does_not_stand_still(vibration_hz):
    now_s = 0.0

    def pause(seconds):
        nonlocal now_s
        now_s += seconds

    def read():
        z = 1 + 0.3 * np.sin(2 * np.pi * vibration_hz * now_s)
        return np.array([[0, 0, z]], np.float32)

    result = run(read, lambda: None, lambda: None, pause=pause, limits=LIMITS)
    assert result.verdict == "undecided"
    assert now_s < 1


@given(st.binary(min_size=3, max_size=3))
def test_limits_from_any_trim_are_in_order_and_within_reason(codes):
    for least, most in trimmed_g(codes):
        assert 0.07 < least < most < 3.1
        assert most == pytest.approx(3 * least)


def test_the_trim_is_that_of_the_makers_own_table():
    # Icm20948SelfTest.c, sSelfTestEquation: entries 1, 9, 100 and 255.
    for code, counts in ((1, 2620), (9, 2837), (100, 7016), (255, 32804)):
        least, most = trimmed_g(bytes((code,)))[0]
        assert (least + most) / 2 * 16384 == pytest.approx(counts, abs=1.5)


@given(st.tuples(*[st.integers(0, 31)] * 3), st.binary(min_size=4, max_size=4))
def test_the_trim_codes_of_an_mpu6050_are_told_from_what_is_beside_them(codes, other):
    raw = bytearray(other)
    for axis, code in enumerate(codes):
        shift = 4 - 2 * axis
        raw[axis] = code >> 2 << 5 | raw[axis] & 0x1F
        raw[3] = raw[3] & ~(3 << shift) | (code & 3) << shift
    assert mpu6050.trim_codes(bytes(raw)) == codes


def test_an_mpu6050_that_is_off_its_trim_fails():
    bench = Bench()
    chip = bench.add(0x68, sim_mpu6050)
    chip.PUSH_G = (0.58, 0.58, 0.66 * 1.16)
    (tested,) = bench.run((0x68, "MPU6050"))
    assert tested.result.verdict == "failed"
    assert tested.result.why.startswith("z outside")


def test_an_mpu6050_without_factory_trim_is_undecided_and_sleeps():
    bench = Bench()
    chip = bench.add(0x68, sim_mpu6050)
    chip._registers[0x0D:0x11] = bytes(4)
    (tested,) = bench.run((0x68, "MPU6050"))
    assert tested.result.verdict == "undecided"
    assert "no factory trim" in str(tested)
    assert chip.asleep


def test_an_mpu6500_without_factory_trim_has_absolute_limits():
    bench = Bench()
    chip = bench.add(0x68, sim_mpu6500)
    chip._registers[0x0D:0x10] = bytes(3)
    (tested,) = bench.run((0x68, "MPU6500"))
    assert tested.result.verdict == "passed"
    assert {each.least_g for each in tested.result.axes} == {0.225}


@pytest.mark.parametrize(
    ("supply_v", "x_g", "z_g"), [(2.0, 0.13, 0.25), (2.5, 1.2, 1.9), (3.6, 4.4, 5.7)]
)
def test_an_adxl345_passes_at_every_voltage_it_may_have(
    monkeypatch, supply_v, x_g, z_g
):
    monkeypatch.setattr(sim_adxl345, "_PUSH_G", (x_g, -x_g, z_g))
    bench = Bench()
    bench.add(0x53, sim_adxl345)
    (tested,) = bench.run((0x53, "ADXL345 or ADXL343"))
    assert tested.result.verdict == "passed", f"{tested} at {supply_v} V"


def test_another_chip_of_the_family_of_the_adxl355_is_not_written_to():
    bench = Bench()
    chip = bench.add(0x1D, sim_adxl355, identity=0xE9)
    before = bytes(chip._registers)
    with pytest.raises(SensorError, match="no ADXL355"):
        adxl355.self_test(bench.connect(adxl355.Options(), "adxl355"), bench.clock.wait)
    assert bytes(chip._registers) == before


def test_all_sensors_that_have_one_are_tested_and_the_others_left_alone():
    bench = Bench()
    bench.add(0x53, sim_adxl345)
    bench.add(0x68, sim_mpu6050).self_test_fails = True
    tests = bench.run(
        (0x53, "ADXL345 or ADXL343"),
        (0x76, "BME280"),
        (0x18, "(held by a kernel driver)"),
        (0x68, "MPU6050"),
    )
    assert [each.result.verdict for each in tests] == ["passed", "failed"]
    assert selftest.failed(tests)
    assert not selftest.failed(tests[:1])
    assert str(tests[0]).startswith(
        "ADXL345 or ADXL343 at 0x53 on i2c-1: self-test passed (x +0.90 g of 0.12 to "
    )


def test_a_sensor_that_stops_answering_fails_in_one_sentence():
    bench = Bench()
    (tested,) = bench.run((0x53, "ADXL345 or ADXL343"))
    assert tested.result.verdict == "failed"
    assert str(tested).count("0x53") == 1
    assert "check the wiring" in str(tested)


def probed(*argv):
    parser = argparse.ArgumentParser()
    probe.add_arguments(parser)
    return probe.run(parser.parse_args(argv))


def found(monkeypatch, bench, *answers):
    sensors = [Sensors(1, tuple(Answer(*each) for each in answers))]
    monkeypatch.setattr(probe, "_sensors", lambda facts: iter(sensors))
    tests = bench.run(*answers)
    monkeypatch.setattr(selftest, "run", lambda sensors: iter(tests))


def test_probe_ends_with_1_when_a_self_test_fails(monkeypatch, capsys):
    bench = Bench()
    bench.add(0x53, sim_adxl345).self_test_fails = True
    found(monkeypatch, bench, (0x53, "ADXL345 or ADXL343"))
    assert probed("--self-test") == 1
    assert "on i2c-1: self-test failed (x " in capsys.readouterr().out
    assert probed() == 0
    assert "self-test" not in capsys.readouterr().out


def test_the_json_document_has_the_changes_and_their_limits(monkeypatch, capfd):
    bench = Bench()
    bench.add(0x53, sim_adxl345)
    found(monkeypatch, bench, (0x53, "ADXL345 or ADXL343"))
    assert probed("--self-test", "--json") == 0
    (told,) = json.loads(capfd.readouterr().out)["self_tests"]
    assert (told["bus"], told["address"]) == (1, 0x53)
    assert told["result"]["verdict"] == "passed"
    x = told["result"]["axes"][0]
    assert x["axis"] == "x"
    assert x["least_g"] < x["change_g"] < x["most_g"]


def test_a_captured_machine_has_no_sensor_to_test(capsys):
    assert probed("--self-test", "--root", str(ROOTS / "raspberry-pi-4b")) == 0
    assert "no accelerometer with a self-test answers" in capsys.readouterr().out


def test_a_chip_in_use_is_not_tested_and_that_is_no_failure():
    bench = Bench()
    bench.add(0x53, sim_adxl345)
    in_use = Answer(0x53, "(in use by process 7 (sensorml run box.toml))", in_use=True)
    (tested,) = selftest.run([Sensors(1, (in_use,))], bench.connect, bench.clock.wait)
    assert bench.bus.transfers == 0
    assert not selftest.failed([tested])
    assert "in use by process 7 (sensorml run box.toml)" in str(tested)


def test_a_chip_that_comes_into_use_after_the_scan_is_not_tested():
    bench = Bench()
    bench.add(0x53, sim_adxl345)
    with owner("address 0x53 on i2c-1", "run", "box.toml"):
        (tested,) = bench.run((0x53, "ADXL345 or ADXL343"))
    assert bench.bus.transfers == 0
    assert tested.result.verdict == "undecided"
    assert "(sensorml run box.toml)" in tested.result.why
