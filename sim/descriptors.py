"""Device descriptors (TLV) at 0x1A00: who the device is, its calibration, a random number.

In: a device and the seed of its machine. Out: 256 read-only bytes with a valid checksum. The layout is the table
"Device Descriptors" of the data sheets SLASE54 and SLAS704, recalled; tags as in SLAU367P table 1-5.
Assumption ``tlv-ideal``: calibration values are those of an ideal part, hardware and firmware revisions are 10h; the
checksum covers 0x1A04-0x1AFF from FFFFh, as CRCDIRB computes it. Not the same from part to part in silicon and here by
the seed: die record and random number.
"""

from __future__ import annotations

import binascii
import hashlib
import struct

from .device import Device

#: address of the descriptors
TLV = 0x1A00
_SIZE = 256
_REVISION = 0x10
_DIE_RECORD, _ADC_CALIBRATION, _REF_CALIBRATION, _RANDOM = 0x08, 0x11, 0x12, 0x15
_UNITY = 0x8000  # a factor of 1 in Q15
#: what the temperature sensor gives at 30 and 85 degrees C: 0.7 V at 0, 2.5 mV per degree (SLASE54, typical)
_SENSOR_V = (0.7 + 30 * 2.5e-3, 0.7 + 85 * 2.5e-3)
_REFERENCES_V = (1.2, 2.0, 2.5)


def descriptors(device: Device, seed: int) -> bytes:
    """The descriptors of one part.

    Args:
        device: names the device id.
        seed: of the machine; another seed is another part.

    Returns:
        256 bytes from `TLV` on.
    """
    part = hashlib.sha256(f"{device.name} {seed}".encode()).digest()
    temperatures = [round(4096 * v / reference) for reference in _REFERENCES_V for v in _SENSOR_V]
    entries = (
        (_DIE_RECORD, part[16:26]),
        (_ADC_CALIBRATION, struct.pack("<Hh6H", _UNITY, 0, *temperatures)),
        (_REF_CALIBRATION, struct.pack("<3H", _UNITY, _UNITY, _UNITY)),
        (_RANDOM, part[:16]),
    )
    body = struct.pack("<HBB", device.device_id, _REVISION, _REVISION)
    body += b"".join(bytes((tag, len(value))) + value for tag, value in entries)
    body = body.ljust(_SIZE - 4, b"\xff")
    return struct.pack("<BBH", 6, 6, binascii.crc_hqx(body, 0xFFFF)) + body
