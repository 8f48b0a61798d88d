import Basics
import Testing

@testable import RocksEngine

@Suite struct MemoryTableTests {
  /// Against a dictionary, with copies taken on the way that must not change.
  @Test(arguments: 1...UInt64(8)) func behavesAsASortedDictionary(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var table = MemoryTable()
    var model: [[UInt8]: [UInt8]] = [:]
    var copies: [(MemoryTable, [[UInt8]: [UInt8]])] = []
    func key() -> [UInt8] {
      let number = UInt16.random(in: 0..<2000, using: &generator)
      return [UInt8(number >> 8), UInt8(truncatingIfNeeded: number)]
    }
    for step in 0..<4000 {
      switch Int.random(in: 0..<100, using: &generator) {
      case 0..<60:
        let (key, value) = (key(), key())
        let old = table.put(MemoryEntry(key: key, value: value))
        #expect(old?.value == model.updateValue(value, forKey: key), "seed \(seed), step \(step)")
      case 60..<90:
        let key = key()
        #expect(table.remove(key)?.value == model.removeValue(forKey: key), "seed \(seed), step \(step)")
      case 90..<92:
        let (lower, upper) = (key(), key())
        let gone = table.removeRange(from: lower, to: upper).map(\.key)
        let expected = model.keys.filter { !isBelow($0, lower) && isBelow($0, upper) }.sorted(by: isBelow)
        #expect(gone == expected, "seed \(seed), step \(step)")
        for key in expected { model[key] = nil }
      case 92..<94: copies.append((table, model))
      default:
        let key = key()
        #expect(table.entry(key)?.value == model[key])
        let above = table.upperBound(key)
        let next = model.keys.filter { isBelow(key, $0) }.min(by: isBelow)
        #expect((above == table.end ? nil : table[above].key) == next, "seed \(seed), step \(step)")
      }
      #expect(table.count == model.count)
    }
    for (table, model) in copies + [(table, model)] {
      let entries = table.entries(from: table.start, to: table.end)
      #expect(entries.map(\.key) == model.keys.sorted(by: isBelow), "seed \(seed)")
      #expect(entries.allSatisfy { model[$0.key] == $0.value }, "seed \(seed)")
      #expect(entries.indices.allSatisfy { table.entry(at: $0).key == entries[$0].key })
    }
  }
}
