import Basics
import Testing

@testable import GatewayNode

@Suite struct SessionSettingsTests {
  func refuses(_ settings: inout SessionSettings, _ name: String, _ value: String, isLocal: Bool) -> Bool {
    do {
      try settings.set(name, value, isLocal: isLocal)
      return false
    } catch {
      return true
    }
  }

  @Test(arguments: [
    ("250", 250), ("250ms", 250), ("2s", 2000), ("1 min", 60_000), ("1h", 3_600_000), ("1d", 86_400_000), ("0", 0),
  ]) func durationsTakeUnits(_ text: String, _ milliseconds: UInt64) {
    #expect(SessionSettings.parseMilliseconds(text) == milliseconds)
  }

  @Test(arguments: ["", "-1", "ms", "1y", "99999999999999999999", "1e3", "25d"]) func nonsenseIsNoDuration(
    _ text: String
  ) {
    #expect(SessionSettings.parseMilliseconds(text) == nil)
  }

  @Test func valuesAreChecked() throws {
    var settings = SessionSettings()
    try settings.set("Standard_Conforming_Strings", "ON", isLocal: false)
    try settings.set("extra_float_digits", "3", isLocal: false)
    #expect(settings["extra_float_digits"] == "3")
    do {
      let isRefused = refuses(&settings, "extra_float_digits", "99", isLocal: false)
      #expect(isRefused)
    }
    do {
      let isRefused = refuses(&settings, "server_version", "16", isLocal: false)
      #expect(isRefused)
    }
    do {
      let isRefused = refuses(&settings, "no_such_setting", "1", isLocal: false)
      #expect(isRefused)
    }
    do {
      let isRefused = refuses(&settings, "client_encoding", "LATIN1", isLocal: false)
      #expect(isRefused)
    }
    try settings.set("my.setting", "x", isLocal: false)
    #expect(try settings.show("my.setting").value == "x")
    #expect(throws: SQLError.self) { try settings.show("no_such_setting") }
  }

  @Test func localValuesAndRollbacksEndWithTheTransaction() throws {
    var settings = SessionSettings()
    try settings.set("application_name", "before", isLocal: false)
    let checkpoint = settings.checkpoint
    try settings.set("application_name", "inside", isLocal: false)
    try settings.set("statement_timeout", "5s", isLocal: true)
    #expect(settings.milliseconds("statement_timeout") == 5000)
    settings.endTransaction(restoring: checkpoint)
    #expect(settings["application_name"] == "before")
    #expect(settings.milliseconds("statement_timeout") == 0)
  }

  @Test func customSettingsAreLimited() {
    var settings = SessionSettings()
    var refused = 0
    for number in 0...SessionSettings.maximumCustomSettings {
      do { try settings.set("custom.s\(number)", "1", isLocal: false) } catch { refused += 1 }
    }
    #expect(refused == 1)
  }

  @Test func startOptionsAreParsed() {
    let options = Session.parseOptions(#"-c statement_timeout=5s --search-path=a\ b -cjit=off junk"#)
    #expect(options.map(\.name) == ["statement_timeout", "search_path", "jit"])
    #expect(options.map(\.value) == ["5s", "a b", "off"])
  }
}

@Suite struct RawEntriesTests {
  @Test func ownWritesLieOverCommittedRows() {
    let committed: [RawEntries.Entry] = [([1], [10]), ([3], [30]), ([5], [50])]
    let own: [(key: [UInt8], value: [UInt8]?)] = [([0], [1]), ([3], nil), ([4], [4]), ([5], [55]), ([9], nil)]
    let merged = RawEntries.merge(committed, own)
    #expect(merged.map(\.key) == [[0], [1], [4], [5]])
    #expect(merged.map(\.value) == [[1], [10], [4], [55]])
  }

  @Test func malformedPagesAreAnError() {
    #expect(throws: MalformedBytes.self) { try RawEntries.decode([5, 1, 2]) }
  }
}
