"""Headers with more separators than their rows."""

from sensorml.recordings import read


def test_two_tabs_between_two_names_shift_no_name(tmp_path):
    path = tmp_path / "imu.txt"
    rows = "".join(f"a\t{i / 100:.2f}\t{i % 7}\t{i % 5}\n" for i in range(100))
    path.write_text(f"address\tTime(s)\t\tax(g)\tay(g)\n{rows}")
    recording = read(path)
    assert recording.channels == ("ax", "ay")
    assert recording.samples[:6].tolist() == [[i % 7, i % 5] for i in range(6)]
