"""A tree of files as a kernel shows them, with a USB stick or a PCIe card."""

from pathlib import Path

READ = [
    "proc/device-tree/compatible",
    "proc/device-tree/model",
    "proc/cpuinfo",
    "proc/meminfo",
    "proc/self/smaps",
    "proc/sys/kernel/arch",
    "etc/os-release",
    "sys/devices/system/cpu/online",
    "sys/devices/platform/soc/soc:firmware/get_throttled",
    "sys/bus/usb/devices/1-1/idVendor",
    "sys/bus/usb/devices/1-1/speed",
    "sys/bus/pci/devices/0000:00:00.0/vendor",
    "sys/bus/pci/devices/0000:01:00.0/current_link_speed",
    "sys/bus/pci/devices/0000:01:00.0/current_link_width",
    "sys/class/apex/apex_0/temp",
    "sys/class/thermal/thermal_zone0/temp",
    "sys/class/gpio/gpiochip512/label",
    "sys/bus/i2c/devices/i2c-1/name",
    "etc/ld.so.conf.d/x.conf",
]


def write(root: Path, path: str, content: str | bytes) -> Path:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    data = content if isinstance(content, bytes) else content.encode()
    place.write_bytes(data)
    return place


def stick(root: Path, *, speed: str = "5000") -> None:
    at = "sys/bus/usb/devices/2-1"
    values = {"idVendor": "18D1", "idProduct": "9302", "busnum": "2", "devnum": "3"}
    for name, value in {**values, "speed": speed}.items():
        write(root, f"{at}/{name}", value + "\n")


def card(root: Path, *, speed: str = "5.0 GT/s PCIe", width: str = "1") -> None:
    at = "sys/bus/pci/devices/0000:01:00.0"
    link = {"current_link_speed": speed, "current_link_width": width}
    for name, value in {"vendor": "0x1ac1", "device": "0x089a", **link}.items():
        write(root, f"{at}/{name}", value + "\n")
