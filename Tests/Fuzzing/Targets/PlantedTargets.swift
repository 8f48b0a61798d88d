import Basics

/// Each has a mistake that decoders are prone to; a run of a bounded number of inputs must find it.
let plantedTargets: [FuzzTarget] = [
  // Believes a length, and traps where the bytes end before it.
  FuzzTarget("planted-length", seeds: { [[0x54, 0x48, 2, 1, 2]] }) { bytes in
    guard bytes.count > 3, bytes[0] == 0x54, bytes[1] == 0x48 else { return }
    let payload = bytes[3..<3 + Int(bytes[2])]
    require(payload.count == Int(bytes[2]), "a payload of the length it says")
  },
  // Loses the highest bit of a number: it decodes, but not to what was written.
  FuzzTarget("planted-round-trip", seeds: { [[1, 2]] }) { bytes in
    var reader = ByteReader(bytes)
    guard let value = try? reader.readUInt16() else { return }
    var writer = ByteWriter()
    writer.write(value & 0x7fff)
    var again = ByteReader(writer.bytes)
    require((try? again.readUInt16()) == value, "\(value) comes back as it was written")
  },
]
